"""Rules 5 and 11 of the command line: many files, in one process or several, whole or in parts."""

import json
import os
import shutil
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import MEDIA, PATIENCE, Command, obey_modes, wait_until


@pytest.fixture
def corpus(vpcodec: Command) -> Path:
    """A tree with four short recordings, a photo, a transcript and a link back to its top."""
    top = vpcodec.folder / "corpus"
    for number, folder in enumerate(("", "a", "a/deep er", "b")):
        (top / folder).mkdir(parents=True, exist_ok=True)
        samples, rate = soundfile.read(MEDIA / "speech.flac", start=4000 * number, frames=4000)
        soundfile.write(top / folder / f"{number}.wav", samples, rate)
    shutil.copy(MEDIA / "cat.png", top / "b" / "cat.png")
    (top / "a" / "0.txt").write_text("that is a very fine cap")
    (top / "b" / "loop").symlink_to(top)
    return top


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rule_5_one_bad_file_does_not_stop_the_others(vpcodec: Command, media: Path) -> None:
    (media / "bad.wav").write_bytes(b"RIFF no WAVE")
    ended = vpcodec("encode", "bad.wav", "nowhere.wav", "speech.wav", "photo.png")
    assert ended.returncode == 1
    assert vpcodec.names("*.tok") == ["photo.tok", "speech.tok"]
    *_, summary, first, second = ended.stderr.decode().splitlines()
    assert summary == "2 done, 0 skipped, 2 failed"
    assert first.startswith("vpcodec: bad.wav: ")
    assert second == "vpcodec: nowhere.wav: no such file or directory"


def test_rule_5_a_directory_is_mirrored(vpcodec: Command, corpus: Path) -> None:
    assert vpcodec("encode", "-r", "corpus", "--output-dir", "out").returncode == 0
    found = sorted(contents(vpcodec.folder / "out"))
    assert found == ["0.tok", "a/1.tok", "a/deep er/2.tok", "b/3.tok", "b/cat.tok"]


def test_rule_5_a_folder_that_cannot_be_read_fails_alone(vpcodec: Command, corpus: Path) -> None:
    for name, mode in {"locked": 0, "listed/x": 0o755, "listed/y": 0o755, "listed": 0o444}.items():
        (corpus / name).mkdir(parents=True, exist_ok=True)
        (corpus / name).chmod(mode)
    ended = vpcodec("encode", "-r", "corpus", "--output-dir", "out", preexec_fn=obey_modes)
    for name in ("locked", "listed"):
        (corpus / name).chmod(0o755)
    assert ended.returncode == 1
    summary, *failures = ended.stderr.decode().splitlines()
    assert summary == "5 done, 0 skipped, 3 failed"
    unread = ("listed/x", "listed/y", "locked")
    assert sorted(failures) == [f"vpcodec: corpus/{name}: permission denied" for name in unread]


def test_rule_5_two_inputs_with_one_output_are_not_mixed_up(vpcodec: Command, corpus: Path) -> None:
    shutil.copy(MEDIA / "cat.png", corpus / "a" / "1.png")
    ended = vpcodec("encode", "-r", "corpus", "--output-dir", "out")
    assert ended.returncode == 1
    assert b"corpus/a/1.wav: would have the same output as corpus/a/1.png; rename one of them\n" in ended.stderr
    assert len(contents(vpcodec.folder / "out")) == 5


def test_rule_5_complete_outputs_in_a_mirror_are_skipped(vpcodec: Command, corpus: Path) -> None:
    encode = ("encode", "-r", "corpus", "--output-dir", "out", "--json")
    vpcodec(*encode)
    once = contents(vpcodec.folder / "out")
    (vpcodec.folder / "out/0.tok").unlink()
    (vpcodec.folder / "out/a/1.tok").write_bytes(once["a/1.tok"][:-3])  # damaged
    os.utime(corpus / "b/3.wav", (1, 1))  # changed since
    again = json.loads(vpcodec(*encode).stdout)
    assert {each["source"] for each in again["files"] if each["status"] == "done"} == {
        "corpus/0.wav",
        "corpus/a/1.wav",
        "corpus/b/3.wav",
    }
    assert contents(vpcodec.folder / "out") == once


def test_rule_5_foreign_files_in_a_mirror_are_refused(vpcodec: Command, corpus: Path) -> None:
    (vpcodec.folder / "out").mkdir()
    (vpcodec.folder / "out/0.tok").write_bytes(b"my diary")
    ended = vpcodec("encode", "-r", "corpus", "--output-dir", "out")
    assert ended.returncode == 1
    assert b"out/0.tok: exists already and is not a token file; use -f to replace it\n" in ended.stderr
    assert (vpcodec.folder / "out/0.tok").read_bytes() == b"my diary"


def test_rule_5_decoding_mirrors_and_resumes_too(vpcodec: Command, corpus: Path) -> None:
    vpcodec("encode", "-r", "corpus", "--output-dir", "out")
    decode = ("decode", "-r", "out", "--output-dir", "back", "--format", "flac")
    ended = vpcodec(*decode)
    assert ended.returncode == 1  # a photo is no FLAC
    assert b"4 done, 0 skipped, 1 failed" in ended.stderr
    assert b"0 done, 4 skipped, 1 failed" in vpcodec(*decode).stderr


