"""Expected failures, and the exit code each one gives the command.

    VpcodecError             1  an expected failure; the parent of all others
    ├── InputError           1  a recording, photo or path cannot be read or written
    ├── ContainerError       1  a token file is damaged, truncated or of another kind
    ├── ModelError           1  a model is missing, damaged or unfit for the task
    ├── DataError            1  a training or evaluation set is missing or wrongly laid out
    ├── ConfigError          2  a recipe, an option or an argument is wrong
    └── DependencyError      1  an optional package is not installed

Anything else that reaches a user is a bug.
"""


class VpcodecError(Exception):
    """An expected failure: what happened, to which input, and what to do next.

    Args:
        what: One line that says what failed, and for which input.
        hint: What to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}" if self.hint else self.what


class InputError(VpcodecError):
    """A recording, photo or path cannot be read or written."""


class ContainerError(VpcodecError):
    """A token file is damaged, truncated or of another kind."""


class ModelError(VpcodecError):
    """A model is missing, damaged or unfit for the task."""


class DataError(VpcodecError):
    """A training or evaluation set is missing or wrongly laid out."""


class ConfigError(VpcodecError):
    """A recipe, an option or an argument is wrong."""

    exit_code = 2


class DependencyError(VpcodecError):
    """An optional package is not installed."""


def counted(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2,001 files`; `many` for other words than `one` and an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
