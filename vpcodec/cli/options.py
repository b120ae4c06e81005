"""Options that several commands share: how each is written, what it means, and how its text is read."""

from collections.abc import Callable
from typing import Any, NamedTuple

LARGEST = 1 << 53  # numbers of any option are smaller


class Option(NamedTuple):
    """An option of the command line."""

    usage: str  # its names and its placeholder, such as `-o, --output OUT`; without a placeholder it is a flag
    help: str
    read: Callable[[str], Any] = str  # makes its value from the text, or raises ValueError that says what is wrong
    default: Any = None
    least: float | None = None
    key: str = ""  # name of its value, if it is not the long name
    required: bool = False
    repeated: bool = False  # can be given several times; the value is a list
    rare: bool = False  # `-h` leaves it out

    @property
    def names(self) -> list[str]:
        """`-o` and `--output`"""
        return [word for word in self.usage.replace(", ", " ").split() if word.startswith("-")]

    @property
    def placeholder(self) -> str:
        """`OUT`; empty for a flag."""
        last = self.usage.rpartition(" ")[2]
        return "" if last.startswith("-") else last

    @property
    def name(self) -> str:
        """What its value is called."""
        return self.key or self.names[-1].strip("-").replace("-", "_")

    def value(self, text: str) -> Any:
        """The value of a text. Raises ValueError."""
        if not text:
            raise ValueError("it is empty")
        try:
            value = self.read(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is not a number" if self.read in (int, float) else str(error)) from None
        if isinstance(value, int | float) and not abs(value) < LARGEST:  # nor is NaN below it
            raise ValueError(f"{text!r} is not a number that can be used")
        if self.least is not None and not value >= self.least:
            raise ValueError(f"{value} is not in the range x>={self.least}")
        return value


def parse_time(text: str) -> float:
    """Seconds of `83.5`, `1:23.5` or `0:01:23.5`."""
    parts = text.split(":")
    try:
        if len(parts) > 3 or not all(part[:1].isdigit() for part in parts):
            raise ValueError
        return sum(float(part) * 60**power for power, part in enumerate(reversed(parts)))
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write seconds or [h:]m:s") from None


def parse_codebook(text: str) -> str:
    """A codebook size as it is named: `1024`, or `2x1024` for two codes a position."""
    groups, times, codes = text.rpartition("x")
    if not codes.isdecimal() or (times and not groups.isdecimal()):
        raise ValueError(f"{text!r} is not a codebook size; write 1024, or 2x1024")
    return text


def parse_codebooks(text: str) -> list[str]:
    """Codebook sizes between commas."""
    return [parse_codebook(each) for each in text.split(",")]


def parse_list(text: str) -> list[str]:
    """Names between commas."""
    return [each for each in text.split(",") if each]


def parse_rate(text: str) -> float:
    """Bits a second of `1500` or `1.5k`."""
    return parse_amount(text, {"": 1, "k": 1000}, "a bit rate; write 1500 or 1.5k")


def parse_bytes(text: str) -> int:
    """Bytes of `20000`, `20kB`, `20k` or `20KiB`."""
    factors = {"": 1, "b": 1, "k": 1000, "kb": 1000, "m": 10**6, "mb": 10**6, "kib": 1 << 10, "mib": 1 << 20}
    return int(min(LARGEST, parse_amount(text, factors, "a size; write 20000, 20kB or 20KiB")))


def parse_amount(text: str, factors: dict[str, int], meant: str) -> float:
    """A number above 0 with the name of a factor behind it, in small or capital letters."""
    number = text.rstrip("bikmBIKM ")
    factor = factors.get(text[len(number) :].strip().lower(), 0)
    if not number.replace(".", "", 1).isdecimal() or float(number) * factor <= 0:
        raise ValueError(f"{text!r} is not {meant}")
    return float(number) * factor


def parse_output(text: str) -> str:
    """The name of an output; `-` for every name of standard output."""
    return "-" if text in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1") else text


OUTPUT = Option("-o, --output OUT", "Output file; - is standard output.", parse_output)
OUTPUT_DIR = Option("--output-dir DIR", "Folder for the outputs.", rare=True)
MODEL = Option("-m, --model NAME", "Name of a model, or path of its folder.")
CODEBOOK = Option(
    "--codebook K",
    "Codebook size: 1024, or 2x1024 for two codes per position. Default: the model's largest.",
    parse_codebook,
)
RATES = (
    CODEBOOK,
    Option(
        "--bitrate B",
        "Instead of --codebook: bits per second and channel of recordings, such as 1.5k; the nearest is chosen.",
        parse_rate,
    ),
    Option("--bpp B", "Instead of --codebook: bits per pixel of photos, such as 0.2; the nearest is chosen.", float),
    Option(
        "--target-size SIZE",
        "Instead of --codebook: the best that fits into so many bytes, such as 20kB; encodes up to three times.",
        parse_bytes,
    ),
)
SPAN = (
    Option("--from T", "Start of the range: seconds or [h:]m:s.", parse_time, key="start", rare=True),
    Option("--to T", "End of the range.", parse_time, key="stop", rare=True),
)
RECURSIVE = Option("-r, --recursive", "Take all files in directories and their subdirectories.")
JOBS = Option("-j, --jobs N", "Number of files to process at once; 0: one per core.", int, 1, least=0)
FORCE = Option("-f, --force", "Overwrite existing outputs; write binary data to a terminal.")
ENGINE = Option("--engine E", "Engine: auto, onnx, onnx-8-bits or torch.", default="auto", rare=True)
DEVICE = Option("--device D", "Device: auto, cpu or cuda.", default="auto", rare=True)
EFFORT = Option(
    "--effort N",
    "Photos: 1 or 2 looks for better tokens with torch; 0.2 dB, 50 or 200 times as slow.",
    int,
    0,
    least=0,
    rare=True,
)
JSON = Option("--json", "Print results as JSON on standard output.", rare=True)
QUIET = Option("-q, --quiet", "Print errors only.")
HELP = Option("-h, --help", "Show this message and exit.")
NO_PROGRESS = Option("--no-progress", "Do not show a progress bar.", rare=True)

# Of `encode` and `decode`, in the order of their help texts.
OUTPUTS = (OUTPUT, Option("-c, --stdout", "Write to standard output."), OUTPUT_DIR)
MANY_FILES = (
    RECURSIVE,
    JOBS,
    Option("--ray ADDRESS", "Use a Ray cluster: its address, auto, or local to start one.", rare=True),
    Option("--shard I/N", "Process part I of N; auto takes both from torchrun or Slurm.", rare=True),
    Option("--manifest FILE", "Write the result of each input as a line of JSON.", parse_output, rare=True),
    Option("--skip-existing", "Skip inputs whose output exists.", rare=True),
    FORCE,
    Option("--rm", "Delete each input after its output was read back and is complete.", key="remove", rare=True),
)
RUNNING = (ENGINE, DEVICE, JSON, QUIET, Option("-v, --verbose", "Also print times and peak memory."), NO_PROGRESS)
