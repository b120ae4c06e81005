"""Cards of models and tables of results, written from measurements and never by hand.

A model's `evaluation.json` holds the summary of its last run on each data set; `card.md` and the tables between
markers in other documents are made from it.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vpcodec.data.output import open_output
from vpcodec.errors import InputError, ModelError
from vpcodec.evaluation.datasets import title_of
from vpcodec.evaluation.results import FORMAT, Results
from vpcodec.evaluation.tables import Column, columns_of, count, name_in_full
from vpcodec.metrics.usage import TOKENS_A_CODE
from vpcodec.registry import EVALUATION, NOTES, ModelFolder

RECIPE, CARD = "recipe.toml", "card.md"

# A table stands between these; a kind after "results" leaves the other one out.
MARKERS = re.compile(r"(<!-- results(?: (speech|image))? -->\n).*?(<!-- /results -->)", re.DOTALL)

EXPLAINED = f"""\
- *On disk*: the whole file. *Nominal*: log2 K bits per token. *Entropy*: what an ideal coder of single tokens needs.
- ↑: higher is better. ↓: lower is better.
- *CVU*: the perplexity of the codes divided by their number; 1 if all codes are equally frequent.
- *Tokens*: how many were counted. Entropy and CVU are estimated from them with the Miller-Madow correction, and left
  out below {TOKENS_A_CODE} tokens per code.
- *Multiply-adds*: encoder and decoder together.
- *Matched*: tuned per file to our size. A larger figure is the smallest that the codec can produce.
"""


def record(results: Results, model: ModelFolder) -> Path:
    """Put a run into a model's `evaluation.json`, in place of its last run on the same data set.

    Kept are the model's own candidates, whose family is the model's name, and the codecs that it was compared with.

    Raises:
        ModelError: The file that is there is damaged, or the model was not part of the run.
        InputError: The file cannot be written.
    """
    run = results.summary()
    own = [each for each in run["candidates"] if each["ours"] and each["family"] == model.name]
    if not own:
        raise ModelError(f"{model.name} was not part of this evaluation")
    # What was looked for, and where, belongs to the machine.
    run["unavailable"] = {name: why.partition(":")[0] for name, why in run["unavailable"].items()}
    run["candidates"] = own + [each for each in run["candidates"] if not each["ours"]]
    runs = [other for other in read_runs(model) if other["dataset"] != run["dataset"]]
    runs = sorted([*runs, run], key=lambda each: str(each["dataset"]))
    path = model.path / EVALUATION
    text = json.dumps({"format": FORMAT, "runs": runs}, indent=1, ensure_ascii=False)
    with open_output(path, force=True) as file:
        file.write(f"{text}\n".encode())
    return path


def read_runs(model: ModelFolder) -> list[dict[str, Any]]:
    """Runs in a model's `evaluation.json`; none where it was never evaluated. Raises ModelError for a damaged one."""
    path = model.path / EVALUATION
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ModelError(f"{path}: format {content['format']}, this program reads {FORMAT}")
        runs: list[dict[str, Any]] = content["runs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a readable evaluation", hint="evaluate the model again") from error
    return runs


def write_card(model: ModelFolder) -> Path:
    """Write a model's `card.md`. Raises as `card_text`, and InputError where the card cannot be written."""
    path = model.path / CARD
    text = card_text(model)
    with open_output(path, force=True) as file:
        file.write(text.encode())
    return path


