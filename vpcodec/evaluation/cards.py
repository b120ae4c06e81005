"""Cards of models and tables of results, written from measurements.

A model's `evaluation.json` holds the summary of its last run on each data set; `card.md` and the tables between
markers in other documents are made from it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vpcodec.config import to_toml
from vpcodec.errors import ModelError, counted
from vpcodec.evaluation.datasets import title_of
from vpcodec.evaluation.results import FORMAT, Results, Summary, from_json, to_json, write_text
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.evaluation.summary import markdown_table
from vpcodec.metrics.usage import TOKENS_A_CODE
from vpcodec.registry import EVALUATION, NOTES, ModelFolder

RECIPE, CARD = "recipe.toml", "card.md"

# A table stands between these; a kind after "results" leaves the other one out.
MARKERS = re.compile(r"(<!-- results(?: (\w+))? -->\n).*?(<!-- /results -->)", re.DOTALL)

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
    Those of the last run stay where the items are the same, as not every machine has them, but not those whose size
    was matched to that of another.

    Raises:
        ModelError: The file that is there is damaged, or the model was not part of the run.
        InputError: The file cannot be written.
    """
    run = results.summary
    own = [each for each in run.candidates if each.ours and each.family == model.name]
    if not own:
        raise ModelError(f"{model.name} was not part of this evaluation")
    others = [each for each in run.candidates if not each.ours]
    runs = []
    for last in read_runs(model):
        if last.dataset != run.dataset:
            runs.append(last)
        elif (last.items, last.total_extent) == (run.items, run.total_extent):
            known = {each.name for each in others}
            others += [each for each in last.candidates if not (each.ours or each.matched or each.name in known)]
    run = replace(
        run,
        # What was looked for, and where, belongs to the machine.
        unavailable={name: why.partition(":")[0] for name, why in run.unavailable.items()},
        candidates=own + others,
    )
    path = model.path / EVALUATION
    write_text(path, evaluation_text([*runs, run]))
    return path


def measured_bits(model: ModelFolder) -> list[float]:
    """Bits a second or pixel of files at each rate, on the largest data set; empty where a rate was not measured."""
    run = max(read_runs(model), key=lambda run: run.items, default=None)
    if run is None:
        return []
    size = SIGNALS[run.kind].rate.size
    found = {
        each.codes.vocabulary: round(each.bitrate.file.mean * size, 6)
        for each in run.candidates
        if each.ours and each.family == model.name and each.codes and each.bitrate.file
    }
    bits = [found.get(vocabulary, 0.0) for vocabulary in model.facts.vocabularies]
    return bits if all(bits) else []


def facts_text(model: ModelFolder) -> str:
    """The text of a model's `model.toml`, with the bits that were measured."""
    return to_toml(replace(model.facts, bits=measured_bits(model)))


@dataclass(frozen=True)
class Evaluations:
    """What a model's `evaluation.json` holds: its last run on each data set."""

    format: int
    runs: list[Summary]


def evaluation_text(runs: Sequence[Summary]) -> str:
    """The text of an `evaluation.json`."""
    content = Evaluations(FORMAT, sorted(runs, key=lambda run: run.dataset))
    return json.dumps(to_json(content), indent=1, ensure_ascii=False) + "\n"


def read_runs(model: ModelFolder) -> list[Summary]:
    """Runs in a model's `evaluation.json`; none where it was never evaluated. Raises ModelError for a damaged one."""
    path = model.path / EVALUATION
    return read_evaluation(path) if path.is_file() else []


def read_evaluation(path: Path) -> list[Summary]:
    """Runs in an `evaluation.json`, or the one in a file of `--json`. Raises ModelError where there are none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ModelError(f"{path}: format {content['format']}, this program reads {FORMAT}")
        content.pop("rows", None)
        runs: list[Summary] = (
            from_json(Evaluations, content).runs if "runs" in content else [from_json(Summary, content)]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not a readable evaluation", hint="evaluate the model again") from error
    return runs


def write_card(model: ModelFolder) -> Path:
    """Write a model's `card.md`. Raises as `card_text`, and InputError where the card cannot be written."""
    path = model.path / CARD
    write_text(path, card_text(model))
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
    signal = SIGNALS[facts.kind]
    codebooks = ", ".join(
        (f"{name:,}" if isinstance(name, int) else name) + (f" ({codes:,} codes)" if codes != rate else "")
        for rate, name, codes in zip(facts.rates, model.codebooks, facts.vocabularies, strict=True)
    )
    table = {
        "kind": facts.kind,
        "method": str(facts.quantizer.get("method", "")),
        "codebook sizes": codebooks,
        "one token": signal.token.format(hop=facts.hop),
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
vpcodec encode in.{signal.suffix} --model {facts.name} -o out.tok
vpcodec decode out.tok -o back.{signal.suffix}
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
    """The part of a card that people write: data, licenses, limits. Empty where there is none."""
    path = model.path / NOTES
    return f"{path.read_text(encoding='utf-8').strip()}\n\n" if path.is_file() else ""


def run_section(run: Summary) -> str:
    """One run as a heading, a line on the data, and a table."""
    signal = SIGNALS[run.kind]
    unavailable = "".join(f"\nNot measured: {name} ({why}).\n" for name, why in run.unavailable.items())
    table = markdown_table(run.kind, run.candidates)
    title = f"### {run.kind.capitalize()}: {title_of(run.dataset)}"
    data = f"{counted(run.items, signal.item)}, {signal.described(run.total_extent, run.side)}."
    explained = f"\n{signal.explained}" if signal.explained else ""
    return f"{title}\n\n{data}\n\n{table}{explained}{unavailable}\n"


def merge(runs: Iterable[Summary]) -> dict[tuple[str, str], Summary]:
    """Runs by kind and data set: each candidate once, ours first, else as they came."""
    merged: dict[tuple[str, str], Summary] = {}
    for run in runs:
        before = merged.get((run.kind, run.dataset), replace(run, candidates=[], unavailable={}))
        known = {each.full_name for each in before.candidates}
        candidates = before.candidates + [each for each in run.candidates if each.full_name not in known]
        merged[run.kind, run.dataset] = replace(before, candidates=sorted(candidates, key=lambda each: not each.ours))
    return merged


def results_tables(models: Sequence[ModelFolder], kind: str | None = None) -> str:
    """All runs of some models: what the columns are, and a table a data set.

    Each codec that they were compared with stands there once, or once for each model that it was matched to.

    Args:
        models: In the order of the rows.
        kind: Of signals; None for all.
    """
    merged = merge(run for model in models for run in read_runs(model) if kind in (None, run.kind))
    sections = [run_section(merged[name]).rstrip() + "\n" for name in sorted(merged)]
    return "\n".join([EXPLAINED, *sections]) if sections else ""


def with_tables(text: str, models: Sequence[ModelFolder]) -> str:
    """A document with the tables of results between its markers."""
    return MARKERS.sub(lambda found: found[1] + results_tables(models, found[2]) + found[3], text)
