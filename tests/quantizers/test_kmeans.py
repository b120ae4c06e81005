"""K-means finds good codes, leaves none unused, and always the same ones."""

import numpy as np
import pytest

from vpcodec.errors import DataError
from vpcodec.quantizers.kmeans import assign, fit_centroids, seed_centroids


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((3000, 4))


def plain_lloyd(rows, centroids, iterations):
    """The textbook, with every distance; returns the mean squared error."""
    for _ in range(iterations):
        labels = ((rows[:, None] - centroids) ** 2).sum(-1).argmin(1)
        means = [
            rows[labels == code].mean(0) if (labels == code).any() else centroids[code]
            for code in range(len(centroids))
        ]
        centroids = np.array(means)
    return ((rows[:, None] - centroids) ** 2).sum(-1).min(1).mean()


def test_known_points_get_the_known_centroids(golden):
    case = golden["kmeans1d"]
    found = fit_centroids(np.array(case["points"])[:, None], 3, start=np.array(case["init"])[:, None])
    np.testing.assert_allclose(found.centroids[:, 0], case["centroids"], rtol=1e-12)
    assert found.error == pytest.approx(case["mse"], rel=1e-9)


def test_a_code_that_loses_its_rows_moves_to_where_it_is_needed(golden):
    case = golden["kmeans1d_empty_kept"]
    found = fit_centroids(np.array(case["points"])[:, None], 3, start=np.array(case["init"])[:, None])
    assert found.error < case["mse"]
    assert len(np.unique(assign(np.array(case["points"])[:, None], found.centroids)[0])) == 3


def test_no_code_is_left_without_rows(rows):
    far_away = np.full((64, 4), 50.0) + np.arange(64)[:, None]
    found = fit_centroids(rows, 64, start=far_away)
    assert (np.bincount(assign(rows, found.centroids)[0], minlength=64) > 0).all()


def test_the_codes_are_as_good_as_those_of_the_textbook(rows):
    drawn = rows[np.random.default_rng(1).choice(len(rows), 32, replace=False)]
    assert fit_centroids(rows, 32).error < 1.01 * plain_lloyd(rows, drawn, 15)


def test_the_seeding_is_better_than_a_plain_draw():
    clumped = np.concatenate(
        [np.random.default_rng(2).normal(0, 0.01, (4000, 2)), np.random.default_rng(3).random((96, 2))]
    )
    drawn = clumped[np.random.default_rng(4).choice(len(clumped), 64, replace=False)]
    seeded = seed_centroids(clumped, 64, 0)
    assert (assign(clumped, seeded)[1] ** 2).mean() < 0.5 * (assign(clumped, drawn)[1] ** 2).mean()
    assert len(np.unique(seeded, axis=0)) == 64


def test_the_seed_decides_the_codes(rows):
    first, again, other = (fit_centroids(rows, 100, seed=seed).centroids for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_float_type_of_the_rows_does_not_matter(rows):
    single = rows.astype(np.float32)
    assert np.array_equal(fit_centroids(single, 50).centroids, fit_centroids(single.astype(np.float64), 50).centroids)


def test_the_error_told_is_the_error_made(rows):
    found = fit_centroids(rows, 40)
    every = ((rows[:, None] - found.centroids) ** 2).sum(-1)
    assert found.error == pytest.approx(every.min(1).mean(), rel=1e-9)


def test_as_many_codes_as_rows_make_no_error(rows):
    assert fit_centroids(rows[:50], 50).error == 0


def test_fewer_different_rows_than_codes_are_no_trouble():
    silence = np.repeat([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]], 40, axis=0)
    found = fit_centroids(silence, 8)
    assert found.error == 0
    assert np.isfinite(found.centroids).all()


@pytest.mark.parametrize(
    ("broken", "message"), [(lambda rows: rows[:7], "too few"), (lambda rows: rows * np.nan, "not all finite")]
)
def test_rows_that_give_no_codes_are_refused(rows, broken, message):
    with pytest.raises(DataError, match=message):
        fit_centroids(broken(rows), 8)
