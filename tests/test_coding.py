"""What `encode` and `decode` do with one file."""

import io
import shutil
from pathlib import Path

import pytest

from tests.conftest import MEDIA
from tests.container.test_reader import FILE, FRAMES, STARTS
from vpcodec.cli.coding import report
from vpcodec.cli.messages import Messages
from vpcodec.container import Reader
from vpcodec.corpus import coding
from vpcodec.corpus.coding import Coder, tokens_in
from vpcodec.corpus.plan import Item
from vpcodec.corpus.result import Settings, as_record


def test_a_token_file_that_comes_slowly_is_read_as_it_comes() -> None:
    class Slow(io.RawIOBase):
        """A pipe into which the first frame was written, and nothing else yet."""

        def __init__(self) -> None:
            self.written = io.BytesIO(FILE[: STARTS[1]])

        def read(self, size: int = -1, /) -> bytes:
            found = self.written.read(size)
            assert found, "waited for more"
            return found

    frame = next(Reader(tokens_in(Slow())).frames())  # type: ignore[arg-type]
    assert (frame.tokens == FRAMES[0].tokens).all()


def test_a_bug_is_a_failed_file_with_its_traceback_for_v(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise ZeroDivisionError("by nought")

    shutil.copy(MEDIA / "cat.png", tmp_path / "a.png")
    monkeypatch.setattr(coding, "peek_file_type", broken)
    result = Coder(Settings(task="encode")).process(Item(0, str(tmp_path / "a.png"), str(tmp_path / "a.tok"), False))
    assert result.error == f"{tmp_path / 'a.png'}: internal error, ZeroDivisionError: by nought"
    assert "in broken" in result.traceback
    assert not {"traceback", "exit_code"} & as_record(result).keys()
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    for verbose in (False, True):
        report([result], [], Settings(task="encode"), None, False, Messages(verbose=verbose))
        assert ("in broken" in said.getvalue()) == verbose
