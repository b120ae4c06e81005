"""Make the training folders of the released models from free material, and say what went in.

    python scripts/data.py speech OUT      recordings of ../shared/data/free/speech, and the free ones of older shards
    python scripts/data.py photos OUT      photos of ../shared/data/free/photos

Each folder gets tar shards, `sources.json` and `sources.md`. The first has files, license, credit, and speakers or
photos of every source; the second is the table of a model's card, which `scripts/release.py` puts there. Only sources
of the tables below may go in. The folder ../shared is not part of the repository.
"""

import argparse
import json
import shutil
import sys
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
# Shards of free material. `free-03` of speech has no license of its own and stays out.
SHARDS = {
    "speech": ("free-00", "free-01", "free-02"),
    "photos": ("free-00", "free-01", "free-02", "unsplash-00"),
}


class Source(NamedTuple):
    """Where recordings or photos come from, their license, and whom it asks to name."""

    title: str
    license: str
    credit: str


# By the first part of a file's name. Those marked as older lie in shards with others that are not free.
OLDER = ("librispeech", "hindi", "mls", "kerstin", "vctk", "aishell", "ljspeech", "radae")
SOURCES = {
    "aishell": Source("AISHELL-1, one speaker", "Apache-2.0", "Bu et al., Beijing Shell Shell Technology, 2017"),
    "asten": Source("Asterisk prompts, English", "CC BY-SA 3.0", "Allison Smith, Digium"),
    "astes": Source("Asterisk prompts, Spanish", "CC BY-SA 3.0", "Allison Smith, Digium"),
    "astfr": Source("Asterisk prompts, French", "CC BY-SA 3.0", "June Wallack"),
    "astit": Source("Asterisk prompts, Italian", "CC BY 3.0", "Carlo Flora (segreterietelefoniche.it)"),
    "astru": Source("Asterisk prompts, Russian", "CC BY 3.0", "Maxim Topal (ivrvoice.ru)"),
    "filletscs": Source("Fish Fillets NG, Czech dialogues", "GPL-2", "ALTAR and the authors of fillets-ng"),
    "filletsnl": Source("Fish Fillets NG, Dutch dialogues", "GPL-2", "ALTAR and the authors of fillets-ng"),
    "fleurs": Source("FLEURS", "CC BY 4.0", "Conneau et al., Google, 2022"),
    "hindi": Source("Hindi speech corpus", "MIT", "Aashish Yadavally"),
    "kerstin": Source("Kerstin, German", "CC0 1.0", "Kerstin, for Rhasspy"),
    "klettres": Source("KLettres, letters in 20 languages", "GPL-2+", "KDE and the speakers of KLettres"),
    "ktuberling": Source("KTuberling, words in 17 languages", "GPL-2+", "KDE and the speakers of KTuberling"),
    "librispeech": Source("LibriSpeech train-clean-100", "CC BY 4.0", "Panayotov et al., 2015; readers of LibriVox"),
    "ljspeech": Source("LJ Speech", "public domain", "Keith Ito and Linda Johnson, 2017"),
    "mls": Source("Multilingual LibriSpeech", "CC BY 4.0", "Pratap et al., Facebook, 2020; readers of LibriVox"),
    "precise": Source("Precise Community Data", "public domain", "adocampo, krisgesling and Jody Nickel"),
    "pvintent": Source("Speech-to-intent benchmark", "Apache-2.0", "Picovoice Inc."),
    "pvwake": Source("Wake word benchmark", "Apache-2.0", "Picovoice Inc."),
    "radae": Source("RADAE", "BSD-2-Clause", "David Rowe and the radio amateurs heard"),
    "so762": Source("speechocean762", "CC BY 4.0", "Zhang et al., Interspeech 2021"),
    "tuxpaint": Source("Tux Paint", "GPL-2+", "Bill Kendrick and the volunteers of Tux Paint"),
    "vctk": Source("VCTK", "CC BY 4.0", "Yamagishi et al., University of Edinburgh, 2019"),
    "budgie": Source("Budgie backgrounds", "CC0 1.0", "the photographers of budgie-backgrounds"),
    "cid22": Source("CID22", "CC BY-SA 4.0", "Cloudinary"),
    "clic2025": Source("CLIC 2025", "Unsplash license", "the photographers, on Unsplash"),
    "elementary": Source("elementary wallpapers until 2017", "CC0 1.0", "the photographers, on Unsplash"),
    "elementaryu": Source("elementary wallpapers", "Unsplash license", "the photographers, on Unsplash"),
    "lomiri": Source("Lomiri wallpapers", "CC BY 4.0, CC BY-SA 3.0 and 4.0, CC0 1.0", "those in the names of files"),
    "mate": Source("MATE backgrounds", "GPL-2+", "the authors in the package's copyright file"),
    "openimages": Source("Open Images", "CC BY 2.0", "the photographers, on Flickr, by the ids of the photos"),
    "plasma": Source("KDE Plasma wallpapers", "LGPL-3", "the authors in the wallpapers' metadata"),
    "skimage": Source("scikit-image", "CC0 1.0 or public domain", "NASA, S. van der Walt, R. Michetti, SpaceX"),
}
HEAD = "| source | files | {of} | license | credit |\n|---|---:|---:|---|---|\n"
PARTS = {"speech": "speakers", "photos": "photos"}  # of which a name's second part tells each


def copied(kind: str, out: Path) -> Iterator[str]:
    """Copy the free shards of a kind; yields the name of each file in them."""
    for name in SHARDS[kind]:
        path = SHARED / "free" / kind / f"{name}.tar"
        shutil.copyfile(path, out / path.name)
        with tarfile.open(path) as shard:
            yield from (member.name for member in shard if member.isfile())


def chosen(out: Path) -> Iterator[str]:
    """Write the free recordings of the older speech shards as one shard; yields their names."""
    with tarfile.open(out / "older.tar", "w") as free:
        for path in sorted((SHARED / "speech").glob("train-*.tar")):
            with tarfile.open(path) as shard:
                for member in shard:
                    if member.name.partition("__")[0] in OLDER:
                        free.addfile(member, shard.extractfile(member))
                        yield member.name


MAKERS: dict[str, list[Callable[[Path], Iterator[str]]]] = {
    "speech": [lambda out: copied("speech", out), chosen],
    "photos": [lambda out: copied("photos", out)],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=SHARDS)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    if not (SHARED / "free").is_dir():
        print(f"{SHARED / 'free'}: not there; the free material lies beside the repository", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[str]] = defaultdict(list)  # by source the second part of each name
    for make in MAKERS[options.kind]:
        for name in make(options.out):
            source, part = Path(name).stem.split("__")[:2]
            found[source].append(part)
    rows, table = [], HEAD.format(of=PARTS[options.kind])
    for name, parts in sorted(found.items()):
        source, different = SOURCES[name], sorted(set(parts))
        rows.append({"source": name, **source._asdict(), "files": len(parts), PARTS[options.kind]: different})
        table += f"| {source.title} | {len(parts):,} | {len(different):,} | {source.license} | {source.credit} |\n"
    (options.out / "sources.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (options.out / "sources.md").write_text(table, encoding="utf-8")
    print(f"{options.out}: {sum(map(len, found.values())):,} files of {len(found)} sources")
    return 0


if __name__ == "__main__":
    sys.exit(main())
