"""Two processes that train together hold the same codebook, as if one had seen all the data."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from vpcodec.errors import DataError
from vpcodec.quantizers import build_quantizer
from vpcodec.quantizers.ranks import gathered, rank, summed

METHODS = {
    "vq": {"rates": [16], "channels": 2},
    "ema": {"rates": [16], "channels": 2, "decay": 0.5},
    "ema-restart": {"rates": [64], "channels": 2, "restart": True},
    "nsvq": {"rates": [16], "channels": 2},
}
FINISHED = {
    "vp": {"rates": [16], "channels": 2},
    "tokenbridge": {"rates": [16]},
    **{name: METHODS[name] for name in ("vq", "ema")},
}
ROWS = (130, 170)  # of a step, on each rank
LAST_ROWS = (290, 10)  # to finish with; those of the second rank are too few for the codes


def build(name):
    torch.manual_seed(0)
    quantizer = build_quantizer(name.split("-")[0], **(METHODS | FINISHED)[name])
    quantizer.start_tokens = 600
    return quantizer


def share_of(step: int, number: int) -> torch.Tensor:
    both = torch.randn(1, sum(ROWS), 2, generator=torch.Generator().manual_seed(step))
    return both.split(ROWS, 1)[number]


def last_batches(quantizer, number: int) -> list[torch.Tensor]:
    """What a rank brings to finish with: three batches, or a short one."""
    both = torch.randn(sum(LAST_ROWS), quantizer.input_channels, generator=torch.Generator().manual_seed(7))
    return list(both.split(LAST_ROWS)[number].split(100))


def work(number: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    result: dict[str, object] = {"rank": rank()}
    for name in METHODS:
        quantizer = build(name).train()
        for step in range(5):
            quantizer(share_of(step, number).requires_grad_(), 0.0)
        result[name] = quantizer.state_dict()
    for name in FINISHED:
        quantizer = build(name)
        quantizer.finish(iter(last_batches(quantizer, number)))
        result[f"finished {name}"] = quantizer.state_dict()
    try:
        build("vq").finish(iter([torch.zeros(5 * number, 2)]))
    except DataError as error:
        result["too few"] = error.what
    result["gathered"] = gathered(torch.full((number + 1, 2), float(number)))
    result["summed"] = summed(torch.tensor([number + 1]))
    torch.manual_seed(0)
    noisy = build_quantizer("fsp", rates=[256], quantize_share=0.0).train()
    result["noise"] = noisy(torch.zeros(1, 5, 3)).latents
    if number == 0:  # the other rank does not take part in evaluation
        result["alone"] = quantizer.eval()(share_of(9, 0)).tokens
    torch.save(result, folder / f"{number}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("this torch has no gloo")
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (folder,), nprocs=2)
    return [torch.load(folder / f"{number}.pt") for number in (0, 1)]


@pytest.mark.parametrize("name", METHODS)
def test_both_ranks_end_with_the_same_state(ranks, name):
    one, other = ranks[0][name], ranks[1][name]
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", METHODS)
def test_two_ranks_learn_what_one_process_learns_from_all_the_data(ranks, name):
    quantizer = build(name).train()
    for step in range(5):
        quantizer(torch.cat([share_of(step, 0), share_of(step, 1)], 1).requires_grad_(), 0.0)
    for key, value in quantizer.state_dict().items():
        assert torch.allclose(ranks[0][name][key], value, atol=1e-5, equal_nan=True), key


@pytest.mark.parametrize("name", FINISHED)
def test_ranks_that_bring_latents_of_their_own_finish_as_one_process_with_all_of_them(ranks, name):
    quantizer = build(name)
    quantizer.finish(iter(last_batches(quantizer, 0) + last_batches(quantizer, 1)))
    one, other = (found[f"finished {name}"] for found in ranks)
    for key, value in quantizer.state_dict().items():
        assert torch.equal(one[key], other[key]), key
        assert torch.allclose(one[key], value, atol=1e-5, equal_nan=True), key


def test_too_few_latents_on_all_ranks_together_are_an_error_on_each(ranks):
    assert [found["too few"] for found in ranks] == ["5 latents cannot start a codebook of 16 codes"] * 2


def test_values_are_gathered_in_order_and_summed(ranks):
    for found in ranks:
        assert found["gathered"].tolist() == [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
        assert found["summed"].tolist() == [3]
    assert [found["rank"] for found in ranks] == [0, 1]


def test_ranks_draw_noise_of_their_own(ranks):
    assert not torch.equal(ranks[0]["noise"], ranks[1]["noise"])


def test_one_rank_may_evaluate_alone(ranks):
    assert ranks[0]["alone"].shape == (1, ROWS[0])
