"""A training run: recipe and data in, checkpoints, log, samples and a model folder out.

Two runs with the same recipe, data and number of steps are equal bit for bit on a CPU, and so is a run that
was stopped and resumed: each step's crops and random draws follow from the seed and the step's number. The number
type of matrix products belongs to the machine (`devices.matrix_precision`) and stands in the log.
"""

import copy
import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vpcodec.autoencoder import Autoencoder
from vpcodec.config import to_toml
from vpcodec.data.crops import MEMORY, open_crops
from vpcodec.data.media import Sources
from vpcodec.data.output import errors_named, open_output
from vpcodec.devices import choose_device, matrix_precision
from vpcodec.errors import ConfigError, DataError
from vpcodec.graphs import write_graphs
from vpcodec.networks.blocks import Trunk
from vpcodec.plugins import allow
from vpcodec.quantizers.ranks import from_first, merged, process_group, rank, summed, world_size
from vpcodec.recipe import Recipe, Training, load_recipe
from vpcodec.registry import load_weights, save_model
from vpcodec.training.checkpoint import load_checkpoint, save_checkpoint
from vpcodec.training.journal import Journal, Validation, build_criterion
from vpcodec.training.optimizer import build_optimizers, rate_factor
from vpcodec.training.readers import batches, reader_count

