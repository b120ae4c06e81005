"""The codebooks that VP-VAE is given after training."""

import torch

from vpcodec.quantizers.kmeans import fit_centroids
from vpcodec.quantizers.vp import VP


def test_codes_are_fitted_as_well_as_by_k_means_on_all_latents() -> None:
    codes = 64
    rows = torch.randn(60_000, 3, generator=torch.Generator().manual_seed(0))
    quantizer = VP((codes,), 3)
    quantizer.finish([rows])
    quantizer.eval()
    error = (quantizer.decode(quantizer.encode(rows)) - rows).square().sum(-1).mean()
    least = fit_centroids(rows.numpy(), codes).error
    assert float(error) < 1.02 * least
