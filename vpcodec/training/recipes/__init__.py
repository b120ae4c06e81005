"""The recipes that ship: one TOML file for each released model, some to try, and tiny ones for every method.

`speech-<method>-tiny` exists for every quantizer, and so do those of audio and images: they are the tiny recipe of the
signal with that method put in.
"""

from importlib.resources import files
from pathlib import Path

from vpcodec.errors import ConfigError
from vpcodec.quantizers import QUANTIZERS
from vpcodec.recipe import KINDS, Recipe, load_recipe, replaced

FOLDER = Path(str(files(__package__)))


def recipe_names() -> list[str]:
    """Every name that `find_recipe` knows."""
    written = sorted(path.stem for path in FOLDER.glob("*.toml") if not path.stem.endswith("-tiny"))
    return written + [f"{kind}-{method}-tiny" for kind in KINDS for method in QUANTIZERS]


def find_recipe(name: str) -> Recipe:
    """A recipe by its name, or by the path of a TOML file.

    Raises:
        ConfigError: There is none, or it is not a recipe.
    """
    if name.endswith(".toml"):
        return load_recipe(Path(name))
    if name not in recipe_names():
        raise ConfigError(f"no recipe named {name!r}", hint=f"known: {', '.join(recipe_names())}; or a TOML file")
    if not name.endswith("-tiny"):
        return load_recipe(FOLDER / f"{name}.toml")
    kind, _, method = name.removesuffix("-tiny").partition("-")
    tiny = load_recipe(FOLDER / f"{kind}-tiny.toml")
    recipe: Recipe = replaced(tiny, ["quantizer"], {"method": method, "rates": [256]})
    return recipe
