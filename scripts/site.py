"""Build the documents into a static site, which fetches nothing from elsewhere: `make site`.

    python scripts/site.py            site/index.html
    python -m http.server -d site     to search in it, too

README becomes the first page, the other notes of the root and the models' cards become pages, too. Links are turned
with them: what is a page there is a link there, what is not is only named. Needs the extra `docs`.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "build" / "site"  # named in zensical.toml, too
NOTES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
MODELS = "models/index.md"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def main() -> None:
    shutil.rmtree(SOURCE, ignore_errors=True)
    places = pages()
    for source, place in places.items():
        if (ROOT / source).is_dir():
            continue
        target = SOURCE / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.endswith(".md"):
            text = (ROOT / source).read_text(encoding="utf-8")
            target.write_text(turned(text, source, places), encoding="utf-8")
        else:
            shutil.copy(ROOT / source, target)
    (SOURCE / MODELS).write_text(list_of_models(), encoding="utf-8")
    generator = Path(sys.executable).with_name("zensical")
    sys.exit(subprocess.run([generator, "build", "--clean", "--strict"], cwd=ROOT).returncode)


def list_of_models() -> str:
    """The page that leads to the cards."""
    names = sorted(card.parent.name for card in ROOT.glob("models/*/card.md"))
    return "# Models\n\n" + "".join(f"- [{name}]({name}.md)\n" for name in names)


def pages() -> dict[str, str]:
    """Every file that the site is made of, with its place in the site."""
    documents = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("docs/**/*.md"))]
    shown = [path for pattern in ("docs/pictures/*", "docs/gallery/*.html") for path in sorted(ROOT.glob(pattern))]
    media = [path.relative_to(ROOT).as_posix() for path in shown]
    folders = [card.parent.name for card in ROOT.glob("models/*/card.md")]
    cards = {"models": MODELS} | {f"models/{name}/card.md": f"models/{name}.md" for name in folders}
    return NOTES | {name: name.removeprefix("docs/") for name in documents + media} | cards


def turned(text: str, source: str, places: dict[str, str]) -> str:
    """A document with the links that it has as a page.

    Args:
        text: The document.
        source: Where it stands in the checkout.
        places: Every file of the site, with its place.
    """
    up = "../" * places[source].count("/")

    def turn(link: re.Match[str]) -> str:
        picture, name, target, anchor = link.groups()
        path = (ROOT / source).parent.joinpath(target).resolve()
        place = places.get(path.relative_to(ROOT).as_posix()) if path.is_relative_to(ROOT) else None
        return f"{picture}[{name}]({up}{place}{anchor or ''})" if place else name

    return LINK.sub(turn, text)


if __name__ == "__main__":
    main()
