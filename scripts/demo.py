"""Encode and decode the bundled recording and photo, and say what came of it: `make demo`."""

import subprocess
import sys
from pathlib import Path

from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import METRICS, score

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "demo"
MEDIA = {"speech": "speech.flac", "image": "coffee.jpg"}
MEASURED = {"speech": ("pesq_wb", "stoi"), "image": ("psnr", "ssim")}


def vpcodec(*arguments: str | Path) -> None:
    """Run the installed command, showing what is run."""
    shown = " ".join(str(argument).replace(f"{ROOT}/", "") for argument in arguments)
    print(f"$ vpcodec {shown}", flush=True)
    command = Path(sys.executable).with_name("vpcodec")
    subprocess.run([command, *map(str, arguments)], check=True)


def show(kind: str) -> None:
    """One file through the codec and back, with its sizes and its quality."""
    signal, source = SIGNALS[kind], ROOT / "tests" / "media" / MEDIA[kind]
    tokens, decoded = OUT / f"{kind}.tok", OUT / f"{kind}.{signal.suffix}"
    vpcodec("encode", "-f", source, "-o", tokens)
    vpcodec("decode", "-f", tokens, "-o", decoded)
    original = signal.read(source, None)
    size, before = tokens.stat().st_size, source.stat().st_size
    rate = signal.rate.of(8 * size / signal.extent_of(original))
    measures = {name: METRICS[name].open("cpu") for name in MEASURED[kind]}
    found = score(signal.fitted(signal.read(decoded, None), original), original, measures).values
    quality = ", ".join(f"{METRICS[name].label} {METRICS[name].shown(value)}" for name, value in found.items())
    print(f"{before:,} bytes of {source.suffix[1:].upper()} -> {size:,}, {before / size:.0f} times smaller,")
    print(f"{rate:.3f} {signal.rate.unit}, {quality}; compare {decoded} with {source}\n")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for kind in MEDIA:
        show(kind)


if __name__ == "__main__":
    main()
