"""Make the training folders of the released models from free material, and say what went in.

    python scripts/data.py speech OUT      recordings of ../shared/data/free/speech, and the free ones of older shards
    python scripts/data.py photos OUT      photos of ../shared/data/free/photos

Each folder gets tar shards and `sources.json`: files and licence of every source. Only the licences below may go in.
The folder ../shared is not part of the repository; its READMEs name the public origin of every source.
"""

import argparse
import json
import shutil
import sys
import tarfile
from collections import Counter
from pathlib import Path

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
# Shards of free material with the licences of what they hold; free-03 of speech has none of its own and stays out.
FREE = {
    "speech": {
        "free-00": "public domain, CC BY or Apache-2.0",
        "free-01": "CC BY-SA 3.0",
        "free-02": "GPL-2+",
    },
    "photos": {
        "free-00": "public domain, CC0 or CC BY",
        "free-01": "CC BY-SA",
        "free-02": "GPL-2+ or LGPL-3",
        "unsplash-00": "Unsplash licence",
    },
}
# Sources of the older speech shards with a free licence; the other sources there forbid commercial use or state none.
FREE_SOURCES = {
    "librispeech": "CC BY 4.0",
    "hindi": "MIT",
    "mls": "CC BY 4.0",
    "kerstin": "CC0 1.0",
    "vctk": "CC BY 4.0",
    "aishell": "Apache-2.0",
    "ljspeech": "public domain",
    "radae": "BSD 2-clause",
}


def source_of(name: str) -> str:
    """`kerstin` of `kerstin__kerstin__0012.ogg`."""
    return name.partition("__")[0]


def copy_shards(kind: str, out: Path) -> Counter[tuple[str, str]]:
    """Copy the free shards of a kind; returns the number of files by source and licence."""
    counts: Counter[tuple[str, str]] = Counter()
    for name, licence in FREE[kind].items():
        path = SHARED / "free" / kind / f"{name}.tar"
        shutil.copyfile(path, out / path.name)
        with tarfile.open(path) as shard:
            counts.update((source_of(member.name), licence) for member in shard if member.isfile())
    return counts


def copy_free_sources(out: Path) -> Counter[tuple[str, str]]:
    """Write the free recordings of the older speech shards as one shard; returns their number likewise."""
    counts: Counter[tuple[str, str]] = Counter()
    with tarfile.open(out / "older.tar", "w") as chosen:
        for path in sorted((SHARED / "speech").glob("train-*.tar")):
            with tarfile.open(path) as shard:
                for member in shard:
                    if source_of(member.name) in FREE_SOURCES:
                        chosen.addfile(member, shard.extractfile(member))
                        counts[source_of(member.name), FREE_SOURCES[source_of(member.name)]] += 1
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=FREE)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    if not (SHARED / "free").is_dir():
        print(f"{SHARED / 'free'}: not there; the free material lies beside the repository", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    counts = copy_shards(options.kind, options.out)
    if options.kind == "speech":
        counts += copy_free_sources(options.out)
    rows = [{"source": source, "licence": licence, "files": n} for (source, licence), n in sorted(counts.items())]
    (options.out / "sources.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{options.out}: {sum(counts.values())} files of {len({source for source, _ in counts})} sources")
    return 0


if __name__ == "__main__":
    sys.exit(main())
