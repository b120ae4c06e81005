import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vpcodec.data.output import Part, open_output
from vpcodec.errors import ConfigError, InputError

BOTH = [pytest.param(False, id="nameless"), pytest.param(True, id="temporary name")]


@pytest.fixture
def named(request, monkeypatch) -> bool:
    """Whether files being written have a temporary name, as on systems without nameless ones."""
    if request.param:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return request.param


# A process of its own that writes PATH (argv[1]) slowly: what Ctrl-C, SIGTERM and closed pipes do to it.
WRITER = """
import sys, time
from vpcodec.cli.main import end_quietly, stop_on_terminate
from vpcodec.data.output import open_output
stop_on_terminate()
try:
    with open_output(sys.argv[1], force=len(sys.argv) > 2) as stream:
        while True:
            stream.write(bytes(10_000))
            stream.flush()
            print("going", file=sys.stderr, flush=True)
            time.sleep(0.01)
except BrokenPipeError:
    end_quietly()
"""


def start(*arguments, **options) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, *map(str, arguments)]
    return subprocess.Popen(command, **{"stderr": subprocess.PIPE, "preexec_fn": hear_signals, **options})


def hear_signals() -> None:
    """In a child process: do not inherit the deafness of tests that run in the background of a shell."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ignore_hangup() -> None:
    """In a child process: what `nohup` does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def write(target, data=b"new", **choices) -> None:
    with open_output(target, **choices) as stream:
        stream.write(data)


@pytest.mark.parametrize("named", BOTH, indirect=True)
def test_a_file_appears_whole_under_its_name_and_nothing_else_stays(tmp_path, named):
    with open_output(tmp_path / "a.tok") as stream:
        stream.write(b"half")
        assert not (tmp_path / "a.tok").exists()
        stream.write(b" and half")
    assert (tmp_path / "a.tok").read_bytes() == b"half and half"
    assert os.listdir(tmp_path) == ["a.tok"]


@pytest.mark.parametrize("named", BOTH, indirect=True)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_after_an_error_nothing_stays(tmp_path, named, error):
    def fail():
        with open_output(tmp_path / "a.tok") as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("named", BOTH, indirect=True)
def test_after_an_error_the_older_file_is_as_it_was(tmp_path, named):
    (tmp_path / "a.tok").write_bytes(b"old")

    def fail():
        with open_output(tmp_path / "a.tok", force=True) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "a.tok").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.tok"]


@pytest.mark.parametrize("named", BOTH, indirect=True)
def test_nothing_is_replaced_without_force(tmp_path, named):
    (tmp_path / "a.tok").write_bytes(b"old")
    with pytest.raises(InputError, match=r"a\.tok: exists already\n  hint: use -f"):
        write(tmp_path / "a.tok")
    assert (tmp_path / "a.tok").read_bytes() == b"old"
    write(tmp_path / "a.tok", force=True)
    assert (tmp_path / "a.tok").read_bytes() == b"new"


@pytest.mark.parametrize("named", BOTH, indirect=True)
def test_a_file_that_appears_meanwhile_is_not_replaced_either(tmp_path, named):
    def race():
        with open_output(tmp_path / "a.tok"):
            (tmp_path / "a.tok").write_bytes(b"somebody else's")

    with pytest.raises(InputError, match="exists already"):
        race()
    assert (tmp_path / "a.tok").read_bytes() == b"somebody else's"
    assert os.listdir(tmp_path) == ["a.tok"]


def test_a_file_system_without_links_works_too(tmp_path, monkeypatch):
    def unsupported(*paths):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)  # nor files without names
    write(tmp_path / "a.tok")
    assert os.listdir(tmp_path) == ["a.tok"]


