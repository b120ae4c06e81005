"""Plans, shards and manifests: which file becomes which, who does it, and what is told of it."""

import errno
import os
import pickle
from pathlib import Path

import pytest

from vpcodec.corpus.jobs import last_line, with_whole_path
from vpcodec.corpus.plan import Shard, make_plan, parse_shard
from vpcodec.corpus.result import Settings
from vpcodec.errors import ConfigError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings at two depths, a text, and links in a circle; it becomes the current one."""
    for name in ("b.wav", "a.FLAC", "notes.txt", "deep/c.png", "deep/.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    (tmp_path / "in/deep/up").symlink_to(tmp_path / "in")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/d.ogg").touch()
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_directory_stands_for_its_media_each_once_links_included(tree: Path) -> None:
    plan = make_plan("encode", ["in"], recursive=True)
    assert [item.source for item in plan] == ["in/a.FLAC", "in/b.wav", "in/deep/c.png", "in/link/d.ogg"]


def test_a_mirrored_tree_has_the_shape_of_the_original(tree: Path) -> None:
    plan = make_plan("encode", ["in"], recursive=True, output_dir="out")
    assert [item.target for item in plan] == ["out/a", "out/b", "out/deep/c", "out/link/d"]


def test_an_output_beside_its_input_keeps_the_folder(tree: Path) -> None:
    (item,) = make_plan("encode", ["in/b.wav"])
    assert (item.target, item.open_ended, item.mirrored) == ("in/b", True, False)


def test_a_pipe_goes_to_standard_output_unless_told_otherwise() -> None:
    assert make_plan("encode", ["-"])[0].target == "-"
    assert make_plan("encode", ["-"], output="x.tok")[0].target == "x.tok"


def test_inputs_with_the_same_output_are_told_apart(tree: Path) -> None:
    first, second = make_plan("encode", ["in/b.wav", "elsewhere/b.mp3"], output_dir="out")
    assert first.problem is None
    assert str(second.problem) == "elsewhere/b.mp3: would have the same output as in/b.wav\n  hint: rename one of them"


def test_a_folder_that_cannot_be_read_is_part_of_the_plan(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(folder: str) -> "os._ScandirIterator[str]":
        if folder == "in/deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return whole(folder)

    whole = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    *rest, unread = make_plan("encode", ["in"], recursive=True)
    assert [item.source for item in rest] == ["in/a.FLAC", "in/b.wav", "in/link/d.ogg"]
    assert str(pickle.loads(pickle.dumps(unread)).problem) == "in/deep: permission denied"


def test_one_output_for_several_inputs_is_refused() -> None:
    with pytest.raises(ConfigError, match="take one input"):
        make_plan("encode", ["a", "b"], output="c")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_hold_everything_once(count: int) -> None:
    parts = [Shard(number, count).of(range(11)) for number in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == list(range(11))


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({"RANK": "0", "WORLD_SIZE": "4"}, Shard(1, 4)),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}, Shard(4, 4)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "RANK": "5", "WORLD_SIZE": "16"}, Shard(6, 16)),
    ],
)
def test_auto_asks_the_scheduler(environment: dict[str, str], shard: Shard) -> None:
    assert parse_shard("auto", environment) == shard


def array(ids: list[int], step: int, **more: str) -> list[dict[str, str]]:
    """What Slurm tells each task of an array."""
    facts = {"MIN": ids[0], "MAX": ids[-1], "COUNT": len(ids), "STEP": step}
    return [{f"SLURM_ARRAY_TASK_{name}": f"{n}" for name, n in {**facts, "ID": each}.items()} | more for each in ids]


@pytest.mark.parametrize(("ids", "step"), [([0, 1, 2], 1), ([10, 11, 12], 1), ([0, 2, 4, 6], 2), ([3, 7], 1), ([5], 1)])
def test_the_tasks_of_an_array_have_a_part_each(ids: list[int], step: int) -> None:
    parts = [parse_shard("auto", environment) for environment in array(ids, step)]
    assert parts == [Shard(number, len(ids)) for number in range(1, len(ids) + 1)]


@pytest.mark.parametrize("count", ["SLURM_STEP_NUM_TASKS", "WORLD_SIZE"])
def test_the_processes_of_an_array_have_a_part_each(count: str) -> None:
    number = {"SLURM_STEP_NUM_TASKS": "SLURM_PROCID", "WORLD_SIZE": "RANK"}[count]
    parts = [
        parse_shard("auto", environment)
        for rank in "012"
        for environment in array([1, 2], 1, **{number: rank, count: "3"})
    ]
    assert sorted(part.number for part in parts) == [1, 2, 3, 4, 5, 6]
    assert {part.count for part in parts} == {6}


def test_a_script_that_slurm_runs_once_for_several_tasks_has_all_of_it() -> None:
    script = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}
    assert [parse_shard("auto", task) for task in array([0, 1], 1, **script)] == [Shard(1, 2), Shard(2, 2)]
    with pytest.raises(ConfigError, match="not started by torchrun or Slurm"):
        parse_shard("auto", script)


@pytest.mark.parametrize("ids", [[1, 2, 5], [1, 2, 4], [0, 1, 6]])
def test_an_array_with_gaps_is_refused_by_every_task_also_inside_srun(ids: list[int]) -> None:
    srun = {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}
    for environment in [*array(ids, 1), *array(ids, 1, **srun)]:
        with pytest.raises(ConfigError, match="have gaps") as refusal:
            parse_shard("auto", environment)
        assert refusal.value.hint == f"give each task its part, from --shard 1/{len(ids)} to {len(ids)}/{len(ids)}"


@pytest.mark.parametrize("text", ["0/4", "5/4", "half", "1/2/3", "a/b"])
def test_a_shard_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard"):
        parse_shard(text, {})


def test_auto_without_a_scheduler_is_refused() -> None:
    with pytest.raises(ConfigError, match="not started by torchrun or Slurm"):
        parse_shard("auto", {})


def test_names_that_are_not_utf8_are_planned_like_others(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    with open(folder + b"/caf\xe9.wav", "wb"):
        pass
    (item,) = make_plan("encode", [str(tmp_path)], recursive=True, output_dir="out")
    assert os.fsencode(item.target) == b"out/caf\xe9"


def test_a_cluster_is_told_where_a_model_lies_and_what_another_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.toml").touch()
    (tmp_path / "speech-vp").mkdir()
    monkeypatch.chdir(tmp_path)
    told = [with_whole_path(Settings(task="encode", model=model)).model for model in ("./mine", "speech-vp", None)]
    assert told == [str(tmp_path / "mine"), "speech-vp", None]


@pytest.mark.parametrize(("text", "line"), [("", "ValueError"), ("\n", "ValueError"), ("at\nlast\n", "last")])
def test_an_error_of_a_cluster_is_one_line_even_without_words(text: str, line: str) -> None:
    assert last_line(ValueError(text)) == line
