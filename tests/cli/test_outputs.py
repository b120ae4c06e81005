"""Rules 3, 4 and 10 of the command line: nothing is overwritten, nothing half-written, nothing lost."""

import io
import os
import resource
import signal
from pathlib import Path

import pytest
import soundfile
from PIL import Image

from tests.cli.conftest import MEDIA, Command, obey_modes, wait_until
from tests.cli.test_streams import speech, wav
from vpcodec.container import Index

OLD = b"something dear to somebody"


def test_rule_3_nothing_is_overwritten_without_force(vpcodec: Command, media: Path) -> None:
    (media / "speech.tok").write_bytes(OLD)
    refused = vpcodec("encode", "speech.wav")
    assert (refused.returncode, refused.stderr) == (1, b"vpcodec: speech.tok: exists already; use -f to replace it\n")
    assert (media / "speech.tok").read_bytes() == OLD
    assert vpcodec("encode", "speech.wav", "-f").returncode == 0
    assert (media / "speech.tok").read_bytes().startswith(b"\xd6VP")


def test_rule_3_skip_existing_keeps_outputs_and_succeeds(vpcodec: Command, media: Path) -> None:
    (media / "speech.tok").write_bytes(OLD)
    ended = vpcodec("encode", "--skip-existing", "speech.wav", "photo.png")
    assert ended.returncode == 0
    assert b"1 done, 1 skipped, 0 failed" in ended.stderr
    assert (media / "speech.tok").read_bytes() == OLD


def test_rule_3_no_question_is_ever_asked(vpcodec: Command, media: Path) -> None:
    (media / "speech.tok").write_bytes(OLD)
    terminal, side = os.openpty()
    process = vpcodec.start("encode", "speech.wav", stdin=side, stdout=side)
    os.close(side)
    assert process.wait(120) == 1
    os.close(terminal)


