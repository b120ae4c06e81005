"""Rules 2 and 9 of the command line: pipes on both sides."""

import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.cli.conftest import MEDIA, PATIENCE, Command

ENDLESS_SIZES = (0, 0xFFFFFFFF)


def wav(samples: np.ndarray, size: int, rate: int = 16_000) -> bytes:
    """16-bit WAV whose header states `size` bytes, as writers into pipes do."""
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size
    )
    return head + (samples * 32767).astype("<i2").tobytes()


def speech(seconds: float) -> np.ndarray:
    """Speech over and over."""
    samples, _ = soundfile.read(MEDIA / "speech.flac")
    return np.resize(samples, int(seconds * 16_000))


def test_rule_2_a_dash_is_standard_input_and_output_on_both_commands(vpcodec: Command, media: Path) -> None:
    by_pipe = vpcodec("encode", "-", "-o", "-", given=(media / "speech.wav").read_bytes())
    assert by_pipe.returncode == 0
    assert by_pipe.stdout == vpcodec("encode", "speech.wav", "-c").stdout
    decoded = vpcodec("decode", "-", given=by_pipe.stdout)
    assert soundfile.info(io.BytesIO(decoded.stdout)).samplerate == 8000


def test_rule_2_standard_input_is_read_beside_files_whatever_the_number_of_jobs(vpcodec: Command, media: Path) -> None:
    given = (media / "photo.png").read_bytes()
    ended = vpcodec("encode", "-", "speech.wav", "-j", "2", given=given)
    assert ended.returncode == 0
    assert ended.stdout == vpcodec("encode", "photo.png", "-c").stdout


@pytest.mark.parametrize(("name", "form"), [("speech.tok", "WAV"), ("photo.tok", "PNG")])
def test_rule_2_a_nameless_output_is_wav_or_png(vpcodec: Command, tokens: Path, name: str, form: str) -> None:
    stream = io.BytesIO(vpcodec("decode", name, "-c").stdout)
    assert (soundfile.info(stream).format if form == "WAV" else Image.open(stream).format) == form


def test_rule_2_format_decides_what_a_nameless_output_is(vpcodec: Command, tokens: Path) -> None:
    assert vpcodec("decode", "speech.tok", "-c", "--format", "flac").stdout.startswith(b"fLaC")
    assert vpcodec("decode", "photo.tok", "-c", "--format", "webp").stdout[8:12] == b"WEBP"


def test_rule_2_binary_goes_to_a_terminal_only_by_force(vpcodec: Command, media: Path) -> None:
    for force, code in (((), 2), (("-f",), 0)):
        terminal, side = pty.openpty()
        process = vpcodec.start("encode", "speech.wav", "-c", *force, stdout=side)
        os.close(side)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert (b"not written to a terminal" in err) != bool(force)
        if force:
            assert os.read(terminal, 3) == b"\xd6VP"
        os.close(terminal)


@pytest.mark.parametrize("size", ENDLESS_SIZES)
def test_rule_9_wav_headers_without_a_size_are_read_to_the_end(vpcodec: Command, size: int) -> None:
    encoded = vpcodec("encode", "-", given=wav(speech(1), size))
    decoded = vpcodec("decode", "-", given=encoded.stdout)
    assert len(soundfile.read(io.BytesIO(decoded.stdout))[0]) == 16_000


def test_rule_9_raw_samples_pass_through_pipes(vpcodec: Command) -> None:
    samples = np.stack((speech(0.5), -speech(0.5)), 1).astype("<f4")
    raw = ("--raw", "--sample-rate", "16000", "--channels", "2", "--sample-format", "FLOAT")
    encoded = vpcodec("encode", "-", *raw, given=samples.tobytes())
    decoded = vpcodec("decode", "-", "--format", "raw", given=encoded.stdout)
    assert len(decoded.stdout) == samples.nbytes


def test_rule_9_a_pipeline_emits_before_its_input_ends(vpcodec: Command) -> None:
    encoder = vpcodec.start("encode", "-", "-o", "-", stderr=None)
    decoder = vpcodec.start("decode", "-", "-o", "-", stdin=encoder.stdout, stderr=None)
    encoder.stdin.write(wav(speech(60), 0xFFFFFFFF))
    encoder.stdin.flush()  # and the input stays open
    received = 0
    while received < 16_000:  # half a second, more than any header
        ready, _, _ = select.select([decoder.stdout], [], [], PATIENCE)
        assert ready, "nothing came out"
        received += len(os.read(decoder.stdout.fileno(), 1 << 16))
    encoder.stdin.close()
    decoder.stdout.read()
    assert (encoder.wait(PATIENCE), decoder.wait(PATIENCE)) == (0, 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "line", ["info --json speech.tok", "test --json speech.tok", "models", "--help", "decode -h", "--version"]
)
def test_rule_12_text_that_cannot_be_written_is_one_line(vpcodec: Command, tokens: Path, line: str) -> None:
    with open("/dev/full", "wb") as full:
        ended = vpcodec(*line.split(), stdout=full)
    assert (ended.returncode, ended.stderr) == (1, b"vpcodec: standard output: no space left on device\n")


