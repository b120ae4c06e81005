"""Who may import whom, read from the source; docs/architecture.md draws the same picture."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "vpcodec"

# Each room, with the rooms that it may import from. `errors`, `devices` and `version` are open to all.
MAY_IMPORT: dict[str, set[str]] = {
    "config": set(),
    "container": set(),
    "data": {"config"},
    "losses": {"config"},
    "metrics": set(),
    "quantizers": set(),
    "networks": {"config"},
    "autoencoder": {"config", "networks", "quantizers"},
    "registry": {"config", "autoencoder"},
    "codec": {"config", "container", "data", "registry"},
    "graphs": {"autoencoder", "codec", "networks", "quantizers", "registry"},
    "training": {
        "config",
        "autoencoder",
        "container",
        "data",
        "losses",
        "metrics",
        "networks",
        "quantizers",
        "registry",
        "graphs",
    },
    "evaluation": {"codec", "config", "container", "data", "metrics", "registry"},
    "corpus": {"codec", "container", "data", "registry"},
    "export": {"codec", "container", "data", "registry"},
}
OPEN = {"errors", "devices", "version"}
FREE = {"cli", "__init__", "__main__", *OPEN}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_imports_only_from_the_rooms_it_may(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here in FREE:
        return
    assert here in MAY_IMPORT, f"{here} has no place in the architecture yet"
    allowed = MAY_IMPORT[here] | {here, *OPEN}
    for module in imports(path):
        if module.split(".")[0] == "vpcodec":
            assert room(module) in allowed, f"{path.name} imports {module}"


def test_the_picture_in_the_documents_shows_every_room() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = page.partition("## Who may import whom")[2].partition("\n##")[0]
    assert set(MAY_IMPORT) <= set(re.findall(r"\w+", picture))


@pytest.mark.parametrize("room", ["container", "data"])
def test_rooms_of_bytes_and_files_never_import_torch(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        assert not any(module.split(".")[0] == "torch" for module in imports(path)), path


@pytest.mark.parametrize("module", ["vpcodec", "vpcodec.codec.pipeline", "vpcodec.container", "vpcodec.cli.main"])
def test_importing_what_encodes_and_decodes_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
