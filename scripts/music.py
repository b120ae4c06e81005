"""Make a training folder of music, ambience and instruments from Debian packages and a free soundfont.

    python scripts/music.py OUT [--minutes 20] [--packages NAME...]

Every package is fetched by `apt-get download`, its sounds of 44.1 kHz and more are brought to 48 kHz, cut into pieces
of six seconds at the levels they have, and written as FLAC into one tar a package; short sounds are joined. Silence and
pieces that were there before (loops, copies) stay out. `sources.json` says for every package its licence, its minutes,
whether it was lossless, and where its band ends: lossy music has a low-pass of its own, which a network must not learn
from alone. With fluidsynth and a soundfont at hand, `scores.tar` adds random scores played by every instrument of
General MIDI, lossless up to 24 kHz.
"""

import argparse
import hashlib
import io
import json
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from vpcodec.data.resample import resample

RATE = 48_000  # Hz
PIECE = 6 * RATE  # samples
PIECES = 6  # at most, of one track: many tracks rather than long ones
SILENCE = 1e-3  # RMS of a piece, -60 dBFS
SUFFIXES = (".ogg", ".oga", ".flac", ".wav", ".mp3", ".opus")
ARCHIVES = (".zip", ".pk3")
# Packages whose copyright files give their sounds a free licence; read in Debian 12.
LICENCES = {
    "0ad-data": "CC BY-SA 3.0",
    "berusky2-data": "GPL-2+",
    "colobot-common-sounds": "GPL-3+",
    "extremetuxracer-data": "GPL-2+",
    "freedroidrpg-data": "GPL-2+",
    "gigalomania-data": "CC BY 3.0",
    "hedgewars-data": "GPL-2",
    "hydrogen-drumkits": "GPL-2+, CC BY 3.0 and CC BY-SA 3.0, by kit",
    "hydrogen-drumkits-effects": "GPL-2+, CC BY 3.0 and CC BY-SA 3.0, by kit",
    "hyperrogue-music": "CC BY-SA 3.0",
    "lincity-ng-data": "GPL-2+",
    "lomiri-sounds": "CC BY-SA 3.0, CC BY 4.0 and CC0",
    "marsshooter-data": "CC BY-SA 3.0",
    "megaglest-data": "CC BY-SA 3.0",
    "naev-data": "GPL-3 or CC BY 3.0, CC BY-SA 3.0, GPL-2+",
    "nexuiz-music": "GPL-2+",
    "plee-the-bear-data": "CC BY-SA 3.0",
    "pushover-data": "GPL-2+",
    "redeclipse-data": "CC BY-SA 3.0, CC BY 3.0 and CC0",
    "singularity-music": "CC BY-SA 3.0",
    "sonic-pi-samples": "CC0 and MIT",
    "starfighter-data": "GPL-2+",
    "supertux-data": "GPL-2+",
    "supertuxkart-data": "CC BY-SA 3.0, CC BY-SA 4.0, CC BY 3.0, GPL-3+",
    "ufoai-music": "GPL-2, CC BY-SA 3.0, CC BY 3.0 and public domain",
    "warmux-data": "GPL-2+",
    "wesnoth-1.16-music": "GPL-2+ and CC BY-SA 4.0",
    "widelands-data": "GPL-2+ and CC BY-SA 3.0",
    "zaz-data": "CC BY-SA 3.0",
}


