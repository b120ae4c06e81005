"""Classes by name: those of the package's tables, those that installed packages add, and those of a local recipe.

A name stands in a table, such as `quantizers.QUANTIZERS`, or an installed package offers it as an entry point of a
group such as `vpcodec.quantizers`. A dotted name, `package.module:Class`, is imported only after `allow`, which
training alone calls, with what its recipe says. A model folder may come from a stranger: no module that it names is
ever imported.
"""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from vpcodec.errors import ConfigError

ALLOWED: set[str] = set()  # dotted names that this process may import


def allow(*names: str) -> None:
    """Let this process import dotted names; modules of the working directory are found, too."""
    for name in names:
        if ":" in name:
            ALLOWED.add(name)
            if os.getcwd() not in sys.path:
                sys.path.append(os.getcwd())


def load_class(name: str, what: str, table: Mapping[str, str], group: str) -> Any:
    """The class of a name; `what` it is, such as "quantizer", is for messages.

    Raises:
        ConfigError: Neither `table` nor an installed package has the name, or its module cannot be imported.
    """
    if name in table:
        return EntryPoint(name, table[name], group).load()
    if ":" in name:
        if name not in ALLOWED:
            raise ConfigError(
                f"{what} {name} is not part of vpcodec, and a model folder may not import it",
                hint=f"install a package that offers it as an entry point of {group}, under a name without a colon",
            )
        offered = [EntryPoint(name, name, group)]
    else:
        offered = list(entry_points(group=group, name=name))
    if not offered:
        raise ConfigError(f"unknown {what} {name!r}", hint=f"use one of {', '.join(table)}")
    try:
        return offered[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{what} {name}: {error}", hint="write package.module:Class") from error