def test_rule_3_an_input_is_never_its_own_output(vpcodec: Command, tokens: Path) -> None:
    before = (tokens / "speech.tok").read_bytes()
    os.link(tokens / "speech.tok", tokens / "same.wav")
    assert vpcodec("decode", "speech.tok", "-f", "-o", "same.wav").returncode == 1
    assert (tokens / "speech.tok").read_bytes() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_rule_4_an_interrupted_output_leaves_nothing_behind(vpcodec: Command, number: int, code: int) -> None:
    process = vpcodec.start("encode", "-", "-o", "long.tok")
    process.stdin.write(wav(speech(30), 0))
    process.stdin.flush()
    wait_until(lambda: writes_into(vpcodec.folder, process.pid), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert b"Traceback" not in err
    assert vpcodec.names() == []


def test_rule_4_a_killed_process_leaves_no_output(vpcodec: Command) -> None:
    process = vpcodec.start("encode", "-", "-o", "long.tok")
    process.stdin.write(wav(speech(30), 0))
    process.stdin.flush()
    wait_until(lambda: writes_into(vpcodec.folder, process.pid), process)
    process.kill()
    process.wait()
    assert [name for name in vpcodec.names() if not name.endswith(".part")] == []


def writes_into(folder: Path, process: int) -> bool:
    """Whether a process has a file open in a folder, with a name or without."""
    opened = [os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir() if link.is_symlink()]
    return any(name.startswith(f"{folder}/") for name in opened)


def test_rule_4_a_bad_input_leaves_no_output(vpcodec: Command, media: Path) -> None:
    content = (media / "speech.wav").read_bytes()
    (media / "speech.wav").write_bytes(content[: len(content) // 2])
    assert vpcodec("encode", "speech.wav").returncode == 1
    assert vpcodec.names() == ["photo.png", "speech.wav"]


def test_rule_4_a_full_disk_is_one_line_and_leaves_nothing(vpcodec: Command, tokens: Path) -> None:
    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    ended = vpcodec("decode", "photo.tok", preexec_fn=little_space)
    assert ended.returncode == 1
    assert ended.stderr == b"vpcodec: photo.decoded.png: file too large\n"
    assert vpcodec.names() == ["photo.tok", "speech.tok"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_rule_4_a_full_device_behind_standard_output_is_one_line(vpcodec: Command, tokens: Path) -> None:
    with open("/dev/full", "wb") as full:
        ended = vpcodec("decode", "photo.tok", "-c", stdout=full)
    assert (ended.returncode, ended.stderr) == (1, b"vpcodec: standard output: no space left on device\n")


def test_rule_4_a_read_only_folder_is_one_line(vpcodec: Command, tokens: Path) -> None:
    (tokens / "locked").mkdir(mode=0o555)
    ended = vpcodec("decode", "speech.tok", "--output-dir", "locked", preexec_fn=obey_modes)
    assert ended.returncode == 1
    assert ended.stderr == b"vpcodec: locked/speech.decoded.wav: permission denied\n"


def test_rule_10_rm_deletes_inputs_whose_outputs_are_right(vpcodec: Command, media: Path) -> None:
    assert vpcodec("encode", "--rm", "speech.wav", "photo.png").returncode == 0
    assert vpcodec.names() == ["photo.tok", "speech.tok"]
    assert vpcodec("decode", "--rm", "speech.tok", "photo.tok").returncode == 0
    assert vpcodec.names() == ["photo.decoded.png", "speech.decoded.wav"]


@pytest.mark.parametrize("name", ["speech.ogg", "speech.flac", "photo.webp", "photo.jpg"])
def test_rule_10_rm_knows_every_format_that_can_be_read_back(vpcodec: Command, tokens: Path, name: str) -> None:
    source = f"{name.split('.')[0]}.tok"
    assert vpcodec("decode", "--rm", source, "-o", name).returncode == 0
    assert source not in vpcodec.names()


def test_rule_10_rm_keeps_inputs_of_outputs_that_fail_or_are_skipped(vpcodec: Command, media: Path) -> None:
    (media / "speech.tok").write_bytes(OLD)
    skipped = vpcodec("encode", "--rm", "--skip-existing", "speech.wav")
    assert skipped.returncode == 0
    assert b"\n--rm keeps the inputs of files that were skipped; use -f to code them again\n" in skipped.stderr
    assert vpcodec("encode", "--rm", "speech.wav").returncode == 1
    assert vpcodec("encode", "--rm", "speech.wav", "-o", "/dev/null").returncode == 2
    assert vpcodec("encode", "--rm", "speech.wav", "-c").returncode == 2
    assert "speech.wav" in vpcodec.names()


def test_a_photo_of_more_pixels_than_allowed_is_refused_with_the_option_that_allows_it(vpcodec: Command) -> None:
    Image.new("1", (40, 30)).save(vpcodec.folder / "wide.png")
    ended = vpcodec("encode", "--max-pixels", "1199", "wide.png")
    assert b"wide.png: 40 x 30 pixels are more than the limit of 1,199" in ended.stderr
    assert b"--max-pixels" in ended.stderr
    assert (ended.returncode, vpcodec.names()) == (1, ["wide.png"])
    assert vpcodec("encode", "--max-pixels", "1200", "wide.png").returncode == 0


@pytest.mark.parametrize("name", ["pages.tif", "moving.gif", "moving.png", "moving.webp", "stereo.mpo.jpg"])
def test_rule_10_rm_keeps_an_input_of_which_only_the_first_picture_is_coded(vpcodec: Command, name: str) -> None:
    first, second = (Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
    form = "MPO" if ".mpo" in name else None
    first.save(vpcodec.folder / name, form, save_all=True, append_images=[second])
    ended = vpcodec("encode", "--rm", name, "-o", "out.tok")
    assert ended.returncode == 0
    assert vpcodec.names() == sorted([name, "out.tok"])
    assert f"{name}: only the first of 2 pictures is used\n".encode() in ended.stderr
    assert f"{name}: the input is kept, because a part of it is not in the output\n".encode() in ended.stderr


def test_rule_10_a_wrong_output_fails_verification(tokens: Path, models: Path) -> None:
    from vpcodec.container import Index
    from vpcodec.corpus.verify import check_encoded
    from vpcodec.errors import InputError
    from vpcodec.registry import ModelFolder

    content = bytearray((tokens / "speech.tok").read_bytes())
    with open(tokens / "speech.tok", "rb") as stream:
        header = Index(stream).header
    content[len(content) // 2] ^= 1
    (tokens / "speech.tok").write_bytes(content)
    with pytest.raises(InputError, match="the input is kept"):
        check_encoded(str(tokens / "speech.tok"), ModelFolder(models / header.model), header.rate)


def test_resync_decodes_the_intact_frames_of_a_damaged_file(vpcodec: Command, tokens: Path) -> None:
    content = (tokens / "speech.tok").read_bytes()
    start = Index(io.BytesIO(content)).starts[0]
    broken = content[start : start + 30] + bytes([content[start + 30] ^ 1]) + content[start + 31 :]
    (tokens / "damaged.tok").write_bytes(content[:start] + broken + content[start:])
    assert vpcodec("decode", "damaged.tok", "-o", "out.wav").returncode == 1
    salvaged = vpcodec("decode", "damaged.tok", "-o", "out.wav", "--resync")
    assert salvaged.returncode == 0
    assert b"damaged" in salvaged.stderr
    sound = vpcodec("decode", "speech.tok", "-o", "sound.wav", "--resync")
    assert (sound.returncode, b"damaged" in sound.stderr) == (0, False)
    assert (tokens / "out.wav").read_bytes() == (tokens / "sound.wav").read_bytes()


@pytest.mark.parametrize(("source", "target"), [("speech.tok", "out.wav"), ("photo.tok", "out.png")])
def test_resync_replaces_a_frame_that_is_lost(vpcodec: Command, tokens: Path, source: str, target: str) -> None:
    damaged = bytearray((tokens / source).read_bytes())
    damaged[Index(io.BytesIO(damaged)).starts[0] + 30] ^= 1
    (tokens / "damaged.tok").write_bytes(damaged)
    ended = vpcodec("decode", "damaged.tok", "-o", target, "--resync")
    assert ended.returncode == 0
    assert b"damaged.tok: damaged, 1 of its frames replaced: frame 0 at byte" in ended.stderr
    if target == "out.wav":
        assert soundfile.info(tokens / target).frames == 16_000
    else:
        assert Image.open(tokens / target).size == Image.open(MEDIA / "cat.png").size


def test_resync_is_for_whole_files(vpcodec: Command, tokens: Path) -> None:
    assert vpcodec("decode", "speech.tok", "--resync", "--from", "0.1").returncode == 2
