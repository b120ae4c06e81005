"""What the tables of several programs share: their metrics, and their place in a page."""

from pathlib import Path

from vpcodec.metrics.table import METRICS

COMPARED = {
    "speech": {name: METRICS[name] for name in ("pesq_wb", "stoi", "mel_distance")},
    "image": {name: METRICS[name] for name in ("psnr", "ssim", "lpips_alex")},
}


def put_table(page: Path, name: str, table: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`. Raises ValueError without them."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, marked, rest = page.read_text().partition(begin)
    _, ended, tail = rest.partition(end)
    if not marked or not ended:
        raise ValueError(f"{page}: no marks for {name}")
    page.write_text(head + begin + table + end + tail)
