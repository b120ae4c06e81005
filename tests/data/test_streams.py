"""A command pointed at the wrong input gets one clear line."""

import os
import threading
from pathlib import Path

import pytest

from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.streams import open_input, peek, seekable, shown
from vpcodec.errors import InputError

MEDIA = Path(__file__).resolve().parents[1] / "media"

either = pytest.mark.parametrize("opener", [open_audio, open_image])


def refusal(opener, source) -> str:
    with pytest.raises(InputError) as error:
        opener(source)
    assert "\n" not in error.value.what
    return error.value.what


@either
def test_a_missing_file_is_named(opener, tmp_path):
    assert refusal(opener, tmp_path / "gone") == f"{tmp_path}/gone: no such file or directory"


@either
def test_a_directory_is_no_media_file(opener, tmp_path):
    assert refusal(opener, tmp_path).endswith("is a directory")


@either
def test_an_empty_file_is_said_to_be_empty(opener, tmp_path):
    (tmp_path / "empty").touch()
    assert refusal(opener, tmp_path / "empty").endswith("is empty")


@either
def test_a_loop_of_links_ends(opener, tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert "symbolic links" in refusal(opener, tmp_path / "a")


@either
def test_an_endless_device_is_not_read(opener):
    assert "device" in refusal(opener, "/dev/zero")


@either
@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_file_is_named(opener, tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    assert refusal(opener, tmp_path / "secret").endswith("permission denied")


@either
def test_a_name_with_a_newline_stays_on_one_line(opener, tmp_path):
    (tmp_path / "two\nlines").write_bytes(b"text")
    assert "two\\nlines" in refusal(opener, tmp_path / "two\nlines")


@either
def test_a_name_with_a_zero_byte_is_refused(opener):
    assert "null" in refusal(opener, "a\0b")


def test_names_that_are_not_utf8_can_be_opened_and_shown(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    Path(path).write_bytes((MEDIA / "coffee.jpg").read_bytes())
    assert open_image(path).info.width == 600
    assert shown(path).encode().endswith(b"/caf\\udce9.jpg")


def test_a_fifo_is_read_like_a_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    data = (MEDIA / "speech.flac").read_bytes()
    writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(data,))
    writer.start()
    with open_audio(tmp_path / "fifo") as source:
        assert len(source.read_all()) == 68_480
    writer.join()


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(MEDIA / "cat.png")
    assert open_image(tmp_path / "link").info.width == 319


def test_a_stream_given_by_the_caller_stays_open():
    with open(MEDIA / "speech.flac", "rb") as stream:
        with open_input(stream) as same:
            assert same is stream
        assert not stream.closed


def test_a_stream_that_begins_in_the_middle_of_a_file_is_read_from_there(tmp_path):
    (tmp_path / "joined").write_bytes(b"12345" + (MEDIA / "cat.png").read_bytes())
    with open(tmp_path / "joined", "rb") as stream:
        stream.seek(5)
        assert open_image(stream).info.width == 319


def test_a_pipe_becomes_seekable_with_all_its_bytes(pipe):
    head, stream = peek(pipe(bytes(range(256)) * 100))
    with seekable(stream) as whole:
        whole.seek(0, 2)
        assert (whole.tell(), len(head)) == (25_600, 4096)


def test_of_a_pipe_no_more_is_waited_for_than_was_asked_for(pipe):
    class Slow(pipe):
        def read(self, size=-1):
            assert self.data, "waited for more"
            return super().read(size)

    head, stream = peek(Slow(bytes(range(20))), 16)
    assert head == bytes(range(16))
    assert stream.read(16) + stream.read(4) == bytes(range(20))


def test_an_error_of_the_disk_is_told_as_such(pipe):
    class Broken(pipe):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    assert refusal(open_audio, Broken(b"")) == "standard input: input/output error"


@pytest.mark.parametrize("form", ["flac", "jpeg"])
def test_an_error_in_the_middle_of_the_disk_is_not_taken_for_the_end(pipe, form):
    data = (MEDIA / ("speech.flac" if form == "flac" else "coffee.jpg")).read_bytes()

    class Broken(pipe):
        def read(self, size=-1):
            if len(self.data) < 20_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    opener = open_audio if form == "flac" else open_image
    assert refusal(opener, Broken(data)) == "standard input: input/output error"
