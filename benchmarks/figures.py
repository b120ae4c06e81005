"""What the programs in this folder share: options, other processes, tables, and their place in a page."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vpcodec.metrics.table import METRICS

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT / "tests" / "media"
COMPARED = {
    "speech": {name: METRICS[name] for name in ("pesq_wb", "stoi", "mel_distance")},
    "audio": {name: METRICS[name] for name in ("visqol_audio", "mel_distance_48", "lsd_high", "loudness_error")},
    "image": {name: METRICS[name] for name in ("psnr", "ssim", "lpips_alex")},
}


def parser_of(text: str, *, folders: bool = False, rounds: int | None = None) -> argparse.ArgumentParser:
    """A parser with --json and --markdown, on demand with --speech and --images, and with --rounds.

    Args:
        text: The program's docstring.
        folders: Whether it needs test media.
        rounds: How often it measures by default.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--markdown", type=Path, help="put the tables into this page")
    if folders:
        parser.add_argument("--speech", type=Path, required=True, help="folder of recordings")
        parser.add_argument("--images", type=Path, required=True, help="folder of photos")
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds, help="how often everything is measured")
    return parser


def deliver(options: argparse.Namespace, figures: Any, tables: dict[str, str]) -> None:
    """Print tables by their names in a page, and write them and the figures where the options say."""
    print(*tables.values(), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for name, table in tables.items() if options.markdown else ():
        put_table(options.markdown, name, table)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[Any]], words: int = 1) -> str:
    """A table whose first columns hold words, and whose others hold numbers."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * words + "---:|" * (len(heads) - words)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)]) + "\n"


def put_table(page: Path, name: str, table: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`. Raises ValueError without them."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, marked, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, tail = rest.partition(end)
    if not marked or not ended:
        raise ValueError(f"{page}: no marks for {name}")
    page.write_text(head + begin + table + end + tail, encoding="utf-8")


def add_result(path: Path, name: str, found: Any) -> dict[str, Any]:
    """Put figures under a name into a JSON file, beside those that are there. Returns all."""
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results[name] = found
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return dict(results)


def conditions(rounds: int) -> dict[str, Any]:
    """What figures depend on, as they are filed."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    return {"machine": machine, "rounds": rounds, "load": round(os.getloadavg()[0], 1)}


def process(arguments: Sequence[str], **options: Any) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak memory in MB of one Python process."""
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], **options)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"failed: python {' '.join(arguments)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def resident(pid: int) -> float:
    """MB that a process and its children hold in memory; 0 once they have ended. Of Linux."""
    found = 0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    for each in (str(pid), *children):
        try:
            found += int(Path(f"/proc/{each}/statm").read_text(encoding="ascii").split()[1])
        except OSError:
            continue
    return found * os.sysconf("SC_PAGE_SIZE") / 1e6
