"""A step reads figures from its device once; every further look would make a GPU wait for the processor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.conftest import MEDIA
from vpcodec.quantizers import QUANTIZERS
from vpcodec.quantizers.base import HostState
from vpcodec.recipe import override
from vpcodec.training.loop import Run, Trainer
from vpcodec.training.recipes import find_recipe


class Looks(TorchDispatchMode):
    """Counts `.item()`, `int(tensor)` and the like, apart from tensors that never leave the processor."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.count = 0
        hosts = [module for module in model.modules() if isinstance(module, HostState)]
        self.host = {storage(getattr(module, name)) for module in hosts for name in module.on_host}

    def look(self, tensor: torch.Tensor) -> None:
        self.count += storage(tensor) not in self.host

    def __torch_dispatch__(self, operation: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        if operation is torch.ops.aten._local_scalar_dense.default:
            self.look(given[0])
        return operation(*given, **(named or {}))


def storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@pytest.mark.parametrize("method", QUANTIZERS)
def test_a_step_looks_at_its_device_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    recipe = override(find_recipe(f"image-{method}-tiny"), ["data.batch=2", "data.crop=24"])
    trainer = Trainer(recipe, Run(data=MEDIA, out=tmp_path, device="cpu"))
    crops = torch.from_numpy(trainer.crops.batch(0))
    for _ in range(4):  # codebooks have started by then
        trainer.advance(crops, 0.1)
        trainer.step += 1
    looks = Looks(trainer.model)
    tolist: Callable[[torch.Tensor], Any] = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: (looks.look(tensor), tolist(tensor))[1])
    for optimizer in trainer.optimizers:  # their counts of steps are kept by the processor
        monkeypatch.setattr(optimizer, "step", lambda: None)
    with looks:
        trainer.advance(crops, 0.1)
    assert looks.count == 1 + 1  # the second one is the draw of the rate, which the processor makes
