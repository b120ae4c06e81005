"""A part of a plan for each of several machines, as `2/8` says or as the job scheduler does."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vpcodec.errors import ConfigError

T = TypeVar("T")

# Variables that hold this process's number, the first number, and how many there are.
SCHEDULERS = (
    ("Slurm's array", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"),
    ("torchrun", "RANK", None, "WORLD_SIZE"),
    ("Slurm", "SLURM_PROCID", None, "SLURM_NTASKS"),
)


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
    """The shard that `2/8` or `auto` names; `auto` asks the scheduler's environment.

    Raises:
        ConfigError: It is neither, or no scheduler has left its variables.
    """
    try:
        if text != "auto":
            number, count = text.split("/")
            return Shard(int(number), int(count))
        for _, place, first, count in SCHEDULERS:
            if place in environment and count in environment:
                offset = int(environment.get(first, "0")) if first else 0
                return Shard(int(environment[place]) - offset + 1, int(environment[count]))
    except ValueError:
        raise ConfigError(f"--shard {text}: not a part", hint="for instance 1/8, or auto") from None
    raise ConfigError(
        "--shard auto: neither torchrun nor Slurm has started this", hint="name the part, for instance 1/8"
    )
