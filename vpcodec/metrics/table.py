"""The metrics of decoded signals in one table: what computes each, of which signal, in what unit and direction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import ConfigError, DependencyError, InputError
from vpcodec.metrics import speech

if TYPE_CHECKING:
    from torch import Tensor

Signal = NDArray[Any]  # speech [N] float32 at 16 kHz, or an image [H, W, 3] uint8
Measure = Callable[[Signal, Signal], Any]  # decoded, original -> a number, or features of both [2, D]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        kind: "speech" or "image": what it measures.
        title: Its name for readers.
        more_is_better: Its direction.
        digits: After the point, where it is shown.
        open: Makes it ready on a device, by torch's name. Raises VpcodecError where it cannot be measured here.
        unit: Of its values; empty for none.
        combine: For a metric of a whole data set: its value for features [N, D] of decoded signals and of originals.
            None for one that has a value for each item.
    """

    kind: str
    title: str
    more_is_better: bool
    digits: int
    open: Callable[[str], Measure]
    unit: str = ""
    combine: Callable[[NDArray[np.float32], NDArray[np.float32]], float] | None = None

    @property
    def label(self) -> str:
        """Title and unit: "PSNR (dB)"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def shown(self, value: float) -> str:
        return f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Scores:
    """What was measured on one pair of signals, and what could not be.

    Attributes:
        values: Name of a metric and its value.
        failures: Name of a metric and why it has no value.
        features: [2, D] of the decoded signal and of the original, for metrics of a whole set; usually none.
    """

    values: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    features: NDArray[np.float32] | None = None


def score(decoded: Signal, original: Signal, measures: Mapping[str, Measure]) -> Scores:
    """The values of opened metrics for one pair of signals of the same shape."""
    values, failures, features = {}, {}, None
    for name, measure in measures.items():
        try:
            found = measure(decoded, original)
        except InputError as error:
            failures[name] = error.what
            continue
        if METRICS[name].combine:
            features = found
        else:
            values[name] = found
    return Scores(values, failures, features)


def of_speech(measure: Measure, package: str, device: str) -> Measure:
    """A function of `metrics.speech`, if the package that it needs is installed. Raises DependencyError otherwise."""
    if package and find_spec(package) is None:
        raise DependencyError(f"{measure.__name__} needs the package {package}", hint=f"pip install {package}")
    return measure


def of_pixels(name: str, device: str) -> Measure:
    """A function of `metrics.image`, on a device."""
    from vpcodec.metrics import image

    return on_device(getattr(image, name), device)


def lpips(net: str, device: str) -> Measure:
    """LPIPS with one of its networks. Raises ModelError where its weights are not here."""
    from vpcodec.metrics.lpips import LPIPS

    network = LPIPS(net).to(device)
    return on_device(lambda decoded, original: network(decoded * 2 - 1, original * 2 - 1), device)


def inception(device: str) -> Measure:
    """Features of the network of rFID. Raises ModelError where it is not here."""
    import torch

    from vpcodec.metrics.fid import Inception

    network = Inception(device)
    return on_device(lambda decoded, original: torch.cat((network(decoded), network(original))), device)


def frechet(decoded: NDArray[np.float32], original: NDArray[np.float32]) -> float:
    from vpcodec.metrics.fid import frechet_distance

    return frechet_distance(decoded, original)


def on_device(measure: "Callable[[Tensor, Tensor], Tensor]", device: str) -> Measure:
    """A measure of tensors [1, 3, H, W] in [0, 1] as one of pixels [H, W, 3] uint8."""
    import torch

    def planes(pixels: Signal) -> "Tensor":
        return torch.tensor(pixels, device=device).permute(2, 0, 1)[None].float() / 255

    @torch.no_grad()
    def measured(decoded: Signal, original: Signal) -> Any:
        found = measure(planes(decoded), planes(original)).cpu()
        return found.item() if found.numel() == 1 else found.numpy()

    return measured


def speech_metric(title: str, more_is_better: bool, digits: int, measure: Measure, package: str = "") -> Metric:
    return Metric("speech", title, more_is_better, digits, partial(of_speech, measure, package))


METRICS: dict[str, Metric] = {
    "pesq_wb": speech_metric("PESQ-WB", True, 3, speech.pesq_wb, "pesq"),
    "pesq_nb": speech_metric("PESQ-NB", True, 3, speech.pesq_nb, "pesq"),
    "stoi": speech_metric("STOI", True, 4, speech.stoi, "pystoi"),
    "si_sdr": Metric("speech", "SI-SDR", True, 2, partial(of_speech, speech.si_sdr, ""), "dB"),
    "mel_distance": speech_metric("mel distance", False, 3, speech.mel_distance),
    "psnr": Metric("image", "PSNR", True, 2, partial(of_pixels, "psnr"), "dB"),
    "ssim": Metric("image", "SSIM", True, 4, partial(of_pixels, "ssim")),
    "lpips_vgg": Metric("image", "LPIPS-VGG", False, 4, partial(lpips, "vgg")),
    "lpips_alex": Metric("image", "LPIPS-Alex", False, 4, partial(lpips, "alex")),
    "lpips_squeeze": Metric("image", "LPIPS-Squeeze", False, 4, partial(lpips, "squeeze")),
    "rfid": Metric("image", "rFID", False, 2, inception, combine=frechet),
}


def metrics_of(kind: str) -> dict[str, Metric]:
    """The metrics of speech or of images, in the order in which they are shown."""
    return {name: metric for name, metric in METRICS.items() if metric.kind == kind}


def chosen(kind: str, names: Sequence[str] | None) -> Sequence[str]:
    """Names of metrics to measure: those asked for, or all that have a value for each item.

    Raises:
        ConfigError: One is not a metric of this kind.
    """
    known = metrics_of(kind)
    for name in names or ():
        if name not in known:
            raise ConfigError(f"no metric {name!r} for {kind}", hint=f"choose from {', '.join(known)}")
    return names or [name for name, metric in known.items() if not metric.combine]