def sounds_of(package: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every sound file in a Debian package, also of those in archives inside it."""
    unpacking = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    with unpacking, tarfile.open(fileobj=unpacking.stdout, mode="r|") as files:
        for member in files:
            if not member.isfile() or not member.name.lower().endswith(SUFFIXES + ARCHIVES):
                continue
            content = files.extractfile(member).read()  # type: ignore[union-attr]
            if member.name.lower().endswith(SUFFIXES):
                yield member.name, content
            elif zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    for name in archive.namelist():
                        if name.lower().endswith(SUFFIXES):
                            yield name, archive.read(name)


def full_band(content: bytes) -> NDArray[np.float32] | None:
    """Samples [n, 1 or 2] at 48 kHz; None for what is no sound of 44.1 kHz or more."""
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        return None
    if rate < 44_100 or samples.shape[1] > 2 or not len(samples):
        return None
    return samples if rate == RATE else resample(samples, rate, RATE)


def pieces_of(sounds: Iterator[tuple[str, bytes]], seen: set[str]) -> list[NDArray[np.float32]]:
    """Pieces of six seconds [288000, channels] of all sounds; what is left over of each is joined with the next."""
    pieces: list[NDArray[np.float32]] = []
    rest: dict[int, NDArray[np.float32]] = {1: np.zeros((0, 1), np.float32), 2: np.zeros((0, 2), np.float32)}
    for _, content in sounds:
        mark = hashlib.sha256(content).hexdigest()
        if mark in seen or (samples := full_band(content)) is None:
            continue
        seen.add(mark)
        channels = samples.shape[1]
        whole = len(samples) // PIECE
        step = max(1.0, whole / PIECES)
        starts = [int(place * step) * PIECE for place in range(min(whole, PIECES))]
        pieces += [samples[start : start + PIECE].copy() for start in starts]
        if whole == 0:  # an instrument or effect: joined, so that its start is heard
            rest[channels] = np.concatenate((rest[channels], samples))
            if len(rest[channels]) >= PIECE:
                pieces.append(rest[channels][:PIECE])
                rest[channels] = rest[channels][:0]
    return pieces


def distinct(pieces: list[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Those that are neither silent nor equal, up to a small error of coding, to one before: loops repeat."""
    known: set[bytes] = set()
    for piece in pieces:
        if np.sqrt(np.square(piece).mean()) < SILENCE:
            continue
        envelope = np.sqrt(np.square(piece.mean(axis=1)).reshape(60, -1).mean(axis=1))
        mark = np.round(envelope / envelope.max() * 40).astype("u1").tobytes()
        if mark not in known:
            known.add(mark)
            yield piece


def band_of(pieces: list[NDArray[np.float32]]) -> int:
    """Hz below which all but a millionth of the power of half of the pieces lies."""
    ends = []
    for piece in pieces:
        power = np.square(np.abs(np.fft.rfft(piece.mean(axis=1)))).cumsum()
        ends.append(np.searchsorted(power, power[-1] * (1 - 1e-6)) * RATE / PIECE)
    return round(float(np.median(ends)) / 100) * 100


def write_pieces(path: Path, pieces: list[NDArray[np.float32]]) -> None:
    """A tar of FLAC files, 48 kHz, 16 bits."""
    with tarfile.open(path, "w") as shard:
        for place, piece in enumerate(pieces):
            flac = io.BytesIO()
            soundfile.write(flac, np.clip(piece, -1, 1), RATE, format="FLAC", subtype="PCM_16")
            entry = tarfile.TarInfo(f"{path.stem}__{place:04}.flac")
            entry.size = len(flac.getbuffer())
            flac.seek(0)
            shard.addfile(entry, flac)


def score(seed: int) -> bytes:
    """A MIDI file of twelve seconds: chords, a melody and drums, drawn from the seed; instruments take turns."""
    draw = random.Random(seed)
    events: list[tuple[int, bytes]] = []
    for channel, part in ((0, "chords"), (1, "melody"), (2, "bass")):
        events.append((0, bytes((0xC0 | channel, (seed * 3 + channel * 41) % 128))))
        events.append((0, bytes((0xB0 | channel, 10, draw.randrange(20, 108)))))  # pan
        time = 0
        while time < 12_000:
            span = draw.choice((1500, 2000, 3000)) if part == "chords" else draw.choice((150, 250, 500, 750))
            root = draw.randrange(28, 48) if part == "bass" else draw.randrange(48, 80)
            keys = [root, root + draw.choice((3, 4)), root + 7] if part == "chords" else [root]
            strength = draw.randrange(40, 120)
            for key in keys:
                events.append((time, bytes((0x90 | channel, key, strength))))
                events.append((time + span * draw.randrange(5, 10) // 10, bytes((0x80 | channel, key, 0))))
            time += span
    if seed % 3 == 0:
        for beat in range(0, 12_000, 250):
            events.append((beat, bytes((0x99, draw.choice((36, 38, 42, 46, 49, 54, 56, 70)), draw.randrange(50, 120)))))
    events.sort(key=lambda event: event[0])
    track, before = bytearray(), 0
    for time, message in events:
        wait, before = time - before, time
        track += bytes((0x80 | wait >> 7, wait & 0x7F) if wait > 127 else (wait,)) + message
    track += b"\x00\xff\x2f\x00"
    # 500 ticks a beat and the default of 120 beats a minute: a tick is a millisecond.
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 500) + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def play(soundfont: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """Random scores as WAV, played by fluidsynth at 48 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "score.mid"), Path(folder, "score.wav")
        for seed in range(count):
            midi.write_bytes(score(seed))
            command = ["fluidsynth", "-ni", "-q", "-g", "0.6", "-r", str(RATE), "-F", wav, soundfont, midi]
            subprocess.run(command, check=True, capture_output=True)
            yield f"{seed}.wav", wav.read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0, help="at most, of one package")
    parser.add_argument("--packages", nargs="*", default=list(LICENCES), choices=[*LICENCES, "scores"])
    parser.add_argument("--soundfont", type=Path, help="adds random scores, played by fluidsynth")
    parser.add_argument("--soundfont-licence", default="MIT", help="of its samples")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    record = options.out / "sources.json"
    sources = json.loads(record.read_text()) if record.exists() else {}
    most, seen = round(options.minutes * 60 * RATE / PIECE), set[str]()
    for package in [*options.packages, *(["scores"] if options.soundfont else [])]:
        if package in sources or (package == "scores" and not options.soundfont):
            continue
        with tempfile.TemporaryDirectory() as folder:
            if package == "scores":
                sounds, licence = play(options.soundfont, most // 2), options.soundfont_licence
            else:
                fetched = subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, text=True)
                if fetched.returncode:
                    print(f"{package}: {fetched.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                    continue
                sounds, licence = sounds_of(next(Path(folder).glob("*.deb"))), LICENCES[package]
            pieces = list(distinct(pieces_of(sounds, seen)))
        step = max(1.0, len(pieces) / most)
        pieces = [pieces[int(place * step)] for place in range(min(most, len(pieces)))]
        if not pieces:
            continue
        write_pieces(options.out / f"{package}.tar", pieces)
        sources[package] = {
            "licence": licence,
            "minutes": round(len(pieces) * PIECE / RATE / 60, 1),
            "stereo": sum(piece.shape[1] == 2 for piece in pieces),
            "band": band_of(pieces),
        }
        record.write_text(json.dumps(sources, indent=1) + "\n")
        print(package, sources[package], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
