"""One file in, one file out: what `encode` and `decode` do with an item of a plan, and what became of it."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, cast

from vpcodec.codec.pipeline import Codec
from vpcodec.codec.signals import WHOLE, Coded
from vpcodec.codec.token_files import SIGNALS, model_for
from vpcodec.container import Header, Index, Reader
from vpcodec.container.header import MAGIC
from vpcodec.corpus.plan import DECODED, TOKENS, Item, form_of, output_name
from vpcodec.corpus.result import Result, Settings, fail
from vpcodec.corpus.verify import check_decoded, check_encoded, decoded_time, is_decoded, is_encoded
from vpcodec.data.audio import peek_sample_rate
from vpcodec.data.kinds import SIGNATURE_BYTES, MissingExtraError, file_type_of, peek_file_type
from vpcodec.data.output import open_output
from vpcodec.data.streams import STANDARD, LeftOut, failure, open_input, peek, seekable, shown
from vpcodec.errors import ConfigError, InputError, VpcodecError
from vpcodec.registry import DEFAULT_MODELS, WIDE, WIDE_MODEL, ModelFolder, default_model, find_model, is_installed


class Coder:
    """Works on items one after the other; loads each model once.

    Args:
        settings: What is done with each.
        threads: That the onnx engine may use; None for one a core.
    """

    def __init__(self, settings: Settings, threads: int | None = None) -> None:
        self.settings = settings
        self.threads = threads
        self.codecs: dict[str, Codec] = {}
        self.reading: BinaryIO | None = None
        self.process: Callable[[Item], Result] = self.encode if settings.task == "encode" else self.decode

    def check(self) -> list[str]:
        """The codebook of each model that is chosen for the bits that are asked for, as lines for people.

        Raises:
            ModelError: There is no model of the name that was given.
            ConfigError: It has no codebook that is wanted or, where none was named, no default model has.
        """
        wanted, names, lines, errors = self.settings.wanted, [self.settings.model], [], []
        if names == [None]:  # those that the inputs do not need may be missing
            chosen = wanted.asked or wanted.codebook is not None
            fitting = (kind for kind in DEFAULT_MODELS if wanted.asked in (None, SIGNALS[kind].asked))
            names = [DEFAULT_MODELS[kind] for kind in fitting] if chosen else []
            if self.settings.task == "encode" and is_installed(WIDE_MODEL):
                names += [WIDE_MODEL] if DEFAULT_MODELS["speech"] in names else []
                lines.append(f"recordings of {WIDE:,} Hz or more: {WIDE_MODEL}; below: {DEFAULT_MODELS['speech']}")
        for model in map(find_model, filter(None, names)):
            signal = SIGNALS[model.facts.kind]
            try:
                rate = signal.choose(model, wanted)
            except ConfigError as error:
                errors.append(error)
                continue
            bits, asked = signal.bits(model)[model.facts.rates.index(rate)], getattr(wanted, signal.asked)
            if asked:
                more = f"{abs(bits / asked - 1):.0%} {'more' if bits > asked else 'less'} than asked for"
                lines.append(f"{model.name}: codebook {model.codebook_name(rate)}, {signal.rate_text(bits)}, {more}")
        if errors and len(errors) == len(names):
            several = ConfigError("; ".join(f"{each.what} ({each.hint})" for each in errors))
            raise several if len(errors) > 1 else errors[0]
        return lines

    @contextmanager
    def result_of(self, item: Item) -> Iterator[Result]:
        """What becomes of an item in the block. Whatever is wrong with it is part of the result."""
        result = Result(item.number, item.source, item.target)
        began = time.perf_counter()
        try:
            yield result
        except BrokenPipeError:
            raise
        except MissingExtraError as error:
            fail(result, error)
            if item.mirrored:  # a folder may well hold what this machine is not meant to read
                result.status = "skipped"
                result.notes.append(f"skipped, because it {error.what.rpartition(': ')[2]}; {error.hint}")
        except VpcodecError as error:
            fail(result, error)
        except MemoryError:
            fail(result, InputError("does not fit into memory"))
        except OSError as error:
            fail(result, failure(error.filename or item.source, error))
        except Exception as error:  # one file that shows a bug must not stop a thousand others
            hint = "please report it, with what -v shows"
            fail(result, InputError(f"internal error, {type(error).__name__}: {error}", hint=hint))
            import traceback

            result.traceback = traceback.format_exc()
        result.seconds = time.perf_counter() - began

    def encode(self, item: Item) -> Result:
        """Turn a recording or photo into a token file."""
        settings, reading = self.settings, self.settings.reading
        with self.result_of(item) as result:
            if item.problem:
                raise item.problem
            target = result.target = output_name(item.target, TOKENS) if item.open_ended else item.target
            with self.open_source(item.source, target) as stream, ExitStack() as resources:
                file_type = None
                if reading.raw is None:
                    file_type, stream = peek_file_type(stream)
                kind = file_type.kind if file_type else "speech"
                if settings.model:
                    model = find_model(settings.model)
                else:
                    sample_rate = reading.raw.sample_rate if reading.raw else 0
                    if file_type and kind == "speech" and is_installed(WIDE_MODEL):
                        sample_rate, stream = resources.enter_context(peek_sample_rate(stream, file_type))
                    model = find_model(default_model(kind, sample_rate))
                if file_type and SIGNALS[model.facts.kind].media != kind:
                    what = f"{shown(item.source)}: is {SIGNALS[kind].noun}, and {model.name} codes {model.facts.kind}"
                    raise InputError(what, hint="choose another --model")
                rate = SIGNALS[model.facts.kind].choose(model, settings.wanted)
                result.kind, result.model, result.codebook = model.facts.kind, model.name, model.codebook_name(rate)
                if self.is_done(item, target, lambda: is_encoded(target, item.source, model, rate)):
                    result.status = "skipped"
                    return result
                with self.open_target(item, target) as out:
                    codec = self.load(model, result)
                    coded = codec.encode_to(stream, out, wanted=settings.wanted, reading=reading, file_type=file_type)
            note(result, coded)
            result.codebook = model.codebook_name(coded.rate)
            if settings.remove and any(isinstance(each, LeftOut) for each in coded.notes):
                result.notes.append("the input is kept, because a part of it is not in the output")
            elif settings.remove:
                check_encoded(target, model, coded.rate)
                os.unlink(item.source)
        return result

    def decode(self, item: Item) -> Result:
        """Turn a token file into a recording or photo."""
        settings, writing = self.settings, self.settings.writing._replace(live=item.source == STANDARD)
        with self.result_of(item) as result, ExitStack() as resources:
            if item.problem:
                raise item.problem
            stream = tokens_in(resources.enter_context(self.open_source(item.source, item.target)))
            reader: Reader | Index
            if writing.span == WHOLE:
                reader = Reader(stream)
            else:
                reader = Index(resources.enter_context(seekable(stream)))
            header = reader.header
            form = settings.form or form_of(item.target, SIGNALS[header.kind].formats, item.open_ended)
            check_form(item, header, form, settings)
            target = result.target = output_name(item.target, f"{DECODED}.{form}") if item.open_ended else item.target
            result.kind, result.model, result.codebook = header.kind, header.model, header.rate
            time = decoded_time(item.source, writing.resync) if item.mirrored else None
            if self.is_done(item, target, lambda: is_decoded(target, item.source, time or 0, form)):
                result.status = "skipped"
                return result
            with self.open_target(item, target, time) as out:
                codec = self.load(model_for(header, settings.model, item.source), result)
                result.codebook = codec.model.codebook_name(header.rate)
                coded = codec.decode_to(reader, out, form, writing)
            note(result, coded)
            if settings.remove:
                check_decoded(target, header, coded.length, form)
                os.unlink(item.source)
        return result

    def load(self, model: ModelFolder, result: Result) -> Codec:
        """The codec of a model, loaded when it is first needed."""
        began = time.perf_counter()
        key = str(model.path)
        if key not in self.codecs:
            settings = self.settings
            self.codecs[key] = Codec.load(
                model,
                engine=settings.engine,
                device=settings.device,
                threads=self.threads,
                effort=settings.effort,
            )
        result.engine = self.codecs[key].engine.name
        result.load_seconds = time.perf_counter() - began
        return self.codecs[key]

    @contextmanager
    def open_source(self, source: str, target: str) -> Iterator[BinaryIO]:
        """The input's bytes. Raises InputError for a directory, and where reading would destroy the input."""
        if source != STANDARD and os.path.isdir(source):
            raise InputError(f"{shown(source)}: is a directory", hint="add -r for the files in it")
        if STANDARD not in (source, target) and os.path.exists(target) and os.path.samefile(source, target):
            raise InputError(f"{shown(source)}: is both input and output", hint="name another output with -o")
        if self.settings.remove and (STANDARD in (source, target) or not is_plain(target)):
            raise ConfigError("--rm needs files on both sides", hint="name the output with -o")
        with open_input(source) as stream:
            self.reading = stream
            try:
                yield stream
            finally:
                self.reading = None

    @contextmanager
    def open_target(self, item: Item, target: str, time: int | None = None) -> Iterator[BinaryIO]:
        """Where the output's bytes go; folders of a mirrored tree are made on the way.

        Args:
            item: What is worked on.
            target: Path, or `-`.
            time: Modification time that the output gets, ns; None for its input's.
        """
        folder = os.path.dirname(target)
        if folder and item.open_ended:
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise failure(folder, error) from None
        like = item.source if item.source != STANDARD and is_plain(item.source) else None
        # In a mirror, what is older or damaged is replaced; all else in its place was refused before.
        force = self.settings.force or (item.mirrored and os.path.isfile(target))
        with open_output(target, force=force, like=like, time=time) as out:
            yield cast(BinaryIO, Prompt(out)) if target == STANDARD else out

    def is_done(self, item: Item, target: str, is_complete: Callable[[], bool]) -> bool:
        """Whether an output is there already that is to be left alone: any, or in a mirrored tree a complete one."""
        if self.settings.skip_existing and target != STANDARD and os.path.lexists(target):
            return True
        return item.mirrored and not self.settings.force and is_complete()

    def share(self) -> float:
        """How much of the present input has been read, 0 to 1; 0 where nobody can tell."""
        try:
            descriptor = self.reading.fileno() if self.reading else -1
            return os.lseek(descriptor, 0, os.SEEK_CUR) / max(1, os.fstat(descriptor).st_size)
        except (OSError, ValueError):
            return 0.0


