"""What `encode` and `decode` do with one file."""

import io

from tests.container.test_reader import FILE, FRAMES, STARTS
from vpcodec.container import Reader
from vpcodec.corpus.coding import tokens_in


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