CHECKPOINT = "checkpoint.safetensors"
RECIPE = "recipe.toml"
VALIDATION_CROPS = 16
Report = Callable[[int, float, float], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where a run reads and writes, and how long it may take.

    Attributes:
        data: Folders of training media, or what else `data.media` knows as a source; several add up.
        out: Folder that becomes the model.
        valid: Validation media, likewise; None to look at none.
        resume: Go on from the checkpoint in `out`.
        start: A model folder or checkpoint whose weights the run starts from, where their shapes fit.
        minutes: Time budget; None for as many steps as the recipe says.
        device: "cpu", "cuda" or "auto".
        memory: Bytes of decoded media that are kept, of training and of validation each.
        readers: Processes that read; 0 for a thread of this one, None for what suits the device.
        tensorboard: Whether to write the log for TensorBoard as well.
        compile: Whether torch.compile makes the blocks quicker; the first steps take longer.
    """

    data: Sources
    out: Path
    valid: Sources | None = None
    resume: bool = False
    start: Path | None = None
    minutes: float | None = None
    device: str = "auto"
    memory: int = MEMORY
    readers: int | None = None
    tensorboard: bool = False
    compile: bool = False


class Trainer:
    """The state of a run: weights, their average, optimizers, step and time.

    Args:
        recipe: What to train.
        run: Where and how long.
        report: Called with step, progress and loss after every step, and at last with progress 1, before the model is
            written; raises KeyboardInterrupt or SystemExit to stop.
    """

    def __init__(self, recipe: Recipe, run: Run, report: Report | None = None) -> None:
        self.recipe = recipe
        self.run = run
        self.report = report
        self.options: Training = recipe.training
        self.device = torch.device(choose_device(run.device))
        torch.manual_seed(self.options.seed)
        allow(recipe.quantizer["method"], recipe.network.architecture)
        self.model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).to(self.device)
        self.model.quantizer.check_packages()
        if run.start is not None:
            load_weights(self.model, run.start)
            if not self.options.decoder_only:
                self.model.quantizer.unfinish()
        if self.options.decoder_only:
            self.keep_tokens()
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        if run.compile:
            for trunk in trunks_of(self.model):
                trunk.compile()  # in place: names of weights stay
        # Gradients are averaged over all processes; buffers are the quantizers' own business (`quantizers/ranks.py`).
        self.parallel = DistributedDataParallel(self.model, broadcast_buffers=False) if world_size() > 1 else self.model
        self.criterion = build_criterion(recipe).to(self.device)
        self.optimizers = build_optimizers(self.model, self.options)
        self.crops = open_crops(run.data, recipe, self.model.network.hop, run.memory)
        if recipe.data.batch % world_size():
            what = f"data.batch {recipe.data.batch} does not divide among {world_size()} processes"
            raise ConfigError(what, hint="start a number of processes that divides it")
        self.crops.share(rank(), world_size())
        self.check_enough()
        self.readers = reader_count(run.readers, self.device)
        self.step = 0
        self.seconds = 0.0
        precision = matrix_precision(self.device)
        for trunk in (*trunks_of(self.model), *trunks_of(self.average)):
            trunk.precision = precision
        self.journal = Journal(run.out, recipe, str(precision), resume=run.resume or rank() > 0)
        if run.tensorboard and rank() == 0:
            self.journal.open_board()
        self.valid: Validation | None = None
        if run.valid and rank() == 0:
            crops = open_crops(run.valid, recipe, self.model.network.hop, run.memory).fixed(VALIDATION_CROPS)
            self.valid = Validation(crops, self.criterion, self.journal, self.options.seed)

    def check_enough(self) -> None:
        """Raises DataError where a codebook could not be fitted in the end."""
        if self.model.quantizer.ready:
            return
        codes = max(max(self.model.quantizer.radices(rate)) for rate in self.model.quantizer.rates)
        fitted = {"training.fitting_positions": self.options.fitting_positions}
        for what, positions in {self.crops.extent(): self.crops.positions(), **fitted}.items():
            if positions < codes:
                raise DataError(
                    f"{what}: {int(positions):,} positions are too few for {codes:,} codes",
                    hint="give more of them, or choose smaller quantizer.rates",
                )

    def keep_tokens(self) -> None:
        """Let only the decoder learn. Raises ConfigError for a quantizer that has no codes yet."""
        if not (self.run.resume or (self.run.start is not None and self.model.quantizer.ready)):
            what = "training.decoder_only needs a model whose codes are fitted"
            raise ConfigError(what, hint="name a finished one with --start")
        self.model.requires_grad_(False)
        for parameter in self.model.decoder_parameters():
            parameter.requires_grad_(True)

    def batches(self) -> Generator[Tensor]:
        """The crops of this step and of those that follow, in the memory of the processor."""
        return batches(self.crops, self.step, self.readers, pin=self.device.type == "cuda")

    def summary(self) -> str:
        """What is trained, on what and how, in a line."""
        weights = sum(parameter.numel() for parameter in self.model.parameters())
        return f"{self.crops.extent()}; {weights / 1e6:.2f} M weights; {self.device}, {self.journal.precision}"

    def progress(self) -> float:
        """Share of the run that is done, by the first process's time if there is a budget, else by steps."""
        if self.run.minutes is not None:
            seconds = float(from_first(torch.tensor(self.seconds, dtype=torch.float64, device=self.device)))
            return min(1.0, seconds / (60 * self.run.minutes))
        return min(1.0, self.step / self.options.steps)

    def train(self) -> None:
        """Run to the end of the budget, then write the model."""
        if self.run.resume:
            facts = load_checkpoint(self.run.out / CHECKPOINT, self.modules(), self.optimizers)
            self.step, self.seconds = facts["step"], facts["seconds"]
            if rank() == 0:
                self.journal.cut(self.step)
        self.save()  # at once: a run that is killed early can be resumed, too
        if not self.run.resume:
            self.validate("first")
        saved = validated = time.monotonic()
        with closing(self.batches()) as ahead:
            while (progress := self.progress()) < 1:
                began = time.monotonic()
                crops = next(ahead)
                waited = time.monotonic() - began
                row = self.advance(crops.to(self.device, non_blocking=True), progress)
                self.step += 1
                self.seconds += time.monotonic() - began
                if rank() == 0:
                    self.journal.add(self.step, self.seconds, progress, {**row, "waited": waited})
                self.tell(progress, row["loss"])
                if time.monotonic() - saved > 60 * self.options.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
                if time.monotonic() - validated > 60 * self.options.validate_minutes:
                    self.validate("last")
                    validated = time.monotonic()
        self.save(last=True)
        self.tell(1.0, math.nan)
        self.finish()

    def tell(self, progress: float, loss: float) -> None:
        """Report a step. A report that interrupts ends the run of all processes here, with its state saved."""
        ending: BaseException | None = None
        try:
            if self.report:
                self.report(self.step, progress, loss)
        except (KeyboardInterrupt, SystemExit) as error:
            ending = error
        if world_size() > 1 and summed(torch.tensor(float(ending is not None), device=self.device)) > 0:
            ending = ending or SystemExit(143)
        if ending:
            self.save(last=True)
            raise ending

    def advance(self, crops: Tensor, progress: float) -> dict[str, float]:
        """One optimizer step on crops; returns the row of the log."""
        torch.manual_seed(self.options.seed * 1_000_003 + self.step)
        rates = self.model.quantizer.rates
        rate = rates[int(torch.randint(len(rates), ()))]
        self.model.train(not self.options.decoder_only)  # in evaluation mode the decoder hears real codes
        reconstruction, quantized = self.parallel(crops, progress, rate)
        distance, terms = self.criterion(reconstruction, crops)
        (distance + quantized.loss).backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        figures = {"loss": distance, "gradient_norm": norm, **terms}
        means = summed(torch.stack([value.detach() for value in figures.values()])) / world_size()
        stats = quantized.stats  # of this process; all figures cross from the device at once
        values = torch.cat([means, *(value.to(means).view(1) for value in stats.values())]).tolist()
        row = dict(zip((*figures, *stats), values, strict=True))
        self.check_finite(row)
        factor = rate_factor(progress, self.options)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.follow()
        return row

    def check_finite(self, row: dict[str, float]) -> None:
        """Raises DataError, before the weights move, for a loss or gradient that is no number."""
        wrong = " and ".join([name for name, value in row.items() if not math.isfinite(value)][:2])
        if wrong:
            raise DataError(
                f"{self.run.out}: {wrong} of step {self.step + 1:,} are not finite; the last checkpoint is kept",
                hint="go on from it at lower rates: --resume --set training.matrix_rate="
                f"{self.options.matrix_rate / 2:g} --set training.rate={self.options.rate / 2:g}",
            )

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average a little towards the weights; faster at first, when there is little to average."""
        decay = min(self.options.average, (1 + self.step) / (10 + self.step))
        targets: list[Tensor] = list(self.average.parameters())
        torch._foreach_lerp_(targets, list[Tensor](self.model.parameters()), 1 - decay)

    def copy_buffers(self) -> None:
        """Give the average the model's buffers, such as a queue of latents, before it is used or saved."""
        for kept, new in zip(self.average.buffers(), self.model.buffers(), strict=True):
            kept.copy_(new)

    def validate(self, label: str, *, finished: bool = False) -> None:
        """Look at the averaged weights; the first process does. See `Validation`."""
        if self.valid is not None:
            self.copy_buffers()
            moves = not (finished or self.options.decoder_only)
            self.valid.look(self.average, self.step, label, moves=moves)

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "average": self.average}

    def save(self, *, last: bool = False) -> None:
        """Write the checkpoint, its recipe and the log up to it; at last with what other processes skipped.

        The first process does. A folder with a recipe has a checkpoint, too, so that the run can be resumed.
        """
        if last:
            self.crops.skipped.update(merged(dict(self.crops.skipped)))
        if rank() > 0:
            return
        self.copy_buffers()
        self.journal.flush()
        self.journal.note_skipped(list(self.crops.skipped.values()))  # a reading thread may add to them
        facts = {"step": self.step, "seconds": self.seconds}
        save_checkpoint(self.run.out / CHECKPOINT, self.modules(), self.optimizers, facts)
        with open_output(self.run.out / RECIPE, force=True) as file:
            file.write(to_toml(self.recipe).encode())

    @torch.no_grad()
    def finish(self) -> None:
        """Fit what the quantizer still lacks, then write the model folder."""
        self.copy_buffers()
        if not self.options.decoder_only:
            self.average.quantizer.finish(self.latents())
            self.model.quantizer.load_state_dict(self.average.quantizer.state_dict())
        if rank() > 0:
            return
        self.validate("last", finished=True)
        self.journal.draw()
        facts = {"steps": self.step, "minutes": round(self.seconds / 60, 1)}
        save_model(self.run.out, self.average.cpu(), self.recipe, facts)

    def latents(self) -> Any:
        """Latents [N, C] of fresh training crops, batch by batch."""
        positions = 0
        with closing(self.batches()) as ahead:
            while positions * world_size() < self.options.fitting_positions:
                rows = self.average.network.encode(next(ahead).to(self.device)).float().flatten(0, -2)
                positions += len(rows)
                yield rows


