"""docs/language-models.md: our speech models beside what others published for few tokens a second."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vpcodec.evaluation.cards import read_runs
from vpcodec.registry import ModelFolder

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "language-models.md"
PUBLISHED = DOCS / "results" / "published-low-rate.json"
BEGIN, END = "<!-- low rates: begin -->\n", "<!-- low rates: end -->"
HEADS = ("codec", "tokens a second", "codebooks", "kbit/s", "PESQ-WB", "STOI", "measured on")


def page(models: Sequence[ModelFolder]) -> str:
    """The page with its table made anew."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    rows = [HEADS, ("---", "---:", "---", "---:", "---:", "---:", "---")]
    rows += [cells(figures) for figures in (*ours(models), *json.loads(PUBLISHED.read_text(encoding="utf-8")))]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return head + BEGIN + table + END + rest.partition(END)[2]


def cells(figures: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    rate, kbit = f"{figures['rate']:.4g}", f"{figures['kbit']:.2f}"
    return (
        *(figures["codec"], rate, figures["codebooks"], kbit),
        *(f"{figures['pesq_wb']:.2f}", f"{figures['stoi']:.3f}", f"{figures['set']}; {figures['source']}"),
    )


def ours(models: Sequence[ModelFolder]) -> list[dict[str, Any]]:
    """The figures of speech models with each of their codebooks, fewest tokens a second first."""
    found = []
    for run in (run for model in models for run in read_runs(model) if run.kind == "speech"):
        for each in run.candidates:
            if each.ours and each.codes:
                found.append(
                    {
                        "codec": each.name,
                        "rate": each.codes.tokens / run.total_extent,
                        "codebooks": f"1 of {each.codes.vocabulary:,}",
                        "kbit": each.bitrate.nominal,
                        "pesq_wb": each.metrics["pesq_wb"].mean,
                        "stoi": each.metrics["stoi"].mean,
                        "set": f"our folder `{run.dataset}`",
                        "source": "its card",
                    }
                )
    return sorted(found, key=lambda figures: round(figures["rate"]))
