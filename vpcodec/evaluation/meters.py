"""Pairs of signals in, figures out: which metrics can be measured here, and their measuring."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from vpcodec.errors import ConfigError, InputError, VpcodecError
from vpcodec.evaluation.candidates import Signal
from vpcodec.evaluation.workers import Workers
from vpcodec.metrics.speech import Scores, require, score_speech

if TYPE_CHECKING:
    from torch import Tensor

    from vpcodec.metrics.fid import Inception
    from vpcodec.metrics.lpips import LPIPS


@dataclass(frozen=True)
class Metric:
    """How a metric is shown: its name for readers, whether more is better, and its digits after the point."""

    title: str
    more_is_better: bool
    digits: int


METRICS: dict[str, dict[str, Metric]] = {
    "speech": {
        "pesq_wb": Metric("PESQ-WB", True, 3),
        "pesq_nb": Metric("PESQ-NB", True, 3),
        "stoi": Metric("STOI", True, 4),
        "si_sdr": Metric("SI-SDR (dB)", True, 2),
        "mel_distance": Metric("mel distance", False, 3),
    },
    "image": {
        "psnr": Metric("PSNR (dB)", True, 2),
        "ssim": Metric("SSIM", True, 4),
        "lpips_vgg": Metric("LPIPS-VGG", False, 4),
        "lpips_alex": Metric("LPIPS-Alex", False, 4),
        "lpips_squeeze": Metric("LPIPS-Squeeze", False, 4),
    },
}

# Of all items together, and only where they are asked for by name.
SET_METRICS: dict[str, dict[str, Metric]] = {
    "speech": {},
    "image": {"rfid": Metric("rFID", False, 2)},
}

DIED = "the process that measured it died"  # out of memory perhaps: worth another try in the next run

Pair = tuple[Signal, Signal]  # decoded, original


class Meter(ABC):
    """Measures what can be measured of the metrics asked for.

    Attributes:
        names: Metrics that are measured.
        unavailable: Metrics that cannot be measured here, and why.
        device: torch's name of what computes them.
    """

    device = "cpu"

    def __init__(self, kind: str, names: Sequence[str] | None) -> None:
        known = METRICS[kind] | SET_METRICS[kind]
        for name in names or ():
            if name not in known:
                raise ConfigError(f"no metric {name!r} for {kind}", hint=f"choose from {', '.join(known)}")
        self.names: list[str] = []
        self.unavailable: dict[str, str] = {}
        for name in names or METRICS[kind]:
            try:
                self.prepare(name)
                self.names.append(name)
            except VpcodecError as error:
                self.unavailable[name] = str(error).replace("\n  hint: ", "; ")

    @abstractmethod
    def prepare(self, name: str) -> None:
        """Make ready for a metric. Raises VpcodecError where it cannot be measured."""

    @abstractmethod
    def measure(self, pairs: Sequence[Pair]) -> list[Scores]:
        """The scores of each pair, in order."""

    def close(self) -> None:  # noqa: B027 - most meters hold nothing
        """End what was started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SpeechMeter(Meter):
    """Speech metrics, in worker processes.

    Args:
        names: Keys of `METRICS["speech"]`; all by default.
        jobs: Number of processes; 0 measures in this one.
    """

    def __init__(self, names: Sequence[str] | None = None, jobs: int = 0) -> None:
        super().__init__("speech", names)
        self.workers = Workers(score_speech, jobs)

    def prepare(self, name: str) -> None:
        require(name)

    def measure(self, pairs: Sequence[Pair]) -> list[Scores]:
        results = self.workers.run([(decoded, original, self.names) for decoded, original in pairs])
        lost = Scores(failures=dict.fromkeys(self.names, DIED))
        return [lost if scores is None else scores for scores in results]

    def close(self) -> None:
        self.workers.close()


class ImageMeter(Meter):
    """Image metrics, in batches, on the device given.

    Args:
        names: Keys of `METRICS["image"]`, all by default, or of `SET_METRICS["image"]`.
        device: torch's name of the device.
    """

    def __init__(self, names: Sequence[str] | None = None, device: str = "cpu") -> None:
        self.device = device
        self.perceptual: dict[str, LPIPS] = {}
        self.inception: Inception | None = None
        super().__init__("image", names)

    def prepare(self, name: str) -> None:
        if name.startswith("lpips_"):
            from vpcodec.metrics.lpips import LPIPS

            self.perceptual[name] = LPIPS(name.removeprefix("lpips_")).to(self.device)
        elif name == "rfid":
            from vpcodec.metrics.fid import Inception

            self.inception = Inception(self.device)

    def measure(self, pairs: Sequence[Pair]) -> list[Scores]:
        scores = [Scores() for _ in pairs]
        shapes = [original.shape for _, original in pairs]
        for shape in dict.fromkeys(shapes):  # those of one size together
            members = [index for index, other in enumerate(shapes) if other == shape]
            decoded = self.batch([pairs[index][0] for index in members])
            originals = self.batch([pairs[index][1] for index in members])
            if self.inception is not None:
                features = np.stack([self.inception(pictures).cpu().numpy() for pictures in (decoded, originals)], 1)
                for index, pair in zip(members, features, strict=True):
                    scores[index] = replace(scores[index], features=pair)
            for name in self.names:
                if name in SET_METRICS["image"]:
                    continue
                try:
                    values = self.values(name, decoded, originals)
                except InputError as error:
                    for index in members:
                        scores[index].failures[name] = error.what
                else:
                    for index, value in zip(members, values, strict=True):
                        scores[index].values[name] = value
        return scores

    def batch(self, pictures: Sequence[Signal]) -> "Tensor":
        """[H, W, 3] uint8 each -> [B, 3, H, W] float32 in [0, 1]."""
        import torch

        return torch.from_numpy(np.stack(pictures)).to(self.device).permute(0, 3, 1, 2).float() / 255

    def values(self, name: str, decoded: "Tensor", originals: "Tensor") -> list[float]:
        import torch

        from vpcodec.metrics.image import psnr, ssim

        with torch.no_grad():
            if name in self.perceptual:
                return self.perceptual[name](decoded * 2 - 1, originals * 2 - 1).tolist()
            return {"psnr": psnr, "ssim": ssim}[name](decoded, originals).tolist()


def open_meter(kind: str, names: Sequence[str] | None, jobs: int, device: str) -> Meter:
    """The meter for a kind of data. Raises ConfigError for a metric that the kind does not have."""
    return SpeechMeter(names, jobs) if kind == "speech" else ImageMeter(names, device)
