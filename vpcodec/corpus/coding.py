"""One file in, one file out: what `encode` and `decode` do with an item of a plan, and what became of it."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, cast

from vpcodec.codec.matching import model_for
from vpcodec.codec.pipeline import DEFAULT_MODELS, THINGS, Codec
from vpcodec.codec.recordings import WHOLE
from vpcodec.container import Index, Reader
from vpcodec.container.header import MAGIC
from vpcodec.corpus.formats import DECODED, FORMATS, TOKENS, form_of, output_name
from vpcodec.corpus.meter import Meter
from vpcodec.corpus.outcome import Outcome, Settings, fail
from vpcodec.corpus.plan import Item
from vpcodec.corpus.verify import check_decoded, check_encoded, decoded_time, is_decoded, is_encoded
from vpcodec.data.kinds import SIGNATURE_BYTES, MissingExtraError, file_type_of, peek_file_type
from vpcodec.data.output import open_output
from vpcodec.data.streams import STANDARD, LeftOut, failure, open_input, peek, seekable, shown
from vpcodec.errors import ConfigError, InputError, VpcodecError
from vpcodec.registry import ModelFolder, find_model


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

    def process(self, item: Item) -> Outcome:
        """Do what is to be done with an item. Whatever is wrong with it is part of the outcome."""
        outcome = Outcome(item.number, item.source, item.target)
        began = time.perf_counter()
        try:
            if item.problem:
                raise item.problem
            (self.encode if self.settings.task == "encode" else self.decode)(item, outcome)
        except BrokenPipeError:
            raise
        except MissingExtraError as error:
            fail(outcome, error)
            if item.mirrored:  # a folder may well hold what this machine is not meant to read
                outcome.status = "skipped"
                outcome.notes.append(f"skipped, because it {error.what.rpartition(': ')[2]}; {error.hint}")
        except VpcodecError as error:
            fail(outcome, error)
        except MemoryError:
            fail(outcome, InputError("does not fit into memory"))
        except OSError as error:
            fail(outcome, failure(error.filename or item.source, error))
        except Exception as error:  # one file that shows a bug must not stop a thousand others
            fail(outcome, InputError(f"internal error, {type(error).__name__}: {error}", hint="please report it"))
        outcome.seconds = time.perf_counter() - began
        return outcome

    def encode(self, item: Item, outcome: Outcome) -> None:
        """Turn a recording or photo into a token file."""
        settings = self.settings
        target = outcome.target = output_name(item.target, TOKENS) if item.open_ended else item.target
        with self.open_source(item.source, target) as stream:
            kind = "speech"
            if settings.raw is None:
                file_type, stream = peek_file_type(stream)
                kind = file_type.kind
            model = find_model(settings.model or DEFAULT_MODELS[kind])
            rate = model.checked_codebook(settings.codebook)
            outcome.kind, outcome.model, outcome.codebook = kind, model.name, model.codebook_name(rate)
            if self.is_kept(item, target) or (
                item.mirrored and not settings.force and is_encoded(target, item.source, model, rate)
            ):
                outcome.status = "skipped"
                return
            with self.open_target(item, target) as out:
                codec = self.load(model, outcome)
                with timed(codec, outcome):
                    notes = codec.encode_to(
                        stream,
                        out,
                        codebook=rate,
                        raw=settings.raw,
                        span=settings.span,
                        most_pixels=settings.most_pixels,
                        salvage=settings.salvage,
                    )
                outcome.notes += notes
        if os.path.isfile(target) and target != STANDARD:
            with open(target, "rb") as written:
                index = Index(written)
                outcome.amount = index.header.amount(index.length)
            outcome.bytes = os.path.getsize(target)
        if settings.remove and any(isinstance(note, LeftOut) for note in outcome.notes):
            outcome.notes.append("the input is kept, because a part of it is not in the output")
        elif settings.remove:
            check_encoded(target, index.header, model)
            os.unlink(item.source)

    def decode(self, item: Item, outcome: Outcome) -> None:
        """Turn a token file into a recording or photo."""
        settings = self.settings
        with ExitStack() as resources:
            stream = tokens_in(resources.enter_context(self.open_source(item.source, item.target)))
            reader: Reader | Index
            if settings.span == WHOLE:
                reader = Reader(stream)
            else:
                reader = Index(resources.enter_context(seekable(stream)))
            header = reader.header
            form = settings.form or form_of(item.target, header.kind, item.open_ended)
            if settings.remove and form == "raw":
                raise ConfigError("--rm: raw samples cannot be verified", hint="use another --format")
            if form not in FORMATS[header.kind]:
                fitting = ", ".join(FORMATS[header.kind])
                raise ConfigError(
                    f"{shown(item.source)}: {THINGS[header.kind]} is not written as {form}", hint=f"use {fitting}"
                )
            target = outcome.target = item.target
            if item.open_ended:
                target = outcome.target = output_name(item.target, f"{DECODED}.{form}")
            outcome.kind, outcome.model, outcome.codebook = header.kind, header.model, header.rate
            time = decoded_time(item.source, settings.resync) if item.mirrored else None
            if self.is_kept(item, target) or (
                time is not None and not settings.force and is_decoded(target, item.source, time, form)
            ):
                outcome.status = "skipped"
                return
            with self.open_target(item, target, time) as out:
                codec = self.load(model_for(header, settings.model, item.source), outcome)
                outcome.codebook = codec.model.codebook_name(header.rate)
                with timed(codec, outcome):
                    if isinstance(reader, Index):
                        notes = codec.decode_span_to(reader, out, form, settings.span)
                    else:
                        live = item.source == STANDARD
                        notes = codec.decode_to(reader, out, form, live=live, resync=settings.resync)
                outcome.notes += notes
            length = reader.length
        outcome.amount = header.amount(length)
        if os.path.isfile(target) and target != STANDARD:
            outcome.bytes = os.path.getsize(target)
        if settings.remove:
            check_decoded(target, header, length, form)
            os.unlink(item.source)

    def load(self, model: ModelFolder, outcome: Outcome) -> Codec:
        """The codec of a model, loaded when it is first needed."""
        began = time.perf_counter()
        key = str(model.path)
        if key not in self.codecs:
            settings = self.settings
            codec = Codec.load(model, engine=settings.engine, device=settings.device, threads=self.threads)
            codec.engine = Meter(codec.engine)
            self.codecs[key] = codec
        outcome.engine = self.codecs[key].engine.name
        outcome.load_seconds = time.perf_counter() - began
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

    def is_kept(self, item: Item, target: str) -> bool:
        """Whether an output that is there is to be left alone unseen."""
        return self.settings.skip_existing and target != STANDARD and os.path.lexists(target)

    def share(self) -> float:
        """How much of the present input has been read, 0 to 1; 0 where nobody can tell."""
        try:
            descriptor = self.reading.fileno() if self.reading else -1
            return os.lseek(descriptor, 0, os.SEEK_CUR) / max(1, os.fstat(descriptor).st_size)
        except (OSError, ValueError):
            return 0.0


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
    raise InputError(f"{shown(stream)}: is {THINGS[kind]}, not a token file", hint="use `vpcodec encode`")


@contextmanager
def timed(codec: Codec, outcome: Outcome) -> Iterator[None]:
    """Note how long the network takes."""
    meter = cast(Meter, codec.engine)
    before = meter.seconds
    yield
    outcome.network_seconds = meter.seconds - before


def is_plain(path: str) -> bool:
    """Whether a path is, or will be, an ordinary file."""
    return os.path.isfile(path) or not os.path.exists(path)
