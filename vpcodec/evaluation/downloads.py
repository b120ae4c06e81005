"""Fetch the data sets whose official source hands them out to anybody."""

import hashlib
import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from vpcodec.errors import ConfigError, DataError


@dataclass(frozen=True)
class Source:
    """A file on the web.

    Attributes:
        address: Where it is.
        size: About how large, for the one who waits.
        sha256: Of its content; None where its source states none.
    """

    address: str
    size: str
    sha256: str | None = None


LIBRISPEECH = "https://www.openslr.org/resources/12"

SOURCES: dict[tuple[str, str], tuple[Source, ...]] = {
    ("librispeech", "test-clean"): (
        Source(
            f"{LIBRISPEECH}/test-clean.tar.gz",
            "346 MB",
            "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
        ),
    ),
    ("librispeech", "test-other"): (
        Source(
            f"{LIBRISPEECH}/test-other.tar.gz",
            "328 MB",
            "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
        ),
    ),
    ("librispeech", "dev-clean"): (
        Source(
            f"{LIBRISPEECH}/dev-clean.tar.gz",
            "337 MB",
            "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        ),
    ),
    ("librispeech", "dev-other"): (
        Source(
            f"{LIBRISPEECH}/dev-other.tar.gz",
            "314 MB",
            "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
        ),
    ),
    ("coco", "val2017"): (
        Source(
            "http://images.cocodataset.org/zips/val2017.zip",
            "815 MB",
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        ),
    ),
    ("kodak", ""): tuple(
        Source(f"https://r0k.us/graphics/kodak/kodak/kodim{number:02}.png", "0.6 MB") for number in range(1, 25)
    ),
}


def download(name: str, split: str, root: Path) -> None:
    """Bring a data set into a folder, unpacked. What is there already is not fetched again.

    Raises:
        ConfigError: Its source wants an agreement or an account first.
        DataError: It cannot be fetched, is not what was expected, or cannot be unpacked.
    """
    if (name, split) not in SOURCES:
        which = ", ".join(sorted({known for known, _ in SOURCES}))
        raise ConfigError(f"{name} is not for anybody to download", hint=f"--download works for {which}")
    for source in SOURCES[name, split]:
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
            raise DataError(f"{source.address}: its content is not the known one (SHA-256 {digest.hexdigest()})")
        partial.replace(target)
    except (URLError, OSError) as error:
        hint = f"fetch it ({source.size}) some other way and put it into {target.parent}"
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
