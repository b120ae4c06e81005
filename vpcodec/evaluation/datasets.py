"""The data sets that codecs are compared on, in the layouts they are handed out in.

A data set is a sorted list of files; nothing is read until an item is evaluated. A folder that does not look
as expected is a DataError that draws the layout and says where the data come from. Layouts are read here and not
by the classes of torchaudio and torchvision, which decode as well and need compiled parts for it; the tests compare.
"""

import csv
import hashlib
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from vpcodec.data.kinds import SUFFIXES, Kind, is_named
from vpcodec.errors import ConfigError, DataError
from vpcodec.evaluation.signals import SIGNALS


@dataclass(frozen=True)
class Item:
    """One recording or photo: its path below the data set's root, which names it, and its file."""

    name: str
    path: Path


@dataclass(frozen=True)
class Dataset:
    """Items of one kind, and how they are prepared.

    Attributes:
        name: With its split: "librispeech/test-other".
        kind: "speech", "audio" or "image".
        items: In the order of their names.
        side: Images are cut to squares of so many pixels; None for whole images, and for speech.
    """

    name: str
    kind: str
    items: tuple[Item, ...]
    side: int | None = None

    def seen_as(self, kind: str) -> "Dataset":
        """The same recordings for a model of another kind of sound; itself where its files are not of that kind."""
        return replace(self, kind=kind) if SIGNALS[kind].media == SIGNALS[self.kind].media else self

    def sample(self, count: int | None) -> "Dataset":
        """At most `count` items, spread evenly over the whole, so that every part of it is met; None for all."""
        if count is None or count >= len(self.items):
            return self
        if count < 1:
            raise ConfigError(f"a sample has 1 item or more, got {count}")
        step = len(self.items) / count
        return replace(self, items=tuple(self.items[int(index * step)] for index in range(count)))


