"""What training reduces: distances between a signal and its reconstruction, by name.

Each loss module returns its terms unweighted, for the log, together with their weighted sum.
"""

from vpcodec.losses.image import ImageCriterion
from vpcodec.losses.sound import SoundCriterion

__all__ = ["ImageCriterion", "SoundCriterion"]
