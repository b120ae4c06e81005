"""Rules 1, 6 and 8 of the command line: names, and what an output takes over from its input."""

import os
import shutil
from pathlib import Path

import pytest
import soundfile

from tests.cli.conftest import Command


def test_rule_1_without_o_the_output_has_the_name_of_the_input_with_the_new_suffix(
    vpcodec: Command, media: Path
) -> None:
    assert vpcodec("encode", "speech.wav", "photo.png").returncode == 0
    assert vpcodec.names("*.tok") == ["photo.tok", "speech.tok"]


def test_rule_1_decoding_never_takes_the_name_of_an_original(vpcodec: Command, tokens: Path) -> None:
    assert vpcodec("decode", "speech.tok", "photo.tok").returncode == 0
    assert vpcodec.names() == ["photo.decoded.png", "photo.tok", "speech.decoded.wav", "speech.tok"]


@pytest.mark.parametrize("name", ["back.flac", "back.ogg", "back.raw", "back.wav"])
def test_rule_1_the_name_of_the_output_chooses_its_format(vpcodec: Command, tokens: Path, name: str) -> None:
    assert vpcodec("decode", "speech.tok", "-o", name).returncode == 0
    if not name.endswith("raw"):
        assert soundfile.info(vpcodec.folder / name).format == name[-4:].strip(".").upper()
    else:
        assert (vpcodec.folder / name).stat().st_size == 4 * 16_000


@pytest.mark.parametrize(
    "stem", [b"with space", b"new\nline", b"-dash", b"caf\xe9", b"quo'te\"", b"\xf0\x9f\x8e\xa4", b"..x"]
)
def test_rule_6_names_may_hold_anything(vpcodec: Command, media: Path, stem: bytes) -> None:
    folder = os.fsencode(vpcodec.folder)
    os.rename(folder + b"/speech.wav", folder + b"/" + stem + b".wav")
    encoded = vpcodec("encode", "--", stem + b".wav")
    assert encoded.returncode == 0
    assert encoded.stderr.count(b"\n") == 1
    decoded = vpcodec("decode", "--json", "--format", "flac", "--output-dir", b"out" + stem, "--", stem + b".tok")
    assert decoded.returncode == 0
    assert os.path.exists(folder + b"/out" + stem + b"/" + stem + b".decoded.flac")


@pytest.mark.parametrize("letter", [b"a", "ü".encode()])
def test_rule_6_the_longest_names_come_back_too(vpcodec: Command, media: Path, letter: bytes) -> None:
    folder = os.fsencode(vpcodec.folder)
    long = letter * ((255 - 6) // len(letter))
    names = [long + end for end in (b"1.wav", b"2.wav")]
    for name in names:
        shutil.copy(folder + b"/speech.wav", folder + b"/" + name)
    assert vpcodec("encode", "-r", ".", "--output-dir", "tokens").returncode == 0
    assert vpcodec("decode", "-r", "tokens", "--output-dir", "back").returncode == 0
    back = sorted(os.listdir(folder + b"/back"))
    assert len(back) == len(names) + 2
    assert {name[-12:] for name in back} == {b".decoded.png", b".decoded.wav"}
    assert b"0 done, 4 skipped" in vpcodec("decode", "-r", "tokens", "--output-dir", "back").stderr


def test_rule_8_modification_time_and_mode_are_kept(vpcodec: Command, media: Path) -> None:
    os.chmod(media / "speech.wav", 0o640)
    os.utime(media / "speech.wav", ns=(10**18, 1_234_567_890_123_456_789))
    assert vpcodec("encode", "speech.wav").returncode == 0
    assert vpcodec("decode", "speech.tok").returncode == 0
    for name in ("speech.tok", "speech.decoded.wav"):
        status = (media / name).stat()
        assert status.st_mode & 0o777 == 0o640
        assert status.st_mtime_ns == 1_234_567_890_123_456_789


def test_rule_8_rate_channels_and_sample_format_come_back(vpcodec: Command, media: Path) -> None:
    vpcodec("encode", "speech.wav")
    vpcodec("decode", "speech.tok")
    before, after = (soundfile.info(media / name) for name in ("speech.wav", "speech.decoded.wav"))
    for fact in ("samplerate", "channels", "subtype", "frames"):
        assert getattr(after, fact) == getattr(before, fact)


def test_rule_8_a_line_names_what_is_lost(vpcodec: Command, media: Path) -> None:
    from PIL import Image

    Image.open(media / "photo.png").convert("RGBA").resize((64, 48)).save(media / "plain.png")
    Image.new("RGBA", (40, 30), (255, 0, 0, 100)).save(media / "glass.png")
    ended = vpcodec("encode", "glass.png")
    assert b"glass.png: transparency is laid on white\n" in ended.stderr
    assert b"plain" not in vpcodec("encode", "plain.png", "-o", "p.tok").stderr.split(b"->")[1]
    Image.new("L", (40, 30), 100).save(media / "grey.png")
    vpcodec("encode", "grey.png")
    assert b"grey.tok: webp has no gray; " in vpcodec("decode", "grey.tok", "--format", "webp").stderr


def test_characters_outside_the_encoding_of_the_output_are_escaped(vpcodec: Command, media: Path) -> None:
    os.rename(media / "photo.png", media / "写真.png")
    for encoding in ("latin-1", "ascii:strict"):
        vpcodec.environment |= {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        described = vpcodec("info", "写真.png", "speech.wav")
        assert described.returncode == 0
        assert described.stdout.startswith(b"\\u5199\\u771f.png\n")
        assert b"\nspeech.wav\n" in described.stdout
        assert b"\\u5199\\u771f: no such file" in vpcodec("info", "写真").stderr


def test_a_model_of_ones_own_is_named_to_every_command_or_found_beside_the_token_file(
    vpcodec: Command, media: Path, models: Path
) -> None:
    shutil.copytree(models / "speech-vp", media / "far" / "mine")
    facts = media / "far" / "mine" / "model.toml"
    facts.write_text(facts.read_text().replace('name = "speech-vp"', 'name = "mine"'))
    assert vpcodec("encode", "-m", "far/mine", "speech.wav").returncode == 0
    for command in (("decode", "-f"), ("test", "-q"), ("info", "--json"), ("export", "-f", "-o", "ids.npz")):
        ended = vpcodec(*command, "-m", "far/mine", "speech.tok")
        assert (ended.returncode, command) == (0, command), ended.stderr.decode()
    assert b"needs the model mine" in vpcodec("decode", "-f", "speech.tok").stderr
    os.rename(media / "speech.tok", media / "far" / "speech.tok")
    assert vpcodec("decode", "far/speech.tok").returncode == 0
