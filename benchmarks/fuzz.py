"""Damage files for a while and read them in every way.

    python benchmarks/fuzz.py container|media [--minutes 10] [--no-file]

`container` damages golden token files, `media` small recordings and photos of every format. Files what was tried in
docs/results/fuzz.json. A failure other than the one error of that reader is a crash; its input is kept beside this
program.
"""

import argparse
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from figures import ROOT, add_result, markdown, put_table

sys.path.insert(0, str(ROOT))

from tests.container import fuzzing as container_fuzzing
from tests.container.golden_files import FOLDER, GOLDEN
from tests.data import fuzzing as media_fuzzing

RESULTS = ROOT / "docs" / "results" / "fuzz.json"
PAGE = ROOT / "docs" / "endurance.md"
Damage = Callable[[bytes, random.Random], bytes]
Survive = Callable[[bytes], bool]


def token_files() -> tuple[dict[str, tuple[bytes, Survive]], Damage]:
    """Contents by name, each with what reads it, and what damages it."""
    files = {
        name: ((FOLDER / f"{name}.tok").read_bytes(), partial(container_fuzzing.survive, prior=golden.read_prior()))
        for name, golden in GOLDEN.items()
    }
    return files, container_fuzzing.damaged


def media() -> tuple[dict[str, tuple[bytes, Survive]], Damage]:
    """As `token_files`, of recordings and photos."""
    return {name: (content, media_fuzzing.survive) for name, content in media_fuzzing.seeds().items()}, (
        media_fuzzing.damaged
    )


TARGETS = {"container": token_files, "media": media}


def fuzz(target: str, minutes: float) -> dict[str, Any]:
    """What came of it."""
    draw = random.Random(time.time_ns())
    files, damage = TARGETS[target]()
    tried = sound = crashes = 0
    slowest = 0.0
    start = time.monotonic()
    while time.monotonic() - start < 60 * minutes:
        name = draw.choice(list(files))
        original, survive = files[name]
        content = damage(original, draw)
        began = time.process_time()
        try:
            sound += survive(content)
        except Exception:
            crashes += 1
            kept = Path(__file__).with_name(f"crash-{tried}-{name}")
            kept.write_bytes(content)
            print(f"crash: {kept.name}", traceback.format_exc(), sep="\n")
        slowest = max(slowest, time.process_time() - began)
        tried += 1
    return {
        "minutes": minutes,
        "tried": tried,
        "crashes": crashes,
        "still_read": sound,
        "slowest_seconds": round(slowest, 2),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def table(results: dict[str, Any]) -> str:
    heads = ("damaged", "minutes", "inputs tried", "crashes", "still read", "slowest, s of processor", "MiB at most")
    rows = [(name, *(f"{value:,}" for value in results[name].values())) for name in TARGETS if name in results]
    return markdown(heads, rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--no-file", action="store_true", help="print only")
    options = parser.parse_args()
    found = fuzz(options.target, options.minutes)
    print(found)
    if not options.no_file:
        put_table(PAGE, "fuzz", table(add_result(RESULTS, options.target, found)))
    return int(found["crashes"] > 0)


if __name__ == "__main__":
    sys.exit(main())
