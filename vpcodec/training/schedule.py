"""How far a run has come, and what the learning rate is there."""

from vpcodec.config import Training


def rate_factor(progress: float, options: Training) -> float:
    """Share of the peak learning rate: a rise, a plateau, and a linear fall to zero.

    A plateau instead of a cosine: until the fall begins, nothing depends on how long the run will be.

    Args:
        progress: Share of the run that is done, 0 to 1.
        options: `warmup` and `decay` are shares of the run.
    """
    rise = progress / options.warmup if options.warmup else 1.0
    fall = (1 - progress) / options.decay if options.decay else 1.0
    return max(0.0, min(1.0, rise, fall))
