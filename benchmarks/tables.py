"""Puts a measured table into a page, between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

from pathlib import Path


def put_table(page: Path, name: str, table: str) -> None:
    """Replace what stands between the marks. Raises ValueError for a page without them."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, marked, rest = page.read_text().partition(begin)
    _, ended, tail = rest.partition(end)
    if not marked or not ended:
        raise ValueError(f"{page}: no marks for {name}")
    page.write_text(head + begin + table + end + tail)