def test_a_dangling_link_is_not_replaced_without_force(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write(tmp_path / "link", force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("named", BOTH, indirect=True)
def test_permissions_and_modification_time_are_those_of_the_source(tmp_path, named):
    (tmp_path / "source").touch()
    (tmp_path / "source").chmod(0o640)
    os.utime(tmp_path / "source", ns=(1, 1_500_000_000_123_456_789))
    write(tmp_path / "a.tok", like=tmp_path / "source")
    status = (tmp_path / "a.tok").stat()
    assert status.st_mode & 0o7777 == 0o640
    assert status.st_mtime_ns == 1_500_000_000_123_456_789


def test_permissions_are_otherwise_those_of_new_files(tmp_path):
    (tmp_path / "other").touch()
    write(tmp_path / "a.tok")
    assert (tmp_path / "a.tok").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", ["-dash", "two words", "two\nlines", b"caf\xe9", "ünïcode", "n" * 255])
def test_any_name_the_system_allows_can_be_written(tmp_path, name):
    target = tmp_path / os.fsdecode(name)
    write(target)
    assert target.read_bytes() == b"new"


def test_a_name_too_long_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="name too long") as error:
        write(tmp_path / ("n" * 300))
    assert "\n" not in error.value.what


@pytest.mark.parametrize("target", ["gone/a.tok", "."])
def test_a_folder_that_is_missing_or_in_the_way_is_one_clear_line(tmp_path, target):
    with pytest.raises(InputError, match=r"there is no folder|is a directory"):
        write(tmp_path / target)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_one_clear_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"a\.tok: permission denied"):
        write(tmp_path / "a.tok")


def test_a_vanished_source_is_named_and_nothing_stays(tmp_path):
    with pytest.raises(InputError, match="gone: no such file"):
        write(tmp_path / "a.tok", like=tmp_path / "gone")
    assert os.listdir(tmp_path) == []


def test_devices_are_written_directly():
    write("/dev/null")
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_device_is_one_clear_line():
    with pytest.raises(InputError, match="/dev/full: no space left on device"):
        write("/dev/full")


def test_a_full_disk_leaves_nothing(tmp_path):
    """A limit on the size of files stands in for a full disk."""
    program = f"""
import resource, signal
from vpcodec.data.output import open_output
from vpcodec.errors import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with open_output({str(tmp_path / "a.tok")!r}) as stream:
        stream.write(bytes(100_000))
except InputError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == f"{tmp_path}/a.tok: file too large\n"
    assert os.listdir(tmp_path) == []


def test_a_fifo_receives_the_bytes(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "fifo").read_bytes()))
    reader.start()
    write(tmp_path / "fifo")
    reader.join()
    assert received == [b"new"]


def test_a_pipe_behind_a_link_receives_the_bytes():
    """As /dev/stdout and the shell's >(command) are."""
    reader, writer = os.pipe()
    write(f"/dev/fd/{writer}")
    assert os.read(reader, 100) == b"new"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_nothing_half_written(tmp_path, number):
    process = start(tmp_path / "a.tok")
    process.stderr.readline()
    process.send_signal(number)
    process.communicate()
    assert process.returncode in (128 + number, -number)
    assert os.listdir(tmp_path) == []


def test_what_nohup_has_started_survives_a_hang_up(tmp_path):
    process = start(tmp_path / "a.tok", preexec_fn=ignore_hangup)
    process.stderr.readline()
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


def test_killed_at_once_it_leaves_nothing_where_files_need_no_name(tmp_path):
    part = Part(tmp_path)
    os.close(part.descriptor)
    if part.name is not None:
        pytest.skip("the file system has no files without names")
    process = start(tmp_path / "a.tok")
    process.stderr.readline()
    process.kill()
    process.communicate()
    assert os.listdir(tmp_path) == []


def test_a_closed_pipe_ends_the_program_quietly():
    process = start("-", stdout=subprocess.PIPE)
    process.stdout.read(100)
    process.stdout.close()
    said = process.communicate()[1]
    assert process.returncode == 0
    assert set(said.split()) == {b"going"}


def test_standard_output_receives_the_bytes(capfdbinary):
    write("-")
    assert capfdbinary.readouterr().out == b"new"


def test_binary_is_not_written_to_a_terminal_unless_forced(monkeypatch):
    controller, terminal = pty.openpty()
    with open(terminal, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(ConfigError, match="terminal"):
            write("-")
        write("-", force=True)
        assert os.read(controller, 100) == b"new"
    os.close(controller)


def test_an_error_of_something_else_is_not_blamed_on_the_output(tmp_path):
    def read_another():
        with open_output(tmp_path / "a.tok"):
            open(tmp_path / "weights")  # noqa: SIM115 - it is missing

    with pytest.raises(InputError, match="weights: no such file"):
        read_another()
