"""Help as people read it: `-h` is short, `--help` lists every option."""

import sys
from typing import Any

from typer.core import TyperArgument, TyperCommand

# Options that most people never need: left out by -h.
RARE = {
    *("output_dir", "shard", "manifest", "skip_existing", "remove", "raw", "sample_rate", "channels"),
    *("sample_format", "engine", "device", "as_json", "no_progress", "start", "stop"),
}


class Command(TyperCommand):
    """A command whose help has two lengths."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = [param.metavar for param in self.params if isinstance(param, TyperArgument)]
        formatter.write_usage(ctx.command_path, " ".join([*filter(None, pieces), "[OPTIONS]"]))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        everything = "--help" in sys.argv
        rows = [row_of(param, ctx) for param in self.get_params(ctx) if everything or param.name not in RARE]
        with formatter.section("Options"):
            formatter.write_dl(rows)
        if not everything:
            formatter.write_paragraph()
            formatter.write_text("--help lists every option.")


def row_of(param: Any, ctx: Any) -> tuple[str, str]:
    """Name and explanation of an argument or option."""
    name, text = param.get_help_record(ctx)
    if isinstance(param, TyperArgument):
        return param.metavar or name, param.help or ""
    return name, text
