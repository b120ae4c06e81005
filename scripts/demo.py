"""Encode and decode the bundled recording and photo, and say what came of it: `make demo`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image

from vpcodec.metrics.image import psnr, ssim
from vpcodec.metrics.speech import pesq_wb, stoi

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT / "tests" / "media"
OUT = ROOT / "demo"


def vpcodec(*arguments: str | Path) -> None:
    """Run the installed command, showing what is run."""
    shown = " ".join(str(argument).replace(f"{ROOT}/", "") for argument in arguments)
    print(f"$ vpcodec {shown}", flush=True)
    command = Path(sys.executable).with_name("vpcodec")
    subprocess.run([command, *map(str, arguments)], check=True)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    speech, photo = MEDIA / "speech.flac", MEDIA / "coffee.jpg"
    vpcodec("encode", "-f", speech, "-o", OUT / "speech.tok")
    vpcodec("decode", "-f", OUT / "speech.tok", "-o", OUT / "speech.wav")
    vpcodec("encode", "-f", photo, "-o", OUT / "photo.tok")
    vpcodec("decode", "-f", OUT / "photo.tok", "-o", OUT / "photo.png")

    original, rate = soundfile.read(speech, dtype="float32")
    decoded, _ = soundfile.read(OUT / "speech.wav", dtype="float32")
    size, raw = (OUT / "speech.tok").stat().st_size, 2 * len(original)
    print(
        f"\nspeech  {len(original) / rate:.1f} s    {raw:,} bytes of PCM -> {size:,}, {raw / size:.0f} times smaller,"
    )
    print(f"        {8 * size * rate / len(original):,.0f} bit/s, ", end="")
    print(f"PESQ-WB {pesq_wb(decoded, original):.2f}, STOI {stoi(decoded, original):.3f}")

    before, after = picture(photo), picture(OUT / "photo.png")
    size, (height, width) = (OUT / "photo.tok").stat().st_size, before.shape[2:]
    print(f"photo   {width}x{height}  {photo.stat().st_size:,} bytes of JPEG -> {size:,}, ", end="")
    print(
        f"{photo.stat().st_size / size:.0f} times smaller,\n        {8 * size / (height * width):.3f} bit/pixel, ",
        end="",
    )
    print(f"PSNR {psnr(after, before).item():.1f} dB, SSIM {ssim(after, before).item():.3f}")
    print(f"\nlisten to {OUT / 'speech.wav'} beside {speech}\nlook at   {OUT / 'photo.png'} beside {photo}")


def picture(path: Path) -> torch.Tensor:
    """[1, 3, height, width] in [0, 1]."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


if __name__ == "__main__":
    main()
