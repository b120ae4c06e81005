"""Damage golden token files for a while and read them in every way: `python benchmarks/fuzz_container.py [MINUTES]`.

Prints what was tried. A failure other than ContainerError is a crash; its input is kept beside this program.
"""

import random
import resource
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.container.fuzzing import damaged, survive
from tests.container.golden_files import FOLDER, GOLDEN


def main(minutes: float) -> int:
    """Returns the number of crashes."""
    draw = random.Random(time.time_ns())
    files = {name: ((FOLDER / f"{name}.tok").read_bytes(), golden.read_prior()) for name, golden in GOLDEN.items()}
    tried = sound = crashes = 0
    slowest = 0.0
    start = time.monotonic()
    while time.monotonic() - start < 60 * minutes:
        name = draw.choice(list(files))
        content, prior = files[name]
        content = damaged(content, draw)
        began = time.process_time()
        try:
            sound += survive(content, prior)
        except Exception:
            crashes += 1
            kept = Path(__file__).with_name(f"crash-{name}-{tried}.tok")
            kept.write_bytes(content)
            print(f"crash: {kept.name}", traceback.format_exc(), sep="\n")
        slowest = max(slowest, time.process_time() - began)
        tried += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"inputs tried        {tried:,} in {minutes:g} min")
    print(f"crashes             {crashes}")
    print(f"still sound         {sound:,}")
    print(f"slowest input       {slowest:.2f} s of processor time")
    print(f"peak memory         {memory:.0f} MiB")
    return crashes


if __name__ == "__main__":
    sys.exit(1 if main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0) else 0)
