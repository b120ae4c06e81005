"""`vpcodec train`: a recipe and a folder of media become a model."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import TYPE_CHECKING

from vpcodec.cli.messages import Messages
from vpcodec.errors import ConfigError, counted

if TYPE_CHECKING:
    from vpcodec.recipe import Recipe

EVERY = 60  # seconds between two lines where no progress bar is shown


def train(given: SimpleNamespace) -> None:
    """`vpcodec train`"""
    from vpcodec.recipe import override
    from vpcodec.registry import ModelFolder
    from vpcodec.training.recipes import find_recipe

    if given.minutes is not None and given.minutes <= 0:
        raise ConfigError(f"--minutes {given.minutes:g}: must be more than 0")
    output, recipe = Path(given.output), given.recipe
    if recipe is None:
        if not given.resume:
            raise ConfigError("missing option '--recipe'", hint="`vpcodec train -h` shows how")
        recipe = str(output / "recipe.toml")
    chosen = override(find_recipe(recipe), given.set)
    quiet = given.quiet or os.environ.get("RANK", "0") != "0"  # under torchrun the first process speaks
    messages = Messages(quiet=quiet, progress=not given.no_progress)

    import torch

    from vpcodec.devices import core_count
    from vpcodec.training.loop import Run, train

    if given.threads:
        torch.set_num_threads(min(given.threads, core_count()))  # more would only wait for each other
    run = Run(
        data=[Path(source) for source in given.data],
        out=output,
        valid=[Path(source) for source in given.valid] or None,
        start=start_of(given.start) if given.start else None,
        resume=given.resume,
        minutes=given.minutes,
        device=given.device,
        memory=int(given.memory * 2**30),
        readers=given.readers,
        tensorboard=given.tensorboard,
        compile=given.compile,
    )
    watch = Watch(chosen, messages)
    with messages.progress(watch.state):
        try:
            train(chosen, run, watch, messages.note)
        except (KeyboardInterrupt, SystemExit):
            if watch.stopped:
                messages.note(f"stopped after step {watch.step:,}; add --resume to go on")
            raise
    facts = ModelFolder(output).facts
    skipped = output / "skipped.csv"
    if skipped.exists():
        count = len(skipped.read_text(encoding="utf-8").splitlines()) - 1
        messages.note(f"{skipped}: skipped {counted(count, 'file')} that could not be read")
    messages.note(f"{output}: {facts.kind} model, trained for {facts.steps:,} steps in {facts.minutes:g} minutes")


def start_of(name: str) -> Path:
    """The checkpoint or model folder that a name or path stands for. Raises ModelError."""
    from vpcodec.registry import find_model

    return Path(name) if Path(name).is_file() else find_model(name).path


class Watch:
    """Follows a run step by step. A first Ctrl-C or SIGTERM lets a step end; a second one does not wait.

    Before the first step and after the last one there is nothing to wait for: what is to be kept has been saved.

    Args:
        recipe: What is trained; tells how much a step goes through.
        messages: Gets a line a minute where no progress bar is shown.

    Attributes:
        stepping: Whether there was a step, and another one follows.
        stopped: Whether the run was ended by a signal behind a step whose outcome is saved.
    """

    def __init__(self, recipe: "Recipe", messages: Messages) -> None:
        self.messages = messages
        self.per_step, self.unit = float(recipe.data.batch), "images"
        if recipe.kind != "image":
            network = recipe.network
            self.per_step *= recipe.data.crop * network.stride * network.hop / network.sample_rate
            self.unit = "seconds of sound"
        self.step, self.progress, self.loss = 0, 0.0, float("nan")
        self.first: tuple[float, float] | None = None  # time and progress of the first step; not 0 where a run resumes
        self.stepping = self.stopped = False
        self.ending: BaseException | None = None
        self.pace = 0.0  # seconds a step, lately
        self.latest = self.told = time.monotonic()
        for number, ending in ((signal.SIGINT, KeyboardInterrupt()), (signal.SIGTERM, SystemExit(143))):
            signal.signal(number, self.handler(ending))

    def handler(self, ending: BaseException) -> Callable[[int, FrameType | None], None]:
        """What a signal does."""

        def end(number: int, frame: FrameType | None) -> None:
            if self.ending or not self.stepping:
                self.stopped = self.step > 0 and not self.stepping
                raise ending
            self.ending = ending

        return end

    def __call__(self, step: int, progress: float, loss: float) -> None:
        now = time.monotonic()
        lately = now - self.latest
        self.pace = 0.9 * self.pace + 0.1 * lately if self.pace else lately
        self.latest = now
        self.step, self.progress, self.loss = step, progress, loss
        if self.first is None:
            self.first = now, progress
        self.stepping = progress < 1
        began, before = self.first
        due = now - self.told >= EVERY and progress > before  # one step alone tells no pace
        if due and self.stepping and not self.messages.lively:
            self.told = now
            left = (now - began) * (1 - progress) / (progress - before) / 60
            self.messages.note(f"{self.state()[1]}, about {counted(round(left), 'minute')} left")
        if self.ending:
            self.stopped = True
            raise self.ending

    def state(self) -> tuple[float, str]:
        """Share that is done, and words for the progress bar."""
        if not self.pace:
            return 0.0, "reading"
        if not self.stepping:
            return 1.0, "writing the model"
        speed = self.per_step / self.pace
        return self.progress, f"step {self.step:,}, loss {self.loss:.4g}, {speed:.3g} {self.unit} a second"
