"""`--salvage`; `--rm` keeps recordings of which a part was lost."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import Command

FORMS = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}


@pytest.mark.parametrize("form", FORMS)
def test_a_truncated_recording_is_refused_without_salvage(vpcodec: Command, media: Path, form: str) -> None:
    samples, rate = soundfile.read(media / "speech.wav")
    cut = vpcodec.folder / f"cut.{form}"
    soundfile.write(cut, np.concatenate([samples] * 4), rate, FORMS[form], format=form.upper())
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    ended = vpcodec("encode", cut.name, "-o", "cut.tok", "--rm")
    assert (ended.returncode, cut.exists(), (vpcodec.folder / "cut.tok").exists()) == (1, True, False)
    assert b"--salvage" in ended.stderr
    ended = vpcodec("encode", cut.name, "-o", "cut.tok", "--rm", "--salvage")
    assert ended.returncode == 0
    assert cut.exists()
    assert (vpcodec.folder / "cut.tok").exists()
    assert b"libmpg123" not in ended.stderr
