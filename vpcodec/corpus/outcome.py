"""What is asked for every item of a plan, and what is reported of each."""

from dataclasses import dataclass, field
from typing import Literal

from vpcodec.codec.recordings import WHOLE, Span
from vpcodec.data.audio import RawFormat
from vpcodec.data.kinds import MOST_PIXELS
from vpcodec.data.output import shown_output
from vpcodec.data.streams import shown
from vpcodec.errors import ConfigError, VpcodecError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is done with every item of a plan.

    Attributes:
        task: Which of the two.
        model: Name or path; None for the default of each kind.
        codebook: None for the model's largest.
        form: Format of what is decoded; None to go by the output's name.
        raw: What samples without a header are; None for files with one.
        span: Stretch of a recording.
        most_pixels: That a photo may have.
        force: Replace what is there.
        skip_existing: Leave alone what is there. Files from directories are skipped if complete, in any case.
        remove: Delete inputs whose output was read back, unless a part of them was left out.
        salvage: Encode what is there of damaged recordings.
        resync: Decode what is left of damaged token files.
    """

    task: Literal["encode", "decode"]
    model: str | None = None
    codebook: int | str | None = None
    form: str | None = None
    raw: RawFormat | None = None
    span: Span = WHOLE
    most_pixels: int = MOST_PIXELS
    engine: str = "auto"
    device: str = "auto"
    force: bool = False
    skip_existing: bool = False
    remove: bool = False
    salvage: bool = False
    resync: bool = False


@dataclass
class Outcome:
    """What became of one item.

    Attributes:
        status: "done", "skipped" or "failed".
        kind: "speech" or "image", once known.
        amount: Seconds or pixels that went through.
        bytes: Of the token file or the medium written; 0 if it went into a pipe.
        seconds: Time for all of it; `load_seconds` and `network_seconds` are parts of that.
        notes: What the user should know.
        error: Why it failed, `hint` what to do, `exit_code` what a lone failure of this sort ends with.
    """

    number: int
    source: str
    target: str
    status: Literal["done", "skipped", "failed"] = "done"
    kind: str = ""
    model: str = ""
    codebook: int | str = 0
    engine: str = ""
    amount: float = 0.0
    bytes: int = 0
    seconds: float = 0.0
    load_seconds: float = 0.0
    network_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    error: str = ""
    hint: str = ""
    exit_code: int = 0


def fail(outcome: Outcome, error: VpcodecError) -> None:
    """Note a failure, naming the input where the message names no file."""
    names = (shown(outcome.source), shown_output(outcome.target))
    named = isinstance(error, ConfigError) or any(name in error.what for name in names)
    outcome.status = "failed"
    outcome.error = error.what if named else f"{names[0]}: {error.what}"
    outcome.hint, outcome.exit_code = error.hint, error.exit_code
