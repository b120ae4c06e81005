"""The record that a run leaves: a CSV log, a plot of its curves, samples to look at or listen to.

`Validation` measures a model on crops that stay the same.
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from vpcodec.autoencoder import Autoencoder
from vpcodec.data.colors import to_pixels
from vpcodec.errors import DataError, DependencyError, ModelError
from vpcodec.losses import ImageCriterion, SoundCriterion
from vpcodec.recipe import Recipe

EVERY = 20  # steps that one row of the log averages
SAMPLES = 4  # crops kept to look at or listen to
SKIPPED = "skipped.csv"
CURVES = (
    ("log", "loss", "training"),
    ("validation", "network", "validation, no quantizer"),
    ("validation", "moves", "validation, training's stand-in"),
    ("validation", "codes", "validation, real codes"),
)  # file, column and label


class Journal:
    """Writes `log.csv`, `curves.png` and `samples/` into a run's folder.

    The precision, the number type of the matrix products, is noted in the log. To resume is to go on with the log that
    is there.
    """

    def __init__(self, folder: Path, recipe: Recipe, precision: str, resume: bool) -> None:
        self.folder = folder
        self.kind = recipe.kind
        self.sample_rate = recipe.network.sample_rate
        self.precision = precision
        self.waiting: list[dict[str, float]] = []
        self.head: dict[str, Any] = {}  # of the last step that waits
        self.board: Any = None  # of TensorBoard
        if not resume:
            (folder / "log.csv").unlink(missing_ok=True)
            (folder / "validation.csv").unlink(missing_ok=True)
            (folder / SKIPPED).unlink(missing_ok=True)

    def add(self, step: int, seconds: float, progress: float, row: dict[str, float]) -> None:
        """Take in one step; every few steps their mean becomes a row of the log."""
        self.waiting.append(row)
        self.head = {"step": step, "seconds": round(seconds, 2), "progress": round(progress, 5)}
        self.head["precision"] = self.precision
        if len(self.waiting) == EVERY:
            self.flush()

    def flush(self) -> None:
        """Write the mean of the steps that wait."""
        if self.waiting:
            means = {name: float(np.mean([row[name] for row in self.waiting])) for name in self.waiting[0]}
            append(self.folder / "log.csv", {**self.head, **{name: f"{mean:.5g}" for name, mean in means.items()}})
            self.show("training", int(self.head["step"]), means)
            self.waiting.clear()

    def open_board(self) -> None:
        """Have all figures written for TensorBoard, too. Raises DependencyError where it is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            hint = "pip install 'vpcodec[tensorboard]'"
            raise DependencyError("--tensorboard needs tensorboard", hint=hint) from error
        self.board = SummaryWriter(str(self.folder / "tensorboard"))

    def show(self, group: str, step: int, figures: dict[str, float]) -> None:
        """Hand figures to TensorBoard, if it listens."""
        if self.board:
            for name, value in figures.items():
                self.board.add_scalar(f"{group}/{name}", value, step)
            self.board.flush()

    def cut(self, step: int) -> None:
        """Drop what was noted after a step, from which the run goes on."""
        for name in ("log", "validation"):
            path = self.folder / f"{name}.csv"
            if path.exists():
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                kept = [line for line in lines[1:] if line.endswith("\n") and int(line.partition(",")[0]) <= step]
                path.write_text("".join([*lines[:1], *kept]), encoding="utf-8")

    def add_validation(self, step: int, losses: dict[str, float], used_codes: int) -> None:
        """Note the losses on the validation data: of the "network" alone, with "moves", and with real "codes"."""
        shown = {way: f"{losses[way]:.5g}" if way in losses else "" for way in ("network", "moves", "codes")}
        append(self.folder / "validation.csv", {"step": step, **shown, "used_codes": used_codes})
        self.show("validation", step, {**losses, "used_codes": used_codes})

    def note_skipped(self, errors: Iterable[DataError]) -> None:
        """Add which files of the training data cannot be read, and why, to those that a stopped run noted before."""
        path = self.folder / SKIPPED
        noted: set[str] = set()
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                noted = {row["problem"] for row in csv.DictReader(file)}
        for what in dict.fromkeys(error.what for error in errors):  # a file may lack several parts
            if what not in noted:
                append(path, {"problem": what})

    def keep_samples(self, label: str, signals: NDArray[np.float32], reconstructions: NDArray[np.float32]) -> None:
        """Write a few crops with their reconstructions: one WAV, or one PNG with the pairs side by side."""
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        if self.kind != "image":
            pairs = np.stack((signals[:SAMPLES], reconstructions[:SAMPLES]), axis=1)
            pairs = pairs.reshape(-1, *pairs.shape[3:]).clip(-1, 1)
            soundfile.write(folder / f"{label}.wav", pairs, self.sample_rate, subtype="PCM_16")
            return
        rows = [np.concatenate(pair, axis=1) for pair in zip(signals[:SAMPLES], reconstructions[:SAMPLES], strict=True)]
        Image.fromarray(to_pixels(np.concatenate(rows))).save(folder / f"{label}.png")

    def draw(self) -> None:
        """Write what waits and draw the curves."""
        self.flush()
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return  # the log holds the same figures
        if not (self.folder / "log.csv").exists():
            return
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="loss")
        for name, column, label in CURVES:
            path = self.folder / f"{name}.csv"
            if path.exists():
                with path.open(newline="") as file:
                    points = [(int(row["step"]), float(row[column])) for row in csv.DictReader(file) if row.get(column)]
                axes.plot(*zip(*points, strict=True) if points else ((), ()), label=label)
        axes.legend()
        figure.savefig(self.folder / "curves.png", dpi=120)


