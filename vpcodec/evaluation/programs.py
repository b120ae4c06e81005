"""Codecs of sound by their own programs: a WAV or PCM file in, a coded file out, and back.

Each gets the sample rate that it works at. The delay of its output is taken off, because intelligibility is
measured sample by sample; it is the shift that fits test recordings best.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from vpcodec.codec.arrays import Recording
from vpcodec.data.resample import resample
from vpcodec.errors import ConfigError, DependencyError, InputError
from vpcodec.evaluation.candidates import Candidate, largest_within
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import Signal


@dataclass(frozen=True)
class Program:
    """How a codec's programs are called.

    Attributes:
        title: Its name for readers.
        package: Where its programs come from, for the hint.
        rates: bit/s of its modes, or the lowest and the highest.
        any_rate: Whether it takes any rate between the lowest and the highest.
        sample_rate: Hz that it works at; None for that of the signals.
        suffix: Of its coded file; the programs go by it.
        raw: Whether it wants bare 16-bit samples instead of a WAV file.
        frame: Samples that a recording is filled up to a multiple of, where the program would
            drop the rest; 0 where it does not.
        encode: Command line, with {rate} in bit/s, {kilo} in kbit/s, {source} and {target}.
        decode: Command line back.
        delay: Samples by which its output lags.
        version: Command line that prints its version; empty for a program that cannot tell.
        part: What the encoding program must have been built with, where that is not certain, and
        parts: the command line that lists what it was built with.
    """

    title: str
    package: str
    rates: tuple[int, ...]
    suffix: str
    encode: str
    decode: str
    version: str = ""
    any_rate: bool = False
    sample_rate: int | None = None
    raw: bool = False
    frame: int = 0
    delay: int = 0
    part: str = ""
    parts: str = ""


OPUS = Program(
    title="Opus",
    package="opus-tools",
    rates=(6_000, 256_000),
    any_rate=True,
    suffix=".opus",
    # A fixed serial number and no padding: the same bytes every time, and no more than needed.
    encode="opusenc --quiet --speech --serial 1 --padding 0 --discard-comments --bitrate {kilo} {source} {target}",
    decode="opusdec --quiet --rate 16000 {source} {target}",
    version="opusenc --version",
)
SPEECH: dict[str, Program] = {
    "opus": OPUS,
    "codec2": Program(
        title="Codec 2",
        package="codec2",
        rates=(1200, 1300, 1400, 1600, 2400, 3200),
        suffix=".c2",
        encode="c2enc {rate} {source} {target}",
        decode="c2dec {rate} {source} {target}",
        sample_rate=8_000,
        raw=True,
        frame=320,
        delay=160,
    ),
    "speex": Program(
        title="Speex",
        package="speex",
        rates=(3_950, 42_200),
        any_rate=True,
        suffix=".spx",
        encode="speexenc --wideband --bitrate {rate} {source} {target}",
        decode="speexdec {source} {target}",
        version="speexenc --version",
    ),
    "amrwb": Program(
        title="AMR-WB",
        package="a build of ffmpeg with libvo_amrwbenc",
        rates=(6_600, 8_850, 12_650, 14_250, 15_850, 18_250, 19_850, 23_050, 23_850),
        suffix=".amr",
        encode="ffmpeg -loglevel error -i {source} -c:a libvo_amrwbenc -b:a {rate} {target}",
        decode="ffmpeg -loglevel error -i {source} {target}",
        delay=94,
        version="ffmpeg -version",
        part="libvo_amrwbenc",
        parts="ffmpeg -hide_banner -encoders",
    ),
}


AUDIO: dict[str, Program] = {
    "opus": replace(
        OPUS,
        encode=OPUS.encode.replace("--speech", "--music"),
        decode="opusdec --quiet --rate 48000 {source} {target}",
    ),
    "aac": Program(
        title="AAC",
        package="ffmpeg",
        rates=(8_000, 512_000),
        any_rate=True,
        suffix=".m4a",
        encode="ffmpeg -loglevel error -i {source} -c:a aac -b:a {rate} -fflags +bitexact -flags:a +bitexact {target}",
        decode="ffmpeg -loglevel error -i {source} {target}",
        version="ffmpeg -version",
    ),
    "mp3": Program(
        title="MP3",
        package="lame",
        rates=(8_000, 310_000),
        any_rate=True,
        suffix=".mp3",
        encode="lame --quiet --abr {kilo:.0f} {source} {target}",
        decode="lame --quiet --decode {source} {target}",
        version="lame --version",
    ),
}
PROGRAMS = {"speech": SPEECH, "audio": AUDIO}


class ProgramRival(Candidate):
    """A codec of sound at one rate, or at the size of the first candidate's file.

    Args:
        kind: A key of `PROGRAMS`.
        codec: Its name there.
        rate: kbit/s, or bit/s for a number of 1,000 or more; None for matched.

    Raises:
        ConfigError: The codec has no such rate.
        DependencyError: Its programs are not installed, or lack what it needs of them.
    """

    def __init__(self, kind: str, codec: str, rate: float | None) -> None:
        self.kind = kind
        self.program = PROGRAMS[kind][codec]
        self.signal_rate = SIGNALS[kind].sample_rate or 0
        self.program_rate = self.program.sample_rate or self.signal_rate
        for command in (self.program.encode, self.program.decode):
            program = command.split()[0]
            if shutil.which(program) is None:
                raise DependencyError(f"{codec} needs the program {program}", hint=f"install {self.program.package}")
        if self.program.part and self.program.part not in output_of(self.program.parts).split():
            what = f"{codec}: the {self.program.parts.split()[0]} that is installed lacks {self.program.part}"
            raise DependencyError(what, hint=f"install {self.program.package}")
        self.rate = None if rate is None else checked_rate(self.program, codec, rate if rate >= 1000 else rate * 1000)
        self.name = codec if rate is None else f"{codec}:{rate:g}"
        self.family = self.program.title
        self.nominal_rate = self.rate
        self.matched = rate is None
        self.identity = version_of(self.program)

    def encode(self, signal: Signal, budget: int | None = None) -> bytes:
        if self.rate is not None:
            return self.encode_at(signal, self.rate)
        if budget is None:
            raise InputError("nothing to match: the first candidate has no file for this item")
        rates = self.rates_near(budget, len(signal) / self.signal_rate)
        return largest_within(lambda rate: self.encode_at(signal, rate), rates, budget)

    def encode_at(self, signal: Signal, rate: int) -> bytes:
        with tempfile.TemporaryDirectory(prefix="vpcodec-") as folder:
            source = Path(folder, "source.raw" if self.program.raw else "source.wav")
            target = Path(folder, "coded" + self.program.suffix)
            self.write(signal, source)
            run(self.program.encode, source, target, rate)
            return target.read_bytes()

    def decode(self, content: bytes) -> Signal:
        with tempfile.TemporaryDirectory(prefix="vpcodec-") as folder:
            source = Path(folder, "coded" + self.program.suffix)
            target = Path(folder, "target.raw" if self.program.raw else "target.wav")
            source.write_bytes(content)
            run(self.program.decode, source, target, self.rate or 0)
            signal = self.read(target)
        return signal[self.program.delay * self.signal_rate // self.program_rate :]

    def rates_near(self, budget: int, seconds: float) -> Sequence[int]:
        """Its lowest rate and those that may fill so many bytes, in steps of a few percent; all of few modes."""
        if not self.program.any_rate:
            return self.program.rates
        low, high = self.program.rates
        wanted = budget * 8 / seconds
        near = (round(min(max(wanted * percent / 100, low), high)) for percent in range(40, 125, 5))
        return sorted({low, *near})

    def write(self, signal: Signal, path: Path) -> None:
        samples = signal if signal.ndim > 1 else signal[:, None]
        if self.program_rate != self.signal_rate:
            samples = resample(samples, self.signal_rate, self.program_rate)
        if self.program.frame:
            samples = np.pad(samples, ((0, self.program.delay), (0, 0)))
            samples = np.pad(samples, ((0, -len(samples) % self.program.frame), (0, 0)))
        if self.program.raw:
            np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tofile(path)
        else:
            soundfile.write(path, samples, self.program_rate, "PCM_16")

    def read(self, path: Path) -> Signal:
        rate = self.program_rate
        if self.program.raw:
            samples = np.fromfile(path, "<i2").astype(np.float32)[:, None] / np.float32(32768)
        else:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        samples = samples if rate == self.signal_rate else resample(samples, rate, self.signal_rate)
        return SIGNALS[self.kind].of_codec(Recording(samples, self.signal_rate))


def checked_rate(program: Program, codec: str, rate: float) -> int:
    """The rate in bit/s, if the codec has it. Raises ConfigError."""
    if program.any_rate and program.rates[0] <= rate <= program.rates[-1]:
        return round(rate)
    if not program.any_rate and rate in program.rates:
        return int(rate)
    offered = (" to " if program.any_rate else ", ").join(f"{rate / 1000:g}" for rate in program.rates)
    raise ConfigError(f"{codec}: {rate / 1000:g} kbit/s is not one of its rates", hint=f"it offers {offered} kbit/s")


def run(command: str, source: Path, target: Path, rate: int) -> None:
    """One program over one file. Raises InputError with its last words where it fails."""
    words = {"rate": rate, "kilo": rate / 1000, "source": source, "target": target}
    arguments = [word.format(**words) for word in command.split()]
    result = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode or not target.is_file():
        lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise InputError(f"{arguments[0]} failed with exit code {result.returncode}: {lines[-1]}")


def version_of(program: Program) -> str:
    """The first line that a program prints about itself, or its name."""
    lines = output_of(program.version).strip().splitlines()
    return lines[0].strip() if lines else program.encode.split()[0]


@cache
def output_of(command: str) -> str:
    """What a command line prints on both streams; nothing for an empty one."""
    if not command:
        return ""
    result = subprocess.run(command.split(), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return (result.stdout + result.stderr).decode(errors="replace")
