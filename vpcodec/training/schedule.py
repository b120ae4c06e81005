"""How far a run has come, and what the learning rate is there."""

from vpcodec.config import Training


def rate_factor(progress: float, options: Training) -> float:
    """Share of the peak learning rate: a rise, a plateau, and a linear fall to zero.

    A plateau instead of a cosine, so that a run that turns out to deserve more time can go on from the
    checkpoint that is kept where the fall begins.

    Args:
        progress: Share of the run that is done, 0 to 1.
        options: `warmup` and `decay` are shares of the run.
    """
    rise = progress / options.warmup if options.warmup else 1.0
    fall = (1 - progress) / options.decay if options.decay else 1.0
    return max(0.0, min(1.0, rise, fall))


def falls(progress: float, options: Training) -> bool:
    """Whether the final fall has begun."""
    return progress >= 1 - options.decay
