"""A part of a plan for each of several machines, as `2/8` says or as the job scheduler does."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vpcodec.errors import ConfigError

T = TypeVar("T")

# Variables that hold a process's number, from 0, and how many there are. Those of srun's steps and not of the job,
# whose script runs once for all of its tasks.
RANKS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


@dataclass(frozen=True)
class Shard:
    """Every `count`-th item, beginning with the `number`-th, which is 1 for the first shard."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"--shard {self.number}/{self.count}: no such part", hint="the first of 8 is 1/8")

    def of(self, items: Sequence[T]) -> list[T]:
        return list(items[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard that `2/8` or `auto` names.

    For `auto`, each task of Slurm's array has its part, and each process that torchrun or srun has started a part of
    that.

    Raises:
        ConfigError: It is neither, or no scheduler has left its variables, or an array's ids have gaps.
    """
    try:
        if text != "auto":
            number, count = text.split("/")
            return Shard(int(number), int(count))
        array, process = array_task(environment), rank_of(environment)
    except ValueError:
        raise ConfigError(f"--shard {text}: not a part", hint="for example 1/8, or auto") from None
    if array is None and process is None:
        raise ConfigError("--shard auto: not started by torchrun or Slurm", hint="name the part, for example 1/8")
    (task, tasks), (rank, ranks) = array or (0, 1), process or (0, 1)
    return Shard(task * ranks + rank + 1, tasks * ranks)


def rank_of(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """This process's place among those that torchrun or srun has started, from 0, and how many they are."""
    for rank, count in RANKS:
        if rank in environment and count in environment:
            return int(environment[rank]), int(environment[count])
    return None


def array_task(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """This task's place in Slurm's array, from 0, and how many tasks that has.

    Raises ConfigError for ids with gaps such as 1,2,5: which ones there are, Slurm tells no task.
    """
    if "SLURM_ARRAY_TASK_ID" not in environment:
        return None
    task, first, last, count = (int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "MIN", "MAX", "COUNT"))
    step, gap = divmod(last - first, max(1, count - 1))
    if gap or (count > 2 and step not in (1, int(environment.get("SLURM_ARRAY_TASK_STEP", "1")))):
        raise ConfigError(
            f"--shard auto: {count} tasks with ids from {first} to {last} have gaps",
            hint="name the part, for example 1/8",
        )
    return (task - first) // max(1, step), count
