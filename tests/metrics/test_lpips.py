"""LPIPS gives the published figures and can be trained through."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import SHARED
from vpcodec.errors import ConfigError, InputError, ModelError
from vpcodec.metrics.lpips import LPIPS
from vpcodec.metrics.table import METRICS

WEIGHTS = SHARED / "weights"

# The reference pair's distances, as the original program gives them (vgg and squeeze: measured with float32 weights).
PUBLISHED = {"alex": (0.722, 0.138), "squeeze": (0.711, 0.148), "vgg": (0.569, 0.422)}


def picture(name: str) -> torch.Tensor:
    pixels = np.asarray(Image.open(WEIGHTS / name).convert("RGB"), np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None]


def distance(net: str) -> LPIPS:
    try:
        return LPIPS(net)
    except ModelError as missing:
        pytest.skip(missing.what)


@pytest.fixture(scope="module")
def squeeze() -> LPIPS:
    return distance("squeeze")


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_the_reference_pair_has_the_published_distances(net):
    measure = distance(net)
    seen = torch.cat((picture("ex_p0.png"), picture("ex_p1.png")))
    far, near = measure(seen, picture("ex_ref.png").expand(2, -1, -1, -1)).tolist()
    assert (round(far, 3), round(near, 3)) == PUBLISHED[net]


def test_the_table_of_metrics_measures_pixels_as_published(squeeze):
    seen, wanted = (np.asarray(Image.open(WEIGHTS / name).convert("RGB")) for name in ("ex_p0.png", "ex_ref.png"))
    measure = METRICS["lpips_squeeze"].open("cpu")
    assert round(measure(seen, wanted), 3) == PUBLISHED["squeeze"][0]


def test_equal_pictures_have_no_distance(squeeze):
    assert squeeze(picture("ex_ref.png"), picture("ex_ref.png")).tolist() == [0.0]


def test_the_gradient_reaches_the_picture_and_nothing_else(squeeze):
    seen, wanted = picture("ex_p0.png").requires_grad_(), picture("ex_ref.png").requires_grad_()
    squeeze(seen, wanted).sum().backward()
    assert seen.grad.isfinite().all()
    assert seen.grad.abs().sum() > 0
    assert wanted.grad is None
    assert not any(parameter.requires_grad for parameter in squeeze.parameters())


def test_a_black_picture_has_a_finite_gradient(squeeze):
    black = torch.full((1, 3, 32, 32), -1.0, requires_grad=True)
    squeeze(black, torch.zeros(1, 3, 32, 32)).sum().backward()
    assert black.grad.isfinite().all()


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_the_smallest_side_named_is_the_smallest_that_works(net):
    measure = distance(net)
    side = measure.smallest
    assert measure(torch.zeros(1, 3, side, side), torch.ones(1, 3, side, side)).isfinite().all()
    too_small = torch.zeros(1, 3, side, side - 1)
    with pytest.raises(InputError, match=f"at least {side} pixels"):
        measure(too_small, too_small)


def test_pictures_of_different_sizes_are_refused(squeeze):
    with pytest.raises(InputError, match="same size"):
        squeeze(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 65))


def test_missing_weights_are_named_with_the_place_that_was_searched(tmp_path, monkeypatch):
    monkeypatch.setenv("VPCODEC_LPIPS", str(tmp_path))
    with pytest.raises(ModelError) as failure:
        LPIPS("alex")
    assert str(tmp_path) in failure.value.what
    assert "alexnet_features_fp16.safetensors" in failure.value.what
    assert "VPCODEC_LPIPS" in failure.value.hint


def test_a_damaged_weight_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VPCODEC_LPIPS", str(tmp_path))
    for name in ("alexnet_features_fp16.safetensors", "lpips_lin_v0.1.safetensors"):
        (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(ModelError, match=r"alexnet.*cannot be read"):
        LPIPS("alex")


def test_the_environment_names_the_folder_of_weights(tmp_path, monkeypatch):
    for name in ("squeezenet1_1_features_fp16.safetensors", "lpips_lin_v0.1.safetensors"):
        if not (WEIGHTS / name).is_file():
            pytest.skip(f"no {name}: set VPCODEC_SHARED")
        shutil.copy(WEIGHTS / name, tmp_path)
    monkeypatch.setenv("VPCODEC_LPIPS", str(tmp_path))
    assert LPIPS("squeeze").net == "squeeze"
    (tmp_path / "lpips_lin_v0.1.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be read"):
        LPIPS("squeeze")


def test_without_a_folder_named_only_the_cache_of_torch_is_searched(tmp_path, monkeypatch):
    monkeypatch.delenv("VPCODEC_LPIPS", raising=False)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    cached = tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    with pytest.raises(ModelError) as failure:
        LPIPS("squeeze")
    assert failure.value.what == f"no weights for LPIPS-squeeze: looked for {cached} with the package lpips"
    assert "lpips_lin_v0.1.safetensors" in failure.value.hint


def test_a_network_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="resnet"):
        LPIPS("resnet")