def run(items: Sequence[Item], coder: Coder, jobs: int = 1, ray: str | None = None) -> Iterator[Result]:
    """The result of each item as it is finished.

    Args:
        items: The plan.
        coder: What works on them if there is one job.
        jobs: Number of processes; 0 for one per core. Standard input reaches none but this one.
        ray: Address of a Ray cluster that works on them instead; None for this machine.
    """
    workers = min(jobs or os.cpu_count() or 1, len(items))
    if ray is None and (workers <= 1 or any(item.source == STANDARD for item in items)):
        return map(coder.process, items)
    from vpcodec.corpus.jobs import run_on_ray, run_pool

    return run_pool(items, coder.settings, workers) if ray is None else run_on_ray(items, coder.settings, ray)


class Prompt:
    """Standard output that hands on every piece at once, so that whoever reads it can go on."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def write(self, data: bytes) -> int:
        count = self.stream.write(data)
        self.stream.flush()
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def tokens_in(stream: BinaryIO) -> BinaryIO:
    """A stream to read a token file from. Raises InputError if it is plainly a recording or photo."""
    head, whole = peek(stream, len(MAGIC))  # no more, so that what comes slowly is heard at once
    if head == MAGIC:
        return whole
    head, whole = peek(whole, SIGNATURE_BYTES)
    try:
        kind = file_type_of(head, "").kind
    except InputError:
        return whole  # whoever reads it says what is wrong
    raise InputError(f"{shown(stream)}: is {SIGNALS[kind].noun}, not a token file", hint="use `vpcodec encode`")


def note(result: Result, coded: Coded) -> None:
    """Take over what coding told."""
    result.notes += coded.notes
    result.amount, result.network_seconds = coded.amount, coded.network_seconds
    if result.target != STANDARD and os.path.isfile(result.target):
        result.bytes = os.path.getsize(result.target)


def check_form(item: Item, header: Header, form: str, settings: Settings) -> None:
    """Raise ConfigError for a format that is none of the signal's, or that nobody can verify before --rm."""
    signal = SIGNALS[header.kind]
    if settings.remove and form == "raw":
        raise ConfigError("--rm: raw samples cannot be verified", hint="use another --format")
    if form not in signal.formats:
        what = f"{shown(item.source)}: {signal.noun} is not written as {form}"
        raise ConfigError(what, hint=f"use {', '.join(signal.formats)}")


def is_plain(path: str) -> bool:
    """Whether a path is, or will be, an ordinary file."""
    return os.path.isfile(path) or not os.path.exists(path)
