"""Who may import whom, read from the source; docs/architecture.md draws the same picture."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "vpcodec"

# Each room, with the rooms that it may import from. Those of `OPEN` are open to all.
MAY_IMPORT: dict[str, set[str]] = {
    "config": set(),
    "recipe": {"config"},
    "container": set(),
    "data": {"recipe"},
    "losses": {"recipe"},
    "metrics": set(),
    "quantizers": set(),
    "networks": {"config"},
    "autoencoder": {"config", "networks", "quantizers"},
    "registry": {"config", "autoencoder", "recipe"},
    "testing": {"networks", "quantizers"},
    "codec": {"autoencoder", "config", "container", "data", "losses", "recipe", "registry"},
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
        "recipe",
        "registry",
        "graphs",
    },
    "evaluation": {"codec", "config", "container", "data", "metrics", "registry"},
    "corpus": {"codec", "container", "data", "registry"},
    "export": {"codec", "container", "data", "registry"},
    "inspect": {"codec", "container", "data", "registry"},
}
OPEN = {"errors", "devices", "plugins", "processes", "version"}
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


def test_the_picture_and_the_tree_in_the_documents_show_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = page.partition("## Who may import whom")[2].partition("\n##")[0]
    assert set(MAY_IMPORT) <= set(re.findall(r"\w+", picture))
    tree = re.findall(r"── (\w+)", page)
    modules = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert modules - {"__main__", "version"} == set(tree)


def words_to_avoid() -> set[str]:
    """The last column of the table of words in docs/architecture.md."""
    table = (
        (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Words")[2].partition("\n##")[0]
    )
    rows = [line.split("|")[-2] for line in table.splitlines() if line.startswith("| ")]
    return set(re.findall(r"\w+", " ".join(rows))) - {"not"}


def test_documents_use_the_words_of_the_list() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("models/*/*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if page.name == "architecture.md":
            text = re.sub("## Words.*?\n## ", "", text, flags=re.S)
        found = words_to_avoid() & set(re.findall(r"[a-z]+", text.lower()))
        assert not found, f"{page}: {found}"


def test_names_of_tests_and_messages_use_the_words_of_the_list() -> None:
    avoided = words_to_avoid()
    for path in [*(ROOT / "tests").rglob("test_*.py"), *PACKAGE.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = set()
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                words = set(node.name.split("_"))
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Error", ".note", ".error")):
                texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                words = set(re.findall(r"[a-z]+", " ".join(str(text) for text in texts).lower()))
            assert not words & avoided, f"{path}, line {getattr(node, 'lineno', 0)}: {words & avoided}"


@pytest.mark.parametrize("room", ["container", "data"])
def test_rooms_of_bytes_and_files_never_import_torch(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        assert not any(module.split(".")[0] == "torch" for module in imports(path)), path


@pytest.mark.parametrize("module", ["vpcodec", "vpcodec.codec.pipeline", "vpcodec.container", "vpcodec.cli.main"])
def test_importing_what_encodes_and_decodes_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
