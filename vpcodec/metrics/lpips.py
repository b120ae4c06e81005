"""LPIPS: how different two pictures look, as the distance between their features in a trained network.

The features of a convolutional network after several of its layers are scaled to unit length at every
position; their squared differences are weighted channel by channel with learned weights (v0.1), averaged
over positions and summed over layers. 0 is equal; the published reference pair gives 0.722 and 0.138 (alex).

Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, arXiv
1801.03924.   B batch, H and W pixels, C channels of a layer
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcodec.errors import ConfigError, InputError, ModelError

# Mean and spread of the channels that the networks were trained on, for pictures in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

LINEAR = "lpips_lin_v0.1.safetensors"  # in a folder of weights: those of the comparison, for every network

Weights = dict[str, Tensor]


class Fire(nn.Module):
    """SqueezeNet's block: a narrow layer, then a 1x1 and a 3x3 layer side by side."""

    def __init__(self, channels: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, narrow, 1)
        self.expand1x1 = nn.Conv2d(narrow, wide, 1)
        self.expand3x3 = nn.Conv2d(narrow, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat((self.expand1x1(x), self.expand3x3(x)), dim=1))


def alex() -> Iterator[nn.Module]:
    yield from (nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2))
    yield from (nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2))
    for channels, wide in ((192, 384), (384, 256), (256, 256)):
        yield from (nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU())


def squeeze() -> Iterator[nn.Module]:
    yield from (nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True))
    yield from (Fire(64, 16, 64), Fire(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True))
    yield from (Fire(128, 32, 128), Fire(256, 32, 128), nn.MaxPool2d(3, 2, ceil_mode=True))
    yield from (Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256))


def vgg() -> Iterator[nn.Module]:
    channels = 3
    for wide, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        if channels != 3:
            yield nn.MaxPool2d(2)
        for _ in range(depth):
            yield from (nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU())
            channels = wide


class Backbone(NamedTuple):
    """One of the three networks: its layers, those whose output counts, and where its weights are kept."""

    layers: Callable[[], Iterator[nn.Module]]
    taps: tuple[int, ...]  # layers whose output is compared
    smallest: int  # shortest side in pixels that still reaches the last layer
    file: str  # in a folder of weights
    cached: str  # torchvision's name for it in torch's hub cache


BACKBONES = {
    "alex": Backbone(alex, (1, 4, 7, 9, 11), 31, "alexnet_features_fp16.safetensors", "alexnet-owt-7be5be79.pth"),
    "squeeze": Backbone(
        squeeze, (1, 4, 7, 9, 10, 11, 12), 17, "squeezenet1_1_features_fp16.safetensors", "squeezenet1_1-b8a52dc0.pth"
    ),
    "vgg": Backbone(vgg, (3, 8, 15, 22, 29), 16, "vgg16_features_fp16.safetensors", "vgg16-397923af.pth"),
}


