"""Batches of crops, read ahead of the step that needs them: by a thread, or by processes of torch's DataLoader."""

import os
import signal
import warnings
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from vpcodec.data.crops import Crops, Place
from vpcodec.devices import core_count
from vpcodec.errors import ConfigError, DataError, counted

MOST = 8  # readers that are started where nobody says how many, and that a core is asked to bear at most
Read = tuple[Tensor, dict[Place, DataError]]


class Batches(Dataset[Read | DataError]):
    """The batch of each step, with the files that were found to be unreadable so far; or why there is none."""

    def __init__(self, crops: Crops) -> None:
        self.crops = crops

    def __getitem__(self, step: int) -> Read | DataError:
        try:
            return torch.from_numpy(self.crops.batch(step)), dict(self.crops.skipped)
        except DataError as error:  # raised here it would lose its words
            return error


def reader_count(wanted: int | None, device: torch.device) -> int:
    """Reader processes: as many as asked for, else those that a GPU needs; a CPU is busy with training itself.

    Raises ConfigError for more than a machine can bear.
    """
    if wanted is not None:
        if wanted > MOST * core_count():
            most = f"at most {MOST * core_count()} for {counted(core_count(), 'core')}"
            raise ConfigError(f"--readers {wanted:,}: {most}", hint="each reader is a process")
        return wanted
    cores = core_count() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's processes share them
    return max(0, min(MOST, cores - 1)) if device.type == "cuda" else 0


def batches(crops: Crops, first: int, readers: int, *, pin: bool = False) -> Generator[Tensor]:
    """The crops of the first step and of all that follow; the same for any number of readers.

    Args:
        crops: Learns which files its readers could not read.
        first: The step.
        readers: Processes that read; 0 for a thread of this one.
        pin: Whether to put crops where a GPU can fetch them by itself.

    Raises:
        DataError: Too many files cannot be read.
    """
    ahead = read_by_processes(crops, first, readers, pin) if readers else read_by_thread(crops, first, pin)
    with closing(ahead):
        for found in ahead:
            if isinstance(found, DataError):
                raise found
            batch, skipped = found
            for place, error in skipped.items():
                if place not in crops.skipped:
                    crops.skip(place, error)
            yield batch


def read_by_thread(crops: Crops, first: int, pin: bool) -> Generator[Read | DataError]:
    """One step ahead."""
    dataset = Batches(crops)
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(dataset.__getitem__, first)
        for step in count(first + 1):
            found = upcoming.result()
            upcoming = thread.submit(dataset.__getitem__, step)
            yield (found[0].pin_memory(), found[1]) if pin and isinstance(found, tuple) else found


def read_by_processes(crops: Crops, first: int, readers: int, pin: bool) -> Generator[Read | DataError]:
    """Two steps a reader ahead; each keeps its part of the decoded media that may be kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of more readers than cores
        loader = DataLoader(
            Batches(crops),
            sampler=count(first),
            batch_size=None,
            num_workers=readers,
            worker_init_fn=begin_reader,
            generator=torch.Generator(),  # the one of the run is left alone
            pin_memory=pin,
        )
        ahead = iter(loader)
    try:
        yield from ahead
    except RuntimeError as error:
        hint = "the system may be out of memory: lower --readers or --memory"
        raise DataError(
            f"a process that reads training data ended ({str(error).splitlines()[0]})", hint=hint
        ) from error


def begin_reader(number: int) -> None:
    """Set up a reader process. Ctrl-C is for the process that trains, which ends its readers."""
    os.setpgrp()
    for name in (signal.SIGINT, signal.SIGTERM):  # what training does on them is of no use here
        signal.signal(name, signal.SIG_DFL)
    info = get_worker_info()
    assert info is not None
    assert isinstance(info.dataset, Batches)
    info.dataset.crops.memory //= info.num_workers