def trunks_of(model: nn.Module) -> list[Trunk]:
    return [module for module in model.modules() if isinstance(module, Trunk)]


def train(
    recipe: Recipe, run: Run, report: Report | None = None, announce: Callable[[str], None] = lambda line: None
) -> Path:
    """Train a model into `run.out`, with graphs for the onnx engine, and return that folder.

    `announce` takes a line about the data and the machine before the first step; for the rest see `Trainer`.

    Raises:
        ConfigError: The recipe or the device is wrong, or `out` holds another run.
        DataError: The training data are missing or broken.
        InputError: `out` cannot be written to, or its disk is full.
    """
    written = run.out / RECIPE
    if run.resume:
        if not written.is_file():
            raise ConfigError(f"{run.out}: nothing to resume")
        saved = load_recipe(written)
        if replace(saved, training=recipe.training) != recipe:
            what = f"{run.out}: was started with another recipe"
            raise ConfigError(what, hint="leave --recipe and --set as they were")
    elif written.exists():
        raise ConfigError(f"{run.out}: already holds a run", hint="add --resume, or choose another folder")
    with errors_named(run.out), process_group(run.device):
        run.out.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(recipe, run, report)  # before anything is written: wrong data leave no run behind
        if rank() == 0:
            announce(trainer.summary())
        trainer.train()
        if rank() == 0:
            write_graphs(run.out, announce)
    return run.out