class LPIPS(nn.Module):
    """The perceptual distance, differentiable in its first argument.

    Args:
        net: `alex` (the usual metric), `vgg` (the paper's metric and training loss) or `squeeze` (quickest).

    Raises:
        ModelError: The weights are not there or do not fit.
        ConfigError: `net` is not one of the three.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, net: str = "alex") -> None:
        super().__init__()
        if net not in BACKBONES:
            raise ConfigError(f"unknown LPIPS network {net!r}", hint=f"use {', '.join(BACKBONES)}")
        self.net = net
        self.taps, self.smallest = BACKBONES[net].taps, BACKBONES[net].smallest
        self.layers = nn.Sequential(*BACKBONES[net].layers())
        features, linear = find_weights(net)
        try:
            self.layers.load_state_dict(features)
        except RuntimeError as error:
            raise ModelError(f"LPIPS-{net}: the weights found are not those of this network") from error
        for layer in range(len(self.taps)):
            self.register_buffer(f"weight{layer}", linear[f"lin{layer}.model.1.weight"])
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))
        for module in self.layers:
            if isinstance(module, nn.ReLU):
                module.inplace = True  # only ever follows a convolution, whose output nobody else reads
        self.requires_grad_(False).eval()
        self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch leaves it out

    def features(self, pictures: Tensor) -> Iterator[Tensor]:
        """[B, 3, H, W] in [-1, 1] -> one [B, C, H', W'] for each layer that counts, of unit length along C."""
        x = ((pictures - self.shift) / self.scale).contiguous(memory_format=torch.channels_last)
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taps:
                yield F.normalize(x, dim=1, eps=1e-10)

    def forward(self, pictures: Tensor, references: Tensor) -> Tensor:
        """The distance of each picture from its reference.

        Args:
            pictures: [B, 3, H, W] float RGB in [-1, 1]; the gradient flows into these.
            references: The same shape; no gradient flows into these.

        Returns:
            [B] float32, 0 for equal pictures.

        Raises:
            InputError: The shapes differ, or a side is too short for the network.
        """
        if pictures.shape != references.shape or pictures.ndim != 4 or pictures.shape[1] != 3:
            shapes = f"{list(pictures.shape)} and {list(references.shape)}"
            raise InputError(f"LPIPS compares two batches of RGB pictures of the same size, got {shapes}")
        if min(pictures.shape[2:]) < self.smallest:
            size = f"{pictures.shape[3]}x{pictures.shape[2]}"
            raise InputError(f"LPIPS-{self.net} needs at least {self.smallest} pixels on each side, got {size}")
        with torch.autocast(pictures.device.type, enabled=False):
            with torch.no_grad():
                wanted = list(self.features(references.float()))
            total = pictures.new_zeros(len(pictures), dtype=torch.float32)
            for layer, (seen, target) in enumerate(zip(self.features(pictures.float()), wanted, strict=True)):
                weight = self.get_buffer(f"weight{layer}")
                total = total + F.conv2d((seen - target).square(), weight).mean((1, 2, 3))
        return total


def find_weights(net: str) -> tuple[Weights, Weights]:
    """Weights of the network's layers (keys `0.weight` ...) and of the comparison (`lin0.model.1.weight` ...).

    They are in the folder $VPCODEC_LPIPS, or torchvision's file is in torch's hub cache and the linear weights in the
    installed package `lpips`. 16-bit files are computed with in 32 bits.

    Raises:
        ModelError: Nothing was found; names what was looked for.
    """
    chosen, looked, named = BACKBONES[net], [], os.environ.get("VPCODEC_LPIPS")
    if named:
        features, linear = Path(named, chosen.file), Path(named, LINEAR)
        if features.is_file() and linear.is_file():
            return prefixed(read(features), "features."), prefixed(read(linear), f"{net}.")
        looked.append(f"{chosen.file} and {LINEAR} in {named}")
    cached = Path(torch.hub.get_dir()) / "checkpoints" / chosen.cached
    package = importlib.util.find_spec("lpips")
    if package is not None and package.origin is not None:
        linear = Path(package.origin).parent / "weights" / "v0.1" / f"{net}.pth"
        if cached.is_file() and linear.is_file():
            return prefixed(read(cached), "features."), read(linear)
    looked.append(f"{cached} with the package lpips")
    hint = f"set VPCODEC_LPIPS to a folder that holds {chosen.file} and {LINEAR}, or leave LPIPS out"
    raise ModelError(f"no weights for LPIPS-{net}: looked for {'; '.join(looked)}", hint=hint)


def read(path: Path) -> Weights:
    """A safetensors or torch file as float32 tensors. Raises ModelError for one that cannot be read."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise many kinds for a damaged file
        raise ModelError(f"{path}: cannot be read as weights", hint="the file is damaged; download it again") from error
    return {key: tensor.float() for key, tensor in tensors.items()}


def prefixed(weights: Weights, prefix: str) -> Weights:
    """Those whose names begin with a prefix, without it."""
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
