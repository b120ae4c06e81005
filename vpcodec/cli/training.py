"""`vpcodec train`: a recipe and a folder of media become a model."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import Device, NoProgress, Quiet, complete_recipes
from vpcodec.errors import ConfigError, counted

if TYPE_CHECKING:
    from vpcodec.config import Recipe

EVERY = 60  # seconds between two lines where no progress bar is shown


def train(
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of recordings or photos, a tar file, 'train-{000..099}.tar', or @FILE with a list of paths. "
            "Can be repeated.",
        ),
    ],
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder for the model.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="NAME|FILE",
            autocompletion=complete_recipes,
            help="Name of a recipe, or a TOML file. Default with --resume: the recipe of the run.",
        ),
    ] = None,
    valid: Annotated[list[str] | None, typer.Option("--valid", metavar="DIR", help="Validation data.")] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="MODEL", help="Start from the weights of a model or checkpoint.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the output folder.")] = False,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="M", help="Minutes to train. Default: the recipe's steps.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change an option of the recipe, for example training.steps=500."
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=0, help="Number of threads; 0: one per core.")
    ] = 0,
    device: Device = "auto",
    memory: Annotated[
        float, typer.Option("--memory", metavar="GB", help="Memory for decoded recordings or photos.")
    ] = 1.0,
    readers: Annotated[
        int | None,
        typer.Option(
            "--readers",
            metavar="N",
            min=0,
            help="Processes that read ahead; 0: a thread. Default: 0 on a CPU, up to 8 for a GPU.",
        ),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the network with torch.compile; pays on GPUs and for long runs.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the log for TensorBoard, into the output folder.")
    ] = False,
    quiet: Quiet = False,
    no_progress: NoProgress = False,
) -> None:
    """Train a model. Ctrl-C stops after the current step and keeps the state for --resume."""
    from vpcodec.config import override
    from vpcodec.registry import ModelFolder
    from vpcodec.training.recipes import find_recipe

    if minutes is not None and minutes <= 0:
        raise ConfigError(f"--minutes {minutes:g}: must be more than 0")
    if recipe is None:
        if not resume:
            raise ConfigError("missing option '--recipe'", hint="`vpcodec train -h` shows how")
        recipe = str(Path(output, "recipe.toml"))
    chosen = override(find_recipe(recipe), settings or [])
    quiet = quiet or os.environ.get("RANK", "0") != "0"  # under torchrun the first process speaks
    messages = Messages(quiet=quiet, progress=not no_progress)

    import torch

    from vpcodec.training.loop import Run, train

    if threads:
        torch.set_num_threads(threads)
    run = Run(
        data=[Path(source) for source in data],
        out=Path(output),
        valid=[Path(source) for source in valid or []] or None,
        start=start_of(start) if start else None,
        resume=resume,
        minutes=minutes,
        device=device,
        memory=int(memory * 2**30),
        readers=readers,
        tensorboard=tensorboard,
        compile=compiled,
    )
    watch = Watch(chosen, messages)
    with messages.progress(watch.state):
        try:
            train(chosen, run, watch, messages.note)
        except (KeyboardInterrupt, SystemExit):
            if watch.stopped:
                messages.note(f"stopped after step {watch.step:,}; add --resume to go on")
            raise
    facts = ModelFolder(Path(output)).facts
    skipped = Path(output, "skipped.csv")
    if skipped.exists():
        count = len(skipped.read_text(encoding="utf-8").splitlines()) - 1
        messages.note(f"{skipped}: skipped {counted(count, 'file')} that could not be read")
    messages.note(f"{output}: {facts.kind} model, trained for {facts.steps:,} steps in {facts.minutes:g} minutes")


def start_of(name: str) -> Path:
    """The checkpoint or model folder that a name or path stands for. Raises ModelError."""
    from vpcodec.registry import find_model

    return Path(name) if Path(name).is_file() else find_model(name).path


class Watch:
    """Follows a run step by step. A first Ctrl-C or SIGTERM lets the step end, a second one does not wait.

    Args:
        recipe: What is trained; tells how much a step goes through.
        messages: Gets a line a minute where no progress bar is shown.

    Attributes:
        stopped: Whether the run was ended by a signal, between two steps.
    """

    def __init__(self, recipe: "Recipe", messages: Messages) -> None:
        self.messages = messages
        self.per_step, self.unit = float(recipe.data.batch), "images"
        if recipe.kind != "image":
            network = recipe.network
            self.per_step *= recipe.data.crop * network.stride * network.hop / network.sample_rate
            self.unit = "seconds of sound"
        self.step, self.progress, self.loss = 0, 0.0, float("nan")
        self.stopped = False
        self.ending: BaseException | None = None
        self.pace = 0.0  # seconds a step, lately
        self.began = self.latest = self.told = time.monotonic()
        for number, ending in ((signal.SIGINT, KeyboardInterrupt()), (signal.SIGTERM, SystemExit(143))):
            signal.signal(number, self.handler(ending))

    def handler(self, ending: BaseException) -> Callable[[int, FrameType | None], None]:
        """What a signal does."""

        def end(number: int, frame: FrameType | None) -> None:
            if self.ending:
                raise ending
            self.ending = ending

        return end

    def __call__(self, step: int, progress: float, loss: float) -> None:
        now = time.monotonic()
        lately = now - self.latest
        self.pace = 0.9 * self.pace + 0.1 * lately if self.pace else lately
        self.latest = now
        self.step, self.progress, self.loss = step, progress, loss
        if not self.messages.lively and now - self.told >= EVERY:
            self.told = now
            left = (now - self.began) * (1 - progress) / max(progress, 1e-9) / 60
            self.messages.note(f"{self.state()[1]}, about {left:.0f} minutes left")
        if self.ending:
            self.stopped = True
            raise self.ending

    def state(self) -> tuple[float, str]:
        """Share that is done, and words for the progress bar."""
        if not self.pace:
            return 0.0, "reading"
        speed = self.per_step / self.pace
        return self.progress, f"step {self.step:,}, loss {self.loss:.4g}, {speed:.3g} {self.unit} a second"
