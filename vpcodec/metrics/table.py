"""The metrics of decoded signals in one table: what computes each, of which signal, in what unit and direction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import ConfigError, DependencyError, InputError
from vpcodec.metrics import audio, speech

if TYPE_CHECKING:
    from torch import Tensor

Signal = NDArray[Any]  # speech [N] float32 at 16 kHz, audio [N, C] float32 at 48 kHz, or an image [H, W, 3] uint8
Measure = Callable[[Signal, Signal], Any]  # decoded, original -> a number or None, or features of both [2, D]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        kind: "speech", "audio" or "image": what it measures.
        title: Its name for readers.
        more_is_better: Its direction.
        digits: After the point, where it is shown.
        open: Makes it ready on a device, by torch's name. Raises VpcodecError where it cannot be measured here.
        unit: Of its values; empty for none.
        on_demand: Whether it is measured only where it is asked for.
        combine: For a metric of a whole data set: its value for features [N, D] of decoded signals and of originals.
            None for one that has a value for each item.
    """

    kind: str
    title: str
    more_is_better: bool
    digits: int
    open: Callable[[str], Measure]
    unit: str = ""
    on_demand: bool = False
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
        elif found is not None:
            values[name] = found
    return Scores(values, failures, features)


def of_sound(measure: Measure, packages: Sequence[str], device: str) -> Measure:
    """A function of recordings, if the packages that it needs are installed. Raises DependencyError otherwise."""
    for package in packages:
        if find_spec(package) is None:
            hint = "pip install " + ("'vpcodec[visqol]'" if package in VISQOL else package)
            raise DependencyError(f"needs the package {package}", hint=hint)
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

    from vpcodec.metrics.image import Inception

    network = Inception(device)
    return on_device(lambda decoded, original: torch.cat((network(decoded), network(original))), device)


def frechet(decoded: NDArray[np.float32], original: NDArray[np.float32]) -> float:
    from vpcodec.metrics.image import frechet_distance

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


def sound_metric(
    kind: str, title: str, more_is_better: bool, digits: int, measure: Measure, *packages: str, **more: Any
) -> Metric:
    return Metric(kind, title, more_is_better, digits, partial(of_sound, measure, packages), **more)


def band_metric(low: int, high: int) -> Metric:
    """The log-spectral distance between two frequencies in kHz."""
    measure = partial(audio.log_spectral_distance, low=1000.0 * low, high=1000.0 * high)
    return sound_metric("audio", f"LSD {low}-{high} kHz", False, 2, measure, unit="dB")


VISQOL = ("visqol", "ai_edge_litert")  # what the extra installs: the measure, and what runs its network for speech

METRICS: dict[str, Metric] = {
    "pesq_wb": sound_metric("speech", "PESQ-WB", True, 3, speech.pesq_wb, "pesq"),
    "pesq_nb": sound_metric("speech", "PESQ-NB", True, 3, speech.pesq_nb, "pesq"),
    "stoi": sound_metric("speech", "STOI", True, 4, speech.stoi, "pystoi"),
    "si_sdr": sound_metric("speech", "SI-SDR", True, 2, speech.si_sdr, unit="dB"),
    "mel_distance": sound_metric("speech", "mel distance", False, 3, speech.mel_distance),
    "visqol_audio": sound_metric("audio", "ViSQOL", True, 3, partial(audio.visqol, mode="audio"), *VISQOL[:1]),
    "mel_distance_48": sound_metric("audio", "mel distance", False, 3, audio.mel_distance),
    "lsd_low": band_metric(0, 4),
    "lsd_middle": band_metric(4, 8),
    "lsd_high": band_metric(8, 20),
    "si_sdr_48": sound_metric("audio", "SI-SDR", True, 2, audio.si_sdr, unit="dB"),
    "loudness_error": sound_metric("audio", "level error over time", False, 2, audio.loudness_error, unit="dB"),
    "level_error": sound_metric("audio", "stereo level error", False, 2, audio.level_error, unit="dB"),
    "phase_error": sound_metric("audio", "stereo phase error", False, 1, audio.phase_error, unit="degrees"),
    "visqol_speech": sound_metric(
        "audio", "ViSQOL of speech", True, 3, partial(audio.visqol, mode="speech"), *VISQOL, on_demand=True
    ),
    "pesq_wb_16": sound_metric("audio", "PESQ-WB", True, 3, audio.pesq_wb, "pesq", on_demand=True),
    "psnr": Metric("image", "PSNR", True, 2, partial(of_pixels, "psnr"), "dB"),
    "ssim": Metric("image", "SSIM", True, 4, partial(of_pixels, "ssim")),
    "lpips_vgg": Metric("image", "LPIPS-VGG", False, 4, partial(lpips, "vgg")),
    "lpips_alex": Metric("image", "LPIPS-Alex", False, 4, partial(lpips, "alex")),
    "lpips_squeeze": Metric("image", "LPIPS-Squeeze", False, 4, partial(lpips, "squeeze")),
    "rfid": Metric("image", "rFID", False, 2, inception, on_demand=True, combine=frechet),
}


def metrics_of(kind: str) -> dict[str, Metric]:
    """The metrics of a kind of signal, in the order in which they are shown."""
    return {name: metric for name, metric in METRICS.items() if metric.kind == kind}


def chosen(kind: str, names: Sequence[str] | None) -> Sequence[str]:
    """Names of metrics to measure: those asked for, or all but those on demand.

    Raises:
        ConfigError: One is not a metric of this kind.
    """
    known = metrics_of(kind)
    for name in names or ():
        if name not in known:
            raise ConfigError(f"no metric {name!r} for {kind}", hint=f"choose from {', '.join(known)}")
    return names or [name for name, metric in known.items() if not metric.on_demand]
