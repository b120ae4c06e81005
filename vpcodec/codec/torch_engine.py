"""The reference engine: the trained module itself, on a CPU or a GPU."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpcodec.codec.engines import checked_tokens
from vpcodec.devices import choose_device
from vpcodec.registry import ModelFolder


class TorchEngine:
    """Computes windows with torch.

    Args:
        model: Whose weights.
        device: "cpu", "cuda" or "auto".
    """

    def __init__(self, model: ModelFolder, device: str = "auto") -> None:
        chosen = choose_device(device)
        self.model = model
        self.name = f"torch on {chosen}"
        self.device = torch.device(chosen)
        self.autoencoder = model.autoencoder().to(self.device)
        self.autoencoder.quantizer.freeze()

    def encode(self, signal: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        return self.encode_batch(signal[None], rate)[0]

    def decode(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        return self.decode_batch(checked_tokens(tokens, self.model.vocabulary(rate))[None], rate)[0]

    @torch.inference_mode()
    def encode_batch(self, signals: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        return self.autoencoder.encode(torch.from_numpy(signals).to(self.device), rate).cpu().numpy()

    @torch.inference_mode()
    def decode_batch(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        ids = checked_tokens(tokens, self.model.vocabulary(rate))
        return self.autoencoder.decode(torch.from_numpy(ids).to(self.device), rate).cpu().numpy()

    def __reduce__(self) -> Any:
        """Pickled as what makes it anew."""
        return TorchEngine, (self.model, str(self.device))

    def workers(self) -> tuple["TorchEngine", int]:
        return self, 1
