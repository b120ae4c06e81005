"""Data sets are found in the layouts they are handed out in; others are told what was expected."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.conftest import SHARED
from vpcodec.errors import ConfigError, DataError, InputError
from vpcodec.evaluation.datasets import LAYOUTS, Source, fetch, open_dataset, title_of, unpack
from vpcodec.evaluation.signals import SIGNALS, read_image, read_speech

# A file of each layout, below the root, for the data set and split that it belongs to.
EXAMPLES = {
    "librispeech/test-other": ["LibriSpeech/test-other/367/130732/367-130732-0000.flac"],
    "librispeech/dev-clean": ["dev-clean/84/121123/84-121123-0001.flac"],
    "coco/val2017": ["val2017/000000000139.jpg"],
    "imagenet/val": ["val/ILSVRC2012_val_00000001.JPEG"],
    "celeba-hq": ["CelebA-HQ-img/0.jpg"],
    "kodak": ["kodim01.png", "kodim24.png"],
}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_data_set_is_found_in_its_own_layout(name, tmp_path):
    touch(tmp_path, *EXAMPLES[name], "README.txt")
    dataset = open_dataset(name, tmp_path)
    assert (dataset.name, dataset.kind) == (name, LAYOUTS[name.split("/")[0]].kind)
    assert [item.path for item in dataset.items] == [tmp_path / path for path in EXAMPLES[name]]


def test_imagenet_is_found_in_class_folders_too(tmp_path):
    touch(tmp_path, "val/n01440764/a.JPEG", "val/n01443537/a.JPEG", "val/notes/c.JPEG")
    names = [item.name for item in open_dataset("imagenet", tmp_path).items]
    assert names == ["val/n01440764/a.JPEG", "val/n01443537/a.JPEG"]


def test_common_voice_takes_the_clips_that_its_table_lists(tmp_path):
    release = tmp_path / "cv-corpus-18.0-2024-06-14" / "en"
    touch(release, "clips/one.mp3", "clips/two.mp3", "clips/other.mp3")
    (release / "test.tsv").write_text('client_id\tpath\tsentence\na\ttwo.mp3\tHi\nb\t../one.mp3\t"Quote\n')
    assert [item.path for item in open_dataset("common-voice", tmp_path).items] == [
        release / "clips" / "one.mp3",
        release / "clips" / "two.mp3",
    ]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_wrong_root_is_told_the_layout_and_the_source(name, tmp_path):
    touch(tmp_path, "holiday.txt")
    with pytest.raises(DataError) as failure:
        open_dataset(name, tmp_path)
    assert str(tmp_path) in failure.value.what
    assert LAYOUTS[name].source in failure.value.hint
    assert "expected below it" in failure.value.hint
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(name, tmp_path / "missing")


def test_a_data_set_without_a_root_asks_for_it():
    with pytest.raises(ConfigError, match="--root"):
        open_dataset("coco")


def test_a_split_or_a_data_set_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    with pytest.raises(ConfigError) as failure:
        open_dataset("librispeech/test-noisy", tmp_path)
    assert "test-other" in failure.value.hint
    with pytest.raises(ConfigError) as failure:
        open_dataset("librispech")
    assert "librispeech" in failure.value.hint


def test_any_folder_is_a_data_set_of_what_it_holds(images, speech):
    assert (images.kind, images.name, len(images.items)) == ("image", "images", 5)
    assert (speech.kind, [item.name for item in speech.items][-1]) == ("speech", "silence.wav")
    with pytest.raises(DataError, match="both speech and images"):
        open_dataset(str(Path(images.items[0].path).parent.parent))


def test_a_folder_is_not_looked_for_below_another(images):
    folder = str(Path(images.items[0].path).parent)
    for options in ({"root": Path(folder)}, {"fetch": True}):
        with pytest.raises(ConfigError, match="is a folder, not the name of a data set"):
            open_dataset(folder, **options)
    with pytest.raises(ConfigError, match="folder is neither a data set nor a folder"):
        open_dataset("folder", Path(folder))


def test_a_data_set_has_a_title_for_readers():
    assert title_of("librispeech/test-clean") == "LibriSpeech test-clean"
    assert title_of("kodak") == "Kodak"
    assert title_of("recordings") == "the folder `recordings`"


def test_a_sample_is_spread_over_the_whole(images):
    assert [item.name for item in images.sample(2).items] == ["photo0.png", "photo2.png"]
    assert images.sample(99) == images
    with pytest.raises(ConfigError):
        images.sample(0)


def test_speech_becomes_mono_at_16_khz(tmp_path):
    time = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "stereo.wav", np.stack([0.5 * tone, 0.1 * tone], 1), 44_100, "FLOAT")
    samples = read_speech(tmp_path / "stereo.wav")
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert samples.shape == (16_000,)
    assert np.abs(samples - expected)[500:-500].max() < 1e-3


def test_a_photo_is_turned_upright_and_its_centre_cut_out(tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = 255  # white on the right; turned a quarter to the right, white is below
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    whole = read_image(tmp_path / "turned.png")
    cut = read_image(tmp_path / "turned.png", side=20)
    assert whole.shape == (80, 40, 3)
    assert whole[:40].max() == 0
    assert cut.shape == (20, 20, 3)
    assert cut[0].max() == 0
    assert cut[-1].min() == 255


def test_a_file_that_is_no_photo_is_named(images):
    with pytest.raises(InputError, match=r"torn\.png"):
        read_image(images.items[-1].path)


def test_a_download_that_is_not_what_was_expected_leaves_nothing_behind(tmp_path):
    (tmp_path / "origin").write_bytes(b"surprise")
    address = (tmp_path / "origin").as_uri()
    with pytest.raises(DataError, match="unexpected content"):
        fetch(Source(address, "8 B", "0" * 64), tmp_path / "new" / "data.tar.gz")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_download_is_checked_unpacked_and_not_repeated(tmp_path, monkeypatch):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        members.addfile(tarfile.TarInfo("LibriSpeech/test-clean/1/2/1-2-0000.flac"))
    (tmp_path / "test-clean.tar.gz").write_bytes(archive.getvalue())
    address = (tmp_path / "test-clean.tar.gz").as_uri()
    source = Source(address, "1 kB", hashlib.sha256(archive.getvalue()).hexdigest())
    monkeypatch.setitem(LAYOUTS["librispeech"].downloads, "test-clean", (source,))
    root = tmp_path / "root"
    names = [item.name for item in open_dataset("librispeech", root, fetch=True).items]
    assert names == ["LibriSpeech/test-clean/1/2/1-2-0000.flac"]
    (tmp_path / "test-clean.tar.gz").unlink()
    assert len(open_dataset("librispeech", root, fetch=True).items) == 1


def test_an_unreachable_source_says_how_else_to_get_it(tmp_path):
    with pytest.raises(DataError) as failure:
        fetch(Source((tmp_path / "nowhere").as_uri(), "5 MB"), tmp_path / "data")
    assert "in another way" in failure.value.hint
    assert "5 MB" in failure.value.hint


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "val2017.zip").write_bytes(b"PK not really")
    with pytest.raises(DataError, match=r"val2017\.zip: cannot be unpacked"):
        unpack(tmp_path / "val2017.zip", tmp_path)


def test_a_data_set_that_wants_an_agreement_is_not_downloaded(tmp_path):
    with pytest.raises(ConfigError) as failure:
        open_dataset("imagenet", tmp_path, fetch=True)
    assert "librispeech" in failure.value.hint


@pytest.mark.parametrize(
    ("name", "folder", "count"),
    [("librispeech", "speech/librispeech", 36), ("coco", "images/coco", 8), ("imagenet", "images/imagenet", 8)],
)
def test_the_real_samples_are_found_and_readable(name, folder, count):
    root = SHARED / "data" / folder
    if not root.is_dir():
        pytest.skip("no data sets: set VPCODEC_SHARED")
    dataset = open_dataset(name, root)
    assert len(dataset.items) == count
    assert SIGNALS[dataset.kind].read(dataset.items[0].path, dataset.side).size > 0
