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
        effort: Which pictures are encoded with; see `open_engine`.
    """

    def __init__(self, model: ModelFolder, device: str = "auto", effort: int = 0) -> None:
        chosen = choose_device(device)
        self.model = model
        self.name = f"torch on {chosen}" + (f", effort {effort}" if effort else "")
        self.device = torch.device(chosen)
        self.autoencoder = model.autoencoder().to(self.device)
        self.autoencoder.quantizer.freeze()
        self.effort = effort

    def encode(self, signals: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        given = torch.from_numpy(signals).to(self.device)
        if self.effort:
            from vpcodec.codec.effort import improved

            one_by_one = [improved(self.autoencoder, pixels[None], rate, self.effort) for pixels in given]
            return torch.cat(one_by_one).cpu().numpy()
        with torch.inference_mode():
            return self.autoencoder.encode(given, rate).cpu().numpy()

    @torch.inference_mode()
    def decode(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        ids = checked_tokens(tokens, self.model.vocabulary(rate))
        return self.autoencoder.decode(torch.from_numpy(ids).to(self.device), rate).cpu().numpy()

    def __reduce__(self) -> Any:
        """Pickled as what makes it anew."""
        return TorchEngine, (self.model, str(self.device), self.effort)

    def prepare(self, rate: int, *, decode: bool) -> None:
        """All is loaded."""

    def workers(self) -> tuple["TorchEngine", int]:
        return self, 1
