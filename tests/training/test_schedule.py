"""The learning rate over a run."""

from vpcodec.config import Training
from vpcodec.training.schedule import rate_factor

OPTIONS = Training(warmup=0.1, decay=0.4)


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    assert rate_factor(0.0, OPTIONS) == 0.0
    assert rate_factor(0.05, OPTIONS) == 0.5
    assert rate_factor(0.1, OPTIONS) == rate_factor(0.6, OPTIONS) == 1.0
    assert abs(rate_factor(0.8, OPTIONS) - 0.5) < 1e-9
    assert rate_factor(1.0, OPTIONS) == 0.0


def test_no_warm_up_and_no_decay_leave_the_rate_at_its_peak() -> None:
    flat = Training(warmup=0.0, decay=0.0)
    assert rate_factor(0.0, flat) == rate_factor(1.0, flat) == 1.0