@pytest.mark.parametrize("line", ["decode speech.tok -o -", "models", "--version"])
def test_rule_12_nothing_is_lost_in_a_closed_standard_output(vpcodec: Command, tokens: Path, line: str) -> None:
    ended = vpcodec(*line.split(), stdout=None, preexec_fn=lambda: os.close(1))
    assert (ended.returncode, ended.stderr) == (1, b"vpcodec: standard output: bad file descriptor\n")


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("line", ["decode speech.tok", "export speech.tok --to webdataset"])
def test_rule_2_standard_output_has_other_names(vpcodec: Command, tokens: Path, line: str, name: str) -> None:
    with open(tokens / "all", "wb") as out:
        out.write(b"before")
        out.flush()
        ended = vpcodec(*line.split(), "-o", name, stdout=out)
    assert ended.returncode == 0
    assert ended.stderr.endswith(b"-> standard output\n")
    assert (tokens / "all").read_bytes() == b"before" + vpcodec(*line.split(), "-o", "-").stdout


def test_rule_12_ctrl_c_while_the_program_starts_is_one_line() -> None:
    program = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'getopt':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from vpcodec.__main__ import main\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"vpcodec: interrupted\n")


def test_rule_12_a_closed_pipe_ends_silently(vpcodec: Command, tokens: Path) -> None:
    process = vpcodec.start("decode", "photo.tok", "-c")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE) == 128 + signal.SIGPIPE


def test_rule_12_text_to_a_closed_pipe_ends_silently(vpcodec: Command, tokens: Path) -> None:
    process = vpcodec.start("info", "--json", "photo.tok")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE) == 128 + signal.SIGPIPE


@pytest.mark.slow
def test_rule_9_memory_does_not_grow_with_the_length_of_a_stream(vpcodec: Command) -> None:
    def peak(seconds: int) -> float:
        ended = vpcodec("encode", "-", "-v", given=wav(speech(seconds), 0))
        return float(ended.stderr.split(b"peak memory ")[1].split()[0])

    assert peak(1200) < peak(120) + 10  # MiB; the samples themselves are 37 MB more


@pytest.mark.parametrize("cores", ["1", "2", "4"])
def test_a_second_from_the_middle_of_a_long_recording_is_decoded_from_files_and_pipes_on_any_number_of_cores(
    vpcodec: Command, cores: str
) -> None:
    vpcodec.environment["OMP_NUM_THREADS"] = cores
    content = vpcodec("encode", "-", given=wav(speech(90), 0)).stdout
    (vpcodec.folder / "long.tok").write_bytes(content)
    whole = soundfile.read(io.BytesIO(vpcodec("decode", "-", given=content).stdout), dtype="int16")[0]
    for start in (1, 45, 88):
        span = ("--from", str(start), "--to", str(start + 1))
        assert vpcodec("decode", "long.tok", "-o", f"{start}.wav", *span).returncode == 0
        part = soundfile.read(vpcodec.folder / f"{start}.wav", dtype="int16")[0]
        np.testing.assert_array_equal(part, whole[start * 16_000 : (start + 1) * 16_000])
    piped = vpcodec("decode", "-", *span, given=content).stdout
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(piped), dtype="int16")[0], part)


def test_a_range_can_be_taken_from_a_pipe(vpcodec: Command, tokens: Path) -> None:
    whole = vpcodec("decode", "speech.tok", "-c", "--format", "raw").stdout
    part = vpcodec(
        "decode", "-", "--format", "raw", "--from", "0.25", "--to", "0:0.5", given=(tokens / "speech.tok").read_bytes()
    )
    assert part.stdout == whole[16_000:32_000]


def test_a_range_of_a_recording_can_be_encoded(vpcodec: Command, media: Path) -> None:
    assert vpcodec("encode", "speech.wav", "--from", "0.25", "--to", "0.5").returncode == 0
    vpcodec("decode", "speech.tok")
    assert soundfile.info(media / "speech.decoded.wav").frames == 2000
