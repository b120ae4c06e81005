"""The reference engine: the trained module itself, on a CPU or a GPU."""

import numpy as np
import torch
from numpy.typing import NDArray

from vpcodec.errors import ConfigError
from vpcodec.registry import ModelFolder


class TorchEngine:
    """Computes windows with torch.

    Args:
        model: Whose weights.
        device: "cpu", "cuda" or "auto".
    """

    def __init__(self, model: ModelFolder, device: str = "auto") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        elif device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError(f"--device {device}: no such device here", hint="use --device cpu")
        self.name = f"torch on {device}"
        self.device = torch.device(device)
        self.autoencoder = model.autoencoder().to(self.device)

    @torch.inference_mode()
    def encode(self, signal: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        tokens = self.autoencoder.encode(torch.from_numpy(signal[None]).to(self.device), rate)
        return tokens[0].cpu().numpy()

    @torch.inference_mode()
    def decode(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        signal = self.autoencoder.decode(torch.from_numpy(tokens[None]).to(self.device), rate)
        return signal[0].cpu().numpy()
