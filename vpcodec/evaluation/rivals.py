"""The codecs that people use today, named as on the command line.

    opus:6        Opus at 6 kbit/s           codec2:3200   Codec 2 in its mode of that many bit/s
    speex:4       Speex at 4 kbit/s or less  amrwb:6.6     AMR-WB in its mode of that many kbit/s
    webp:q20      WebP of quality 20         avif:0.15     AVIF of at most 0.15 bits per pixel
    opus, avif    without a setting: matched, item by item, to the size of the first candidate's file

Images: jpeg, webp, avif, jxl.
"""

from vpcodec.errors import ConfigError
from vpcodec.evaluation.candidates import Candidate
from vpcodec.evaluation.pictures import FORMATS, PictureRival
from vpcodec.evaluation.programs import PROGRAMS, ProgramRival


def parse_rival(spec: str, kind: str) -> Candidate:
    """The codec that a specification names.

    Args:
        spec: As above.
        kind: "speech" or "image", of the data set.

    Raises:
        ConfigError: No such codec or setting, or it is for the other kind.
        DependencyError: Its program or package is not installed.
    """
    name, _, setting = spec.partition(":")
    if name not in PROGRAMS and name not in FORMATS:
        raise ConfigError(f"unknown codec {name!r}", hint=f"choose from {', '.join([*PROGRAMS, *FORMATS])}")
    if (name in PROGRAMS) != (kind == "speech"):
        fitting = ", ".join(PROGRAMS if kind == "speech" else FORMATS)
        raise ConfigError(f"{name} does not code {kind}", hint=f"choose from {fitting}")
    if name in PROGRAMS:
        return ProgramRival(name, positive(spec, setting) if setting else None)
    if setting.startswith("q"):
        quality = positive(spec, setting[1:], zero=True)
        if quality > 100 or not quality.is_integer():
            raise ConfigError(f"{spec}: quality is a whole number from 0 to 100")
        return PictureRival(name, quality=int(quality))
    return PictureRival(name, bits_per_pixel=positive(spec, setting) if setting else None)


def positive(spec: str, setting: str, zero: bool = False) -> float:
    try:
        number = float(setting)
    except ValueError:
        number = -1.0
    if not (0 < number < float("inf") or (zero and number == 0)):
        hint = "a rate, as in opus:6 or avif:0.15; or a quality, as in webp:q20"
        raise ConfigError(f"{spec}: {setting!r} is not a setting", hint=hint)
    return number
