"""The integer type of exported tokens: the smallest that holds the vocabulary."""

import io
from pathlib import Path

import numpy as np
import pytest

from vpcodec.container import Frame, Header, SpeechFacts, Writer
from vpcodec.export import read_tokens


@pytest.mark.parametrize(("vocabulary", "wanted"), [(65_535, np.uint16), (65_536, np.uint16), (65_537, np.uint32)])
def test_tokens_take_two_bytes_up_to_65536_codes_and_four_beyond(tmp_path: Path, vocabulary: int, wanted: type) -> None:
    content = io.BytesIO()
    writer = Writer(content, Header("made", b"\1" * 8, vocabulary, (vocabulary,), SpeechFacts(16_000)))
    ids = np.array([[0, 1, vocabulary - 1]])
    writer.write(Frame(ids, b"\1"))
    writer.close(288)
    (tmp_path / "a.tok").write_bytes(content.getvalue())
    found = read_tokens(str(tmp_path / "a.tok"), "a").ids
    assert found.dtype == wanted
    assert found.tolist() == ids.tolist()