def card_text(model: ModelFolder) -> str:
    """What a model's `card.md` says, from its other files.

    Raises:
        ModelError: One of them is missing or damaged.
    """
    facts = model.facts
    try:
        recipe = (model.path / RECIPE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{model.path / RECIPE}: cannot be read ({error})") from error
    suffix = {"speech": "wav", "image": "png"}[facts.kind]
    extent = {"speech": f"{facts.hop} samples at 16 kHz", "image": f"{facts.hop}x{facts.hop} pixels"}[facts.kind]
    rates = ", ".join(
        f"{rate:,} ({vocabulary:,} codes)" if rate != vocabulary else f"{rate:,}"
        for rate, vocabulary in zip(facts.rates, facts.vocabularies, strict=True)
    )
    table = {
        "kind": facts.kind,
        "method": str(facts.quantizer.get("method", "")),
        "codebook sizes": rates,
        "one token": extent,
        "parameters": f"{facts.parameters:,}",
        "trained": f"{facts.steps:,} steps, {facts.minutes:,.0f} minutes",
        "SHA-256 of the weights": f"`{facts.weights_sha256}`",
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in table.items())
    runs = [run_section(run) for run in read_runs(model)]
    results = f"{EXPLAINED}\n{''.join(runs)}" if runs else "Not evaluated yet.\n"
    return f"""<!-- Generated from the other files in this folder; changes made here are lost. -->
# {facts.name}

| | |
|---|---|
{rows}

```
vpcodec encode in.{suffix} --model {facts.name} -o out.tok
vpcodec decode out.tok -o back.{suffix}
```

{read_notes(model)}## Results

{results}
## Training

The recipe:

```toml
{recipe.strip()}
```
"""


def read_notes(model: ModelFolder) -> str:
    """The part of a card that people write: data, licences, limits. Empty where there is none."""
    path = model.path / NOTES
    return f"{path.read_text(encoding='utf-8').strip()}\n\n" if path.is_file() else ""


def run_section(run: dict[str, Any]) -> str:
    """One run as a heading, a line on the data, and a table."""
    what = {"speech": "recording", "image": "image"}[run["kind"]]
    if run["kind"] == "speech":
        extent = f"{run['total_extent'] / 60:.1f} minutes at 16 kHz"
    else:
        form = f"cut to {run['side']}x{run['side']} pixels" if run["side"] else "whole"
        extent = f"{form}, {run['total_extent'] / 1e6:,.1f} megapixels"
    unavailable = "".join(f"\nNot measured: {name} ({why}).\n" for name, why in run["unavailable"].items())
    table = markdown_table(run["kind"], run["candidates"])
    title = f"### {run['kind'].capitalize()}: {title_of(run['dataset'])}"
    return f"{title}\n\n{count(run['items'], what)}, {extent}.\n\n{table}{unavailable}\n"


def markdown_table(kind: str, candidates: Sequence[dict[str, Any]], titles: Sequence[str] = ()) -> str:
    """Candidates and their figures: all that do not depend on the machine, or those of some columns."""
    columns = [column for column in columns_of(kind, candidates) if column.title not in ("encode", "decode", "memory")]
    columns = [column for column in columns if not titles or column.title in titles]
    head = ["codec", *map(title_with_unit, columns)]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * len(columns) + "|"]
    for candidate in candidates:
        values = [column.value(candidate) for column in columns]
        shown = [
            column.shown(value) if value is not None else "–" for column, value in zip(columns, values, strict=True)
        ]
        lines.append(f"| {' | '.join([name_in_full(candidate), *shown])} |")
    return "\n".join(lines) + "\n"


def title_with_unit(column: Column) -> str:
    """`on disk (kbit/s)`, `PESQ-WB ↑`"""
    if column.more_is_better is not None:
        return f"{column.title} {'↑' if column.more_is_better else '↓'}"
    return f"{column.title} ({column.unit})" if column.unit else column.title


def results_tables(models: Sequence[ModelFolder], kind: str | None = None) -> str:
    """All runs of some models: what the columns are, and a table a data set.

    Each codec that they were compared with stands there once, or once for each model that it was matched to.

    Args:
        models: In the order of the rows.
        kind: "speech" or "image"; None for both.
    """
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for model in models:
        for run in read_runs(model):
            if kind in (None, run["kind"]):
                together = merged.setdefault((run["kind"], run["dataset"]), run | {"candidates": [], "unavailable": {}})
                known = {name_in_full(each) for each in together["candidates"]}
                together["candidates"] += [each for each in run["candidates"] if name_in_full(each) not in known]
    for run in merged.values():
        run["candidates"].sort(key=lambda each: not each["ours"])  # ours first, else as they came
    sections = [run_section(merged[name]).rstrip() + "\n" for name in sorted(merged)]
    return "\n".join([EXPLAINED, *sections]) if sections else ""


def fill_tables(document: Path, models: Sequence[ModelFolder]) -> bool:
    """Write the tables of results between `<!-- results -->` and `<!-- /results -->` of a document.

    Returns:
        Whether the document changed.

    Raises:
        InputError: It cannot be read or written, or has no such markers.
    """
    try:
        text = document.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{document}: cannot be read ({error})") from error
    if not MARKERS.search(text):
        hint = "put <!-- results --> and <!-- /results --> on lines of their own where the tables shall be"
        raise InputError(f"{document}: has no place for results", hint=hint)
    filled = with_tables(text, models)
    if filled != text:
        with open_output(document, force=True) as file:
            file.write(filled.encode())
    return filled != text


def with_tables(text: str, models: Sequence[ModelFolder]) -> str:
    """A document with the tables of results between its markers."""
    return MARKERS.sub(lambda found: found[1] + results_tables(models, found[2]) + found[3], text)