@dataclass(frozen=True)
class Source:
    """A file on the web that anybody may download; no checksum where its source states none."""

    address: str
    size: str
    sha256: str | None = None


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    Attributes:
        title: Its full name.
        kind: "speech", "audio" or "image"; None where the files decide.
        splits: Names of its parts, the usual one first; empty for a set without.
        side: As in `Dataset`.
        drawing: Of the folder expected, with {split}.
        source: Where to get it.
        find: Files of a split below a root; empty where the layout is another.
        downloads: Files of each split, of a set whose official source hands it out to anybody.
    """

    title: str
    kind: str
    splits: tuple[str, ...]
    side: int | None
    drawing: str
    source: str
    find: Callable[[Path, str], Sequence[Path]]
    downloads: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)


def media(kind: Kind, patterns: Sequence[str], *places: Path) -> list[Path]:
    """Files of a kind in the first folder that exists, by the first pattern that finds any; ** for all below it."""
    for folder in [place for place in places if place.is_dir()][:1]:
        for pattern in patterns:
            found = [path for path in folder.glob(pattern) if is_named(path.name, SUFFIXES[kind]) and path.is_file()]
            if found:
                return found
    return []


def named_like(root: Path, split: str) -> list[Path]:
    """The root itself, if it is the folder of the split."""
    return [root] if root.name == split else []


def librispeech(root: Path, split: str) -> list[Path]:
    return media("speech", ["*/*/*"], root / "LibriSpeech" / split, root / split, *named_like(root, split))


def common_voice(root: Path, split: str) -> list[Path]:
    places = [root, root / "en", *sorted(root.glob("cv-corpus-*/en"))]
    release = next((place for place in places if (place / f"{split}.tsv").is_file()), None)
    if release is None:
        return []
    with (release / f"{split}.tsv").open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        if "path" not in (rows.fieldnames or ()):
            return []
        # Names come from a file: only plain ones are taken.
        names = {Path(row["path"]).name for row in rows if row["path"]}
    return [release / "clips" / name for name in names]


def coco(root: Path, split: str) -> list[Path]:
    return media("image", ["*"], root / split, root / "images" / split, *named_like(root, split))


def imagenet(root: Path, split: str) -> list[Path]:
    places = root / split, root / "ILSVRC" / "Data" / "CLS-LOC" / split, *named_like(root, split)
    return media("image", ["*", "n[0-9]*/*"], *places)


def celeba_hq(root: Path, split: str) -> list[Path]:
    places = root / "CelebA-HQ-img", root / "CelebAMask-HQ" / "CelebA-HQ-img", root / "celeba_hq" / "val"
    return media("image", ["*", "*/*"], *places) or media("image", ["*"], root)


def kodak(root: Path, split: str) -> list[Path]:
    return [path for path in media("image", ["*"], root) if re.fullmatch(r"kodim\d\d", path.stem)]


LIBRISPEECH = {  # size and SHA-256 of each split
    "test-clean": ("346 MB", "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),
    "test-other": ("328 MB", "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"),
    "dev-clean": ("337 MB", "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),
    "dev-other": ("314 MB", "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),
}
COCO = "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"

LAYOUTS: dict[str, Layout] = {
    "librispeech": Layout(
        title="LibriSpeech",
        kind="speech",
        splits=tuple(LIBRISPEECH),
        side=None,
        drawing="LibriSpeech/{split}/<speaker>/<chapter>/<utterance>.flac",
        source="openslr.org/12, or --download",
        find=librispeech,
        downloads={
            split: (Source(f"https://www.openslr.org/resources/12/{split}.tar.gz", size, sha256),)
            for split, (size, sha256) in LIBRISPEECH.items()
        },
    ),
    "common-voice": Layout(
        title="Common Voice",
        kind="speech",
        splits=("test", "dev", "validated"),
        side=None,
        drawing="en/{split}.tsv and en/clips/<clip>.mp3 (the folder of a release)",
        source="commonvoice.mozilla.org, after agreeing to its terms",
        find=common_voice,
    ),
    "coco": Layout(
        title="COCO 2017",
        kind="image",
        splits=("val2017",),
        side=256,
        drawing="{split}/<id>.jpg",
        source="cocodataset.org, or --download",
        find=coco,
        downloads={"val2017": (Source("http://images.cocodataset.org/zips/val2017.zip", "815 MB", COCO),)},
    ),
    "imagenet": Layout(
        title="ImageNet",
        kind="image",
        splits=("val",),
        side=256,
        drawing="{split}/<photo>.JPEG or {split}/<class>/<photo>.JPEG",
        source="image-net.org, after registering",
        find=imagenet,
    ),
    "celeba-hq": Layout(
        title="CelebA-HQ",
        kind="image",
        splits=(),
        side=256,
        drawing="CelebA-HQ-img/<number>.jpg, celeba_hq/val/<class>/<photo>.jpg, or the photos themselves",
        source="the project page of CelebAMask-HQ",
        find=celeba_hq,
    ),
    "kodak": Layout(
        title="Kodak",
        kind="image",
        splits=(),
        side=None,
        drawing="kodim01.png to kodim24.png",
        source="r0k.us/graphics/kodak, or --download",
        find=kodak,
        downloads={
            "": tuple(
                Source(f"https://r0k.us/graphics/kodak/kodak/kodim{number:02}.png", "0.6 MB") for number in range(1, 25)
            )
        },
    ),
}


def open_dataset(name: str, root: Path | None = None, *, fetch: bool = False) -> Dataset:
    """A data set by name, or any folder by its path.

    Args:
        name: A key of `LAYOUTS`, with its split after a slash if need be ("librispeech/test-other"); or a folder.
        root: Where it lies; not for a folder.
        fetch: Download it to `root` first, where its official source allows that.

    Raises:
        ConfigError: There is no such data set or split, or a folder is given what only data sets with a name take.
        DataError: It is not at `root`, or not in the layout expected.
    """
    name, _, given = name.partition("/") if name.partition("/")[0] in LAYOUTS else (name, "", "")
    layout = LAYOUTS.get(name)
    if layout is None:
        return open_folder(name, root, fetch)
    split = given or next(iter(layout.splits), "")
    if split and split not in layout.splits:
        hint = f"it has {', '.join(layout.splits)}" if layout.splits else "it has none"
        raise ConfigError(f"{layout.title} has no split {split!r}", hint=hint)
    expected = f"expected below it: {layout.drawing.format(split=split)}; get it from {layout.source}"
    if root is None:
        raise ConfigError(f"the folder of {layout.title} is not given; name it with --root", hint=expected)
    if fetch:
        download(name, split, root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", hint=expected)
    files = sorted(layout.find(root, split))
    if not files:
        raise DataError(f"{root}: no {layout.title}{f' {split}' if split else ''} in it", hint=expected)
    return Dataset(f"{name}/{split}" if split else name, layout.kind, named(files, root), layout.side)


def title_of(name: str) -> str:
    """What `Dataset.name` says, for readers: "LibriSpeech test-clean", or "the folder `recordings`"."""
    known, _, split = name.partition("/")
    return f"{LAYOUTS[known].title} {split}".strip() if known in LAYOUTS else f"the folder `{name}`"


def open_folder(name: str, root: Path | None, fetch: bool) -> Dataset:
    """All recordings, or all photos, below a folder. Raises ConfigError or DataError as `open_dataset` does."""
    folder = Path(name)
    if not folder.is_dir():
        hint = f"choose from {', '.join(LAYOUTS)}, or name a folder"
        raise ConfigError(f"{folder} is neither a data set nor a folder", hint=hint)
    if root is not None or fetch:
        raise ConfigError(
            f"{folder} is a folder, not the name of a data set",
            hint="--root and --download are for data sets with a name",
        )
    found = {kind: sorted(media(kind, ["**/*"], folder)) for kind in SUFFIXES}
    kinds = [kind for kind, files in found.items() if files]
    if len(kinds) != 1:
        what = "both speech and images" if kinds else "neither speech nor images"
        raise DataError(f"{folder}: holds {what}", hint="name a folder with one kind of media")
    return Dataset(folder.resolve().name, kinds[0], named(found[kinds[0]], folder))


def named(files: list[Path], root: Path) -> tuple[Item, ...]:
    """Items called by their paths below a folder: file names alone may be equal in several folders."""
    return tuple(Item(path.relative_to(root).as_posix(), path) for path in files)


def download(name: str, split: str, root: Path) -> None:
    """Bring a data set into a folder, unpacked. What is there already is not fetched again.

    Raises:
        ConfigError: Its source wants an agreement or an account first.
        DataError: It cannot be fetched, is not what was expected, or cannot be unpacked.
    """
    if split not in LAYOUTS[name].downloads:
        which = ", ".join(sorted(known for known, layout in LAYOUTS.items() if layout.downloads))
        raise ConfigError(f"{name} cannot be downloaded", hint=f"--download works for {which}")
    for source in LAYOUTS[name].downloads[split]:
        archive = root / source.address.rsplit("/", 1)[1]
        if not archive.is_file():
            fetch(source, archive)
        unpack(archive, root)


def fetch(source: Source, target: Path) -> None:
    """One file, whole or not at all. Raises DataError."""
    partial = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(source.address, timeout=60) as response, partial.open("wb") as file:
            while block := response.read(1 << 20):
                digest.update(block)
                file.write(block)
            expected = response.headers.get("Content-Length")
            if expected is not None and file.tell() != int(expected):
                raise DataError(f"{source.address}: the connection ended after {file.tell():,} of {expected} bytes")
        if source.sha256 is not None and digest.hexdigest() != source.sha256:
            raise DataError(f"{source.address}: unexpected content (SHA-256 {digest.hexdigest()})")
        partial.replace(target)
    except (URLError, OSError) as error:
        hint = f"download it ({source.size}) in another way and put it into {target.parent}"
        raise DataError(f"{source.address}: cannot be downloaded ({error})", hint=hint) from error
    finally:
        partial.unlink(missing_ok=True)


def unpack(archive: Path, root: Path) -> None:
    """Archives are unpacked beside themselves; other files are left as they are. Raises DataError."""
    done = archive.with_name(archive.name + ".unpacked")
    if done.exists():
        return
    try:
        if archive.name.endswith(".tar.gz"):
            with tarfile.open(archive) as members:
                members.extractall(root, filter="data")
        elif archive.suffix == ".zip":
            shutil.unpack_archive(archive, root)
        else:
            return
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error})", hint="remove it and download it again") from error
    done.touch()