@pytest.mark.parametrize("form", ["wav", "raw"])
def test_rule_5_token_files_made_anew_are_decoded_anew(vpcodec: Command, corpus: Path, form: str) -> None:
    source = corpus / "0.wav"
    encode = ("encode", "-f", "corpus/0.wav", "-o", "tokens/0.tok")
    decode = ("decode", "-r", "tokens", "--output-dir", "back", "--format", form)
    target = vpcodec.folder / f"back/0.decoded.{form}"
    target.parent.mkdir()
    (vpcodec.folder / "tokens").mkdir()
    vpcodec(*encode)
    assert b"1 done, 0 skipped" in vpcodec(*decode).stderr
    old, time = target.read_bytes(), source.stat().st_mtime_ns
    assert b"0 done, 1 skipped" in vpcodec(*decode).stderr
    assert abs(target.stat().st_mtime_ns - time) < 10**9
    samples, rate = soundfile.read(source)
    soundfile.write(source, samples[::-1], rate)  # of the same length
    os.utime(source, ns=(time, time))
    vpcodec(*encode)
    assert b"1 done, 0 skipped" in vpcodec(*decode).stderr
    assert len(target.read_bytes()) == len(old)
    assert target.read_bytes() != old


@pytest.mark.parametrize(("source", "form"), [("0", "flac"), ("0", "raw"), ("b/cat", "png")])
def test_rule_5_an_output_that_was_cut_is_decoded_again(vpcodec: Command, corpus: Path, source: str, form: str) -> None:
    (vpcodec.folder / "tokens").mkdir()
    name = f"corpus/{source}.png" if form == "png" else f"corpus/{source}.wav"
    vpcodec("encode", name, "-o", "tokens/a.tok")
    decode = ("decode", "-r", "tokens", "--format", form)
    assert vpcodec(*decode).returncode == 0
    target = vpcodec.folder / f"tokens/a.decoded.{form}"
    whole, times = target.read_bytes(), target.stat()
    target.write_bytes(whole[: len(whole) // 2])
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert b"1 done, 0 skipped" in vpcodec(*decode).stderr
    assert target.read_bytes() == whole


@pytest.mark.parametrize(("task", "name"), [("encode", "corpus/0.tok"), ("decode", "corpus/0.decoded.wav")])
@pytest.mark.parametrize("pipe", [False, True])
def test_rule_5_outputs_of_other_inputs_are_refused(
    vpcodec: Command, corpus: Path, task: str, name: str, pipe: bool
) -> None:
    if task == "decode":
        vpcodec("encode", "corpus/0.wav", "-f")
    os.mkfifo(vpcodec.folder / name) if pipe else (vpcodec.folder / name).write_bytes(b"my diary")
    os.utime(vpcodec.folder / name, (1, 1))
    ended = vpcodec(task, "-r", "corpus")
    assert ended.returncode == 1
    assert f"{name}: exists already and is no".encode() in ended.stderr
    assert pipe or (vpcodec.folder / name).read_bytes() == b"my diary"


def test_rule_5_pipes_devices_and_macos_files_in_directories_are_ignored(vpcodec: Command, corpus: Path) -> None:
    os.mkfifo(corpus / "pipe.wav")
    (corpus / "endless.wav").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(corpus / "socket.png"))
    (corpus / "__MACOSX").mkdir()
    for name in ("._0.wav", "__MACOSX/0.wav"):
        (corpus / name).write_bytes(b"\0\5\x16\7")
    ended = vpcodec("encode", "-r", "corpus", "--output-dir", "out")
    assert ended.stderr == b"5 done, 0 skipped, 0 failed\n"


def test_rule_5_decoded_files_next_to_token_files_are_not_encoded(vpcodec: Command, corpus: Path) -> None:
    vpcodec("encode", "-r", "corpus")
    vpcodec("decode", "-r", "corpus")
    assert vpcodec("encode", "-r", "corpus").stderr == b"0 done, 5 skipped, 0 failed\n"
    (corpus / "0.tok").unlink()  # alone, it is a recording like others
    assert b"2 done, 4 skipped" in vpcodec("encode", "-r", "corpus").stderr


def test_rule_5_shards_split_the_work_without_gap_or_overlap(vpcodec: Command, corpus: Path) -> None:
    for number in ("1/2", "2/2"):
        vpcodec("encode", "-r", "corpus", "--output-dir", "out", "--shard", number)
        vpcodec("encode", "-r", "corpus", "--output-dir", number[0], "--shard", number)
    parts = contents(vpcodec.folder / "1"), contents(vpcodec.folder / "2")
    assert not parts[0].keys() & parts[1].keys()
    assert parts[0] | parts[1] == contents(vpcodec.folder / "out")
    assert vpcodec("encode", "-r", "corpus", "--output-dir", "more", "--shard", "9/9").returncode == 0  # nothing left


def test_rule_5_a_manifest_has_one_line_a_file(vpcodec: Command, corpus: Path) -> None:
    encode = ("encode", "-r", "corpus", "--output-dir", "out", "--manifest", "out.jsonl")
    for status in ("done", "skipped"):
        assert vpcodec(*encode).returncode == 0
        rows = [json.loads(line) for line in (vpcodec.folder / "out.jsonl").read_text().splitlines()]
        assert [row["source"] for row in rows] == sorted(row["source"] for row in rows)
        assert {row["status"] for row in rows} == {status}
        assert {row["model"] for row in rows} == {"speech-vp", "image-vp"}


def test_rule_5_a_manifest_of_nothing_is_replaced_by_the_next(vpcodec: Command, media: Path) -> None:
    encode = ("encode", "-r", ".", "--output-dir", "out", "--manifest", "out.jsonl")
    assert vpcodec(*encode, "--shard", "9/9").returncode == 0
    assert (media / "out.jsonl").read_bytes() == b""
    assert vpcodec(*encode).returncode == 0
    assert (media / "out.jsonl").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_rule_5_an_interrupted_run_reports_the_finished_files(vpcodec: Command, number: int, code: int) -> None:
    os.mkfifo(vpcodec.folder / "live.wav")
    process = vpcodec.start("encode", "nowhere.wav", "live.wav", "--manifest", "out.jsonl")
    writers: list[int] = []

    def awaited() -> bool:
        """Whether the pipe is being read, and so the file before it done."""
        with suppress(OSError):
            writers.append(os.open(vpcodec.folder / "live.wav", os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    wait_until(awaited, process)
    time.sleep(0.5)  # let it wait for bytes: Python hears a signal just before that only once they are there
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    os.close(writers[0])
    assert process.returncode == code
    assert b"\n0 done, 0 skipped, 1 failed\nvpcodec: nowhere.wav: no such file or directory\n" in b"\n" + err
    (row,) = map(json.loads, (vpcodec.folder / "out.jsonl").read_text().splitlines())
    assert (row["source"], row["status"]) == ("nowhere.wav", "failed")


@pytest.mark.parametrize(("name", "why"), [("locked/m", "permission denied"), ("no/m", "there is no folder no")])
def test_rule_5_an_unwritable_manifest_is_reported_before_the_work(
    vpcodec: Command, media: Path, name: str, why: str
) -> None:
    (media / "locked").mkdir(mode=0o555)
    ended = vpcodec("encode", "speech.wav", "--manifest", name, preexec_fn=obey_modes)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"vpcodec: {name}: {why}".encode())
    assert vpcodec.names() == ["photo.png", "speech.wav"]


def test_rule_5_a_manifest_replaces_nothing_else(vpcodec: Command, media: Path) -> None:
    assert vpcodec("encode", "speech.wav", "--manifest", "photo.png").returncode == 1
    assert vpcodec.names() == ["photo.png", "speech.wav"]


@pytest.mark.parametrize("task", ["encode", "decode"])
def test_rule_11_the_same_bytes_for_any_number_of_jobs(vpcodec: Command, corpus: Path, task: str) -> None:
    top = "corpus"
    if task == "decode":
        vpcodec("encode", "-r", "corpus", "--output-dir", "tokens")
        top = "tokens"
    for jobs in ("1", "3"):
        assert vpcodec(task, "-r", top, "--output-dir", jobs, "-j", jobs).returncode == 0
    assert contents(vpcodec.folder / "1") == contents(vpcodec.folder / "3")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_rule_5_a_stopped_corpus_resumes_to_the_same_files(vpcodec: Command, corpus: Path, number: int) -> None:
    for copy in range(40):
        shutil.copy(corpus / "0.wav", corpus / f"copy{copy}.wav")
    encode = ("encode", "-r", "corpus", "-j", "2", "--output-dir")
    process = vpcodec.start(*encode, "out", start_new_session=True)
    wait_until(lambda: vpcodec.names("out/*.tok"), process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert b"Traceback" not in err
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert vpcodec.names(".vpcodec-*") == []
    wait_until(lambda: not alive(process.pid))
    assert vpcodec(*encode, "out").returncode == 0
    assert vpcodec(*encode, "whole").returncode == 0
    finished = {name: content for name, content in contents(vpcodec.folder / "out").items() if ".part" not in name}
    assert finished == contents(vpcodec.folder / "whole")


def alive(group: int) -> bool:
    """Whether any process of a group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_sound_that_is_left_out_is_counted_for_a_folder_and_named_for_a_file(vpcodec: Command) -> None:
    (vpcodec.folder / "in").mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(4800)
    for name in ("a", "b"):
        soundfile.write(vpcodec.folder / "in" / f"{name}.wav", noise, 48_000)
    left_out = "has sound above 8 kHz, which speech-vp leaves out"
    done = vpcodec("encode", "-r", "in", "--output-dir", "out", "-m", "speech-vp", "-j", "2")
    assert done.stderr.decode().splitlines()[-2:] == ["2 done, 0 skipped, 0 failed", f"2 files: {left_out}"]
    assert f"in/a.wav: {left_out}" in vpcodec("encode", "in/a.wav", "-o", "a.tok", "-m", "speech-vp").stderr.decode()