def append(path: Path, row: dict[str, object]) -> None:
    """Add a row to a CSV file, with a heading if it is new; an older one keeps the columns that it has."""
    new = not path.exists()
    with path.open("a+", newline="", encoding="utf-8") as file:
        file.seek(0)
        columns = list(row) if new else next(csv.reader(file), list(row))
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerow(row)


class Validation:
    """Measures a model on fixed crops [n, samples] or [n, pixels, pixels, 3] in [-1, 1], and tells the journal.

    The seed is that of the draws of training's stand-in, the same at every look.
    """

    def __init__(self, crops: NDArray[np.float32], criterion: nn.Module, journal: Journal, seed: int) -> None:
        self.crops = torch.from_numpy(crops)
        self.criterion = criterion
        self.journal = journal
        self.seed = seed

    @torch.no_grad()
    def look(self, model: Autoencoder, step: int, label: str, *, moves: bool = True) -> None:
        """Note the losses without a quantizer, with training's stand-in, and with real codes where there are any.

        The model is in evaluation mode, and so again afterwards. Without `moves` the quantizer, which was finished,
        cannot stand in any more. `label` names the samples.
        """
        crops = self.crops.to(next(model.parameters()).device)
        reconstructions, used = {"network": model.unquantized(crops)}, 0
        if moves:
            torch.manual_seed(self.seed)
            reconstructions["moves"] = model.train().forward(crops)[0]
            model.eval()
        if model.quantizer.ready:
            reconstructions["codes"], quantized = model(crops)
            used = 0 if quantized.tokens is None else len(quantized.tokens.unique())
        losses = {way: float(self.criterion(found, crops)[0]) for way, found in reconstructions.items()}
        self.journal.add_validation(step, losses, used)
        shown = list(reconstructions.values())[-1]  # the one nearest to what ships
        self.journal.keep_samples(label, crops.cpu().numpy(), shown.cpu().numpy())
        self.journal.draw()


def build_criterion(recipe: Recipe) -> nn.Module:
    """The loss module of a recipe; LPIPS is loaded only where its weight asks for it."""
    if recipe.kind != "image":
        return SoundCriterion(recipe.speech_loss, recipe.network.sample_rate)
    if not recipe.image_loss.lpips:
        return ImageCriterion(recipe.image_loss, None)
    from vpcodec.metrics.lpips import LPIPS

    try:
        perceptual = LPIPS(recipe.image_loss.backbone)
    except ModelError as error:
        raise ModelError(error.what, hint="train without it: --set image_loss.lpips=0") from error
    return ImageCriterion(recipe.image_loss, perceptual)
