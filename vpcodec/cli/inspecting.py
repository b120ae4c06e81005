"""`vpcodec info`, `vpcodec test` and `vpcodec models`: what is there, and whether it is sound."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from vpcodec.cli.messages import Messages
from vpcodec.devices import import_numpy
from vpcodec.errors import VpcodecError


def info(given: SimpleNamespace) -> int:
    """`vpcodec info`"""
    import_numpy()
    from vpcodec.codec.token_files import SIGNALS
    from vpcodec.data.streams import shown
    from vpcodec.inspect import describe

    messages, found, failed = Messages(), [], 0
    for source in given.inputs:
        try:
            found.append(describe(source, given.model))
        except VpcodecError as error:
            failed += 1
            messages.failure(shown(source), error)
    if given.json:
        print_json(found)
    else:
        for facts in found:
            bits = facts.get("on_disk")
            print(shown(facts.pop("input")), f"  {SIGNALS[facts['kind']].rate_text(bits)}" if bits else "", sep="")
            for name, value in lines(facts):
                print(f"  {name:<22} {value}")
    return int(failed > 0)


def check(given: SimpleNamespace) -> int:
    """`vpcodec test`"""
    import_numpy()
    from vpcodec.data.streams import shown
    from vpcodec.inspect import problems_of

    messages, reports = Messages(quiet=given.quiet), []
    for source in given.inputs:
        try:
            problems = problems_of(source, given.model)
        except VpcodecError as error:
            problems = [error.what]
        reports.append({"input": source, "sound": not problems, "problems": problems})
        for problem in problems:
            messages.error(problem if shown(source) in problem else f"{shown(source)}: {problem}")
    if given.json:
        print_json(reports)
    broken = sum(not report["sound"] for report in reports)
    if len(reports) > 1:
        messages.note(f"{len(reports) - broken} sound, {broken} damaged")
    return int(broken > 0)


def models(given: SimpleNamespace) -> int:
    """`vpcodec models`"""
    import_numpy()
    from vpcodec.codec.token_files import SIGNALS
    from vpcodec.inspect import describe_model
    from vpcodec.registry import model_roots, survey_models

    readable, failures = survey_models()
    for failure in failures:
        Messages().note(f"left out: {failure.what}")
    found = [describe_model(model) for model in readable]
    if given.json:
        print_json(found)
        return 0
    if not found:
        looked = ", ".join(str(root) for root in model_roots())
        Messages().error(f"no models in {looked}", "train one, or set VPCODEC_MODELS to a folder of models")
        return 1
    for model in found:
        offers = ((each["measured"] or each["nominal"], each["codebook"]) for each in model["codebooks"])
        rates = ", ".join(f"{SIGNALS[model['kind']].rate_text(bits)} (codebook {name})" for bits, name in offers)
        print(f"{model['name']:<20} {model['kind']:<7} {model['parameters'] / 1e6:>4.1f}M  {rates}")
        for run in model["quality"]:
            figures = [f"{name} {value:.4g}" for name, value in run.items() if isinstance(value, float)]
            unit = run.get("speed_unit", "")  # of the last two figures
            print(f"  {run['candidate']} on {run['dataset']}: {', '.join(figures)} {unit}".rstrip())
        if model["license"]:
            print(f"  license: {model['license']}")
    return 0


def lines(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Names and values of a table, nested ones with the name of theirs before."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from lines(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            for number, each in enumerate(value):
                if isinstance(each, dict):
                    yield from lines(each, f"{prefix}{name}.{number}.")
                else:
                    yield prefix + name, each
        elif value not in (None, ""):
            yield prefix + name, f"{value:,}" if isinstance(value, int) and name != "orientation" else value


def print_json(value: Any) -> None:
    import json

    json.dump(value, sys.stdout, indent=1)
    print()
