"""Help texts: `-h` is short, `--help` lists every option."""

import sys
from typing import Any

from typer.core import TyperArgument, TyperCommand

# Options that -h leaves out, as they appear in the help.
RARE = {
    *("--output-dir DIR", "--shard I/N", "--manifest FILE", "--skip-existing", "--rm", "--from T", "--to T", "--json"),
    *("--raw", "--sample-rate HZ", "--channels N", "--sample-format F", "--engine E", "--device D", "--no-progress"),
    *("--ray ADDRESS", "--max-pixels N"),
}


class Command(TyperCommand):
    """A command with a short and a long help text."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = [param.metavar for param in self.params if isinstance(param, TyperArgument)]
        formatter.write_usage(ctx.command_path, " ".join([*filter(None, pieces), "[OPTIONS]"]))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        everything = "--help" in sys.argv
        rows = [row_of(param, ctx) for param in self.get_params(ctx)]
        with formatter.section("Options"):
            formatter.write_dl([(name, text) for name, text in rows if everything or name not in RARE])
        if not everything:
            formatter.write_paragraph()
            formatter.write_text("--help lists every option.")


def row_of(param: Any, ctx: Any) -> tuple[str, str]:
    """Name and help text of an argument or option."""
    name, text = param.get_help_record(ctx)
    if isinstance(param, TyperArgument):
        return param.metavar or name, param.help or ""
    return name, text
