"""Training crops from folders and tar shards."""

import gzip
import io
import os
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.conftest import MEDIA
from vpcodec.config import Network
from vpcodec.data.audio import open_audio
from vpcodec.data.crops import NARROW_SHARE, ImageCrops, SoundCrops, StereoCrops, open_crops, without_upper_band
from vpcodec.data.level import TARGET
from vpcodec.data.media import list_media
from vpcodec.data.streams import Pieces
from vpcodec.errors import DataError
from vpcodec.recipe import Data, Recipe

OPTIONS = Data(batch=3, crop=50)
OPTIONS_OF_PHOTOS = Data(batch=4, crop=2)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of each test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VPCODEC_CACHE", str(folder))
    return folder


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A tar shard with real media, one of which a folder holds loose as well."""
    path = tmp_path / "train-00.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("speech.flac", "coffee.jpg", "cat.png", "README.md"):
            tar.add(MEDIA / name, name)
    return path


def test_shards_and_loose_files_are_listed_by_kind(shard: Path, tmp_path: Path) -> None:
    (tmp_path / "loose.flac").write_bytes((MEDIA / "speech.flac").read_bytes())
    assert sorted(file.name for file in list_media(tmp_path, "speech")) == ["loose.flac", "speech.flac"]
    assert [file.name for file in list_media(shard, "image")] == ["coffee.jpg", "cat.png"]


def test_a_member_of_a_shard_reads_as_the_file_it_was(shard: Path) -> None:
    (member,) = list_media(shard, "speech")
    assert member.read() == (MEDIA / "speech.flac").read_bytes()


def test_speech_crops_come_at_the_level_the_network_expects(shard: Path) -> None:
    crops = SoundCrops(shard, Data(batch=3, crop=600, augment=False), 96, seed=0)
    batch = crops.batch(0)
    assert batch.shape == (3, 57600)
    assert batch.dtype == np.float32
    assert abs(20 * np.log10(np.sqrt(np.square(batch).mean())) - TARGET) < 6


def test_some_speech_crops_lack_the_upper_band(shard: Path) -> None:
    def upper_share(batch: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(batch)) ** 2
        return np.asarray(power[:, power.shape[1] * 15 // 16 :].sum(axis=1) / power.sum(axis=1))

    narrow, whole = (
        upper_share(SoundCrops(shard, Data(batch=200, crop=168, augment=augment), 96, seed=0).batch(0)) < 1e-12
        for augment in (True, False)
    )
    assert abs(narrow.mean() - NARROW_SHARE) < 0.08
    assert not whole.any()


def test_below_its_end_a_band_stays_as_it_is() -> None:
    time = np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (1_000, 5_000))
    np.testing.assert_allclose(without_upper_band(low + high, 3_400, 16_000), low, atol=1e-5)


def test_image_crops_are_squares_in_minus_one_to_one(shard: Path) -> None:
    batch = ImageCrops(shard, Data(batch=4, crop=8), 8, seed=0).batch(0)
    assert batch.shape == (4, 64, 64, 3)
    assert -1 <= batch.min() < 0 < batch.max() <= 1


@pytest.mark.parametrize("kind", [SoundCrops, ImageCrops])
def test_seed_and_step_alone_decide_a_batch(shard: Path, kind: type) -> None:
    options = Data(batch=3, crop=16)
    first, second = (kind(shard, options, 8, seed=1) for _ in range(2))
    second.batch(5)
    assert np.array_equal(first.batch(7), second.batch(7))
    assert not np.array_equal(first.batch(7), first.batch(8))
    assert not np.array_equal(first.batch(7), kind(shard, options, 8, seed=2).batch(7))
    shares = []
    for rank in (0, 1):
        second.share(rank, 2)
        shares.append(second.batch(7))
    assert np.array_equal(np.concatenate(shares)[[0, 2, 1]], first.batch(7))  # together they are what one draws


def test_a_recording_or_photo_smaller_than_a_crop_is_filled_up(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.full(100, 0.5), 16_000)
    Image.new("RGB", (5, 3), (255, 255, 255)).save(tmp_path / "small.png")
    speech = SoundCrops(tmp_path, Data(batch=3, crop=50, augment=False), 96, seed=0).batch(0)
    assert (speech[:, 100:] == 0).all()
    assert (ImageCrops(tmp_path, Data(batch=1, crop=2), 8, seed=0).batch(0) == 1).all()


def test_what_is_broken_or_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        list_media(tmp_path / "nowhere", "speech")
    (tmp_path / "broken.tar").write_bytes(b"this is no tar file")
    with pytest.raises(DataError, match=r"broken\.tar"):
        list_media(tmp_path, "speech")
    (tmp_path / "broken.tar").unlink()
    (tmp_path / "broken.wav").write_bytes(io.BytesIO(b"RIFFnothing").getvalue())
    photos(tmp_path, 1)
    assert ImageCrops(tmp_path, OPTIONS_OF_PHOTOS, 8, seed=0).extent() == "1 photo, 0.01 megapixels"
    with pytest.raises(DataError, match=r"1 of 1 speech files cannot be read; .*broken\.wav: "):
        SoundCrops(tmp_path, OPTIONS, 96, seed=0)


def photos(folder: Path, count: int) -> None:
    """Photos of 100x100 pixels, each of one gray of its own."""
    for index in range(count):
        Image.new("RGB", (100, 100), (10 * index,) * 3).save(folder / f"{index:02}.png")


def test_a_photo_that_cannot_be_read_is_left_out_and_another_drawn_in_its_place(tmp_path: Path) -> None:
    photos(tmp_path, 10)
    Path(tmp_path, "03.png").write_bytes(Path(tmp_path, "03.png").read_bytes()[:60])
    crops, again = (ImageCrops(tmp_path, Data(batch=32, crop=2), 8, seed=0) for _ in range(2))
    grays = {round(float((crop.mean() + 1) / 2 * 255)) // 10 for crop in crops.batch(0)}
    assert grays <= set(range(10)) - {3}
    assert len(grays) > 6
    assert [str(error).count("03.png") for error in crops.skipped.values()] == [1]
    again.batch(7)
    np.testing.assert_array_equal(again.batch(0), crops.batch(0))  # whatever was seen before


def test_more_bad_photos_than_a_tenth_end_the_run(tmp_path: Path) -> None:
    photos(tmp_path, 10)
    for name in ("03.png", "07.png"):
        Path(tmp_path, name).write_bytes(b"\x89PNG\r\n\x1a\n")
    crops = ImageCrops(tmp_path, Data(batch=64, crop=2), 8, seed=0)
    with pytest.raises(DataError, match="2 of 10 image files cannot be read"):
        crops.batch(0)


def test_decoded_media_stay_within_the_budget_and_crops_do_not_depend_on_it(tmp_path: Path) -> None:
    photos(tmp_path, 10)
    plenty, little = (ImageCrops(tmp_path, OPTIONS_OF_PHOTOS, 8, 0, memory) for memory in (1 << 30, 100_000))
    for step in range(20):
        np.testing.assert_array_equal(plenty.batch(step), little.batch(step))
        assert little.held == sum(signal.nbytes for signal in little.decoded.values()) <= 100_000
    assert len(plenty.decoded) == 10
    assert len(little.decoded) == 3  # of 30,000 bytes each


def test_a_recording_in_a_shard_is_measured_without_being_read_whole(shard: Path) -> None:
    (member,) = list_media(shard, "speech")
    with member.open() as file:
        assert file.read(4) == b"fLaC"
        assert file.seek(-10, io.SEEK_END) == member.size - 10
        assert file.read() == member.read()[-10:]
        assert file.seek(0) == 0
        assert file.read() == member.read()


def test_training_sees_a_photo_as_the_codec_does(tmp_path: Path) -> None:
    photo = Image.new("RGBA", (32, 32), (255, 0, 0, 0))  # transparent, which is shown as white
    photo.save(tmp_path / "clear.png")
    assert (ImageCrops(tmp_path, Data(batch=1, crop=2), 8, seed=0).batch(0) == 1).all()


def test_a_packed_shard_is_unpacked_once_into_the_cache(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = shard.with_name("train-00.tar.gz")
    packed.write_bytes(gzip.compress(shard.read_bytes()))
    shard.unlink()
    for _ in range(2):
        (media,) = list_media(packed, "speech")
        assert media.read() == (MEDIA / "speech.flac").read_bytes()
        monkeypatch.delattr("gzip.open", raising=False)  # the second time nothing is unpacked


def test_a_packed_shard_that_was_cut_is_named_and_leaves_nothing_in_the_cache(shard: Path, cache: Path) -> None:
    shard.with_name("cut.tgz").write_bytes(gzip.compress(shard.read_bytes())[:-1000])
    with pytest.raises(DataError, match=r"cut\.tgz"):
        list_media(shard.with_name("cut.tgz"), "speech")
    assert list(cache.iterdir()) == []


def test_sources_add_up_and_are_folders_numbered_shards_or_lists_of_paths(shard: Path, tmp_path: Path) -> None:
    for number in (8, 9, 10):
        shard.with_name(f"part-{number:03}.tar").write_bytes(shard.read_bytes())
    Path(tmp_path, "in").mkdir()
    Path(tmp_path, "in", "name with spaces.flac").write_bytes((MEDIA / "speech.flac").read_bytes())
    Path(tmp_path, "list.txt").write_text("in/name with spaces.flac\n\npart-{008..009}.tar\n")
    numbered, listed = Path(tmp_path, "part-{008..010}.tar"), Path(f"@{tmp_path}/list.txt")
    assert [media.path.name for media in list_media(numbered, "speech")] == [
        f"part-{n}.tar" for n in ("008", "009", "010")
    ]
    names = [media.path.name for media in list_media([tmp_path / "in", listed], "speech")]
    assert names == ["name with spaces.flac"] * 2 + ["part-008.tar", "part-009.tar"]
    with pytest.raises(DataError, match=r"part-011\.tar: no such file"):
        list_media(Path(tmp_path, "part-{010..011}.tar"), "speech")
    Path(tmp_path, "list.txt").write_text("nowhere.flac\n")
    with pytest.raises(DataError, match=r"list\.txt: .*nowhere\.flac: no such file"):
        list_media(listed, "speech")
    with pytest.raises(DataError, match="no-list"):
        list_media(Path("@no-list.txt"), "speech")


def test_folders_behind_links_are_read_once_and_a_link_that_leads_nowhere_is_a_bad_file(tmp_path: Path) -> None:
    for folder in ("data", "elsewhere"):
        Path(tmp_path, folder).mkdir()
    photos(tmp_path / "elsewhere", 10)
    for name, target in (("a", "elsewhere"), ("b", "elsewhere"), ("loop", "data"), ("gone.png", "not fetched.png")):
        Path(tmp_path, "data", name).symlink_to(tmp_path / target)
    crops = ImageCrops(tmp_path / "data", Data(batch=32, crop=2), 8, seed=0)
    assert len(crops.media) == 11
    crops.batch(0)
    assert [str(error) for error in crops.skipped.values()] == [f"{tmp_path}/data/gone.png: no such file or directory"]


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path, 2)
    (tmp_path / "private").mkdir()
    scandir = os.scandir

    def forbidden(path: str) -> object:
        if path.endswith("private"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(DataError, match="private: permission denied"):
        list_media(tmp_path, "image")


def test_lengths_come_from_headers_and_later_from_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("a", 1), ("b", 3)):
        soundfile.write(tmp_path / f"{name}.flac", np.random.default_rng(0).normal(0, 0.1, 16_000 * seconds), 16_000)
    read = Counter[str]()
    readinto = Pieces.readinto
    monkeypatch.setattr(Pieces, "readinto", lambda self, buffer: read.update(bytes=(n := readinto(self, buffer))) or n)
    crops = SoundCrops(tmp_path, OPTIONS, 96, seed=0)
    assert list(crops.amounts) == [1, 3]
    assert list(crops.weights) == [0.25, 0.75]
    assert 0 < read["bytes"] < Path(tmp_path, "b.flac").stat().st_size / 2
    read.clear()
    assert list(SoundCrops(tmp_path, OPTIONS, 96, seed=0).amounts) == [1, 3]
    assert not read
    soundfile.write(tmp_path / "b.flac", np.zeros(16_000 * 2), 16_000)  # changed: measured again
    assert list(SoundCrops(tmp_path, OPTIONS, 96, seed=0).amounts) == [1, 2]
    for rate, amounts in ((16_000, [1, 2, 1]), (8_000, [1, 2, 2])):  # files of one size
        soundfile.write(tmp_path / "c.wav", np.zeros(16_000), rate)
        assert list(SoundCrops(tmp_path, OPTIONS, 96, seed=0).amounts) == amounts


def test_without_a_cache_that_can_be_written_each_start_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder can be in a file")
    monkeypatch.setenv("VPCODEC_CACHE", str(tmp_path / "file" / "cache"))
    photos(tmp_path, 2)
    for _ in range(2):
        crops = ImageCrops(tmp_path, OPTIONS_OF_PHOTOS, 8, seed=0)
        assert crops.extent() == "2 photos, 0.02 megapixels"


def test_recordings_without_a_sample_are_refused_before_training(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    with pytest.raises(DataError, match="are empty"):
        SoundCrops(tmp_path, OPTIONS, 96, seed=0)


def long_recording(path: Path, sample_rate: int = 8_000, **options: str) -> None:
    """70 s of stereo noise, each second louder than the one before."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", sample_rate, 2, **options) as file:
        for level in np.linspace(0.01, 0.2, 70):
            file.write(random.uniform(-level, level, (sample_rate, 2)))


@pytest.mark.parametrize(
    ("name", "sample_rate", "subtype", "off"),
    [
        ("a.flac", 16_000, "PCM_16", 0),
        ("a.wav", 11_025, "PCM_24", 0),
        ("a.wav", 8_000, "FLOAT", 0),
        ("a.ogg", 11_025, "VORBIS", 1e-6),
        ("a.opus", 8_000, "OPUS", 0.02),
    ],
)
def test_parts_of_a_long_recording_are_what_decoding_all_of_it_gives(
    tmp_path: Path, name: str, sample_rate: int, subtype: str, off: float
) -> None:
    long_recording(tmp_path / name, sample_rate, subtype=subtype, format="OGG" if name == "a.opus" else None)
    with open_audio(tmp_path / name) as audio:
        whole = audio.read_all()
    crops = SoundCrops(tmp_path, OPTIONS, 96, seed=0)
    assert crops.parts(0) == 3
    for part in range(3):
        first = round(70 * part / 3 * sample_rate)
        samples, rate = crops.read((0, part))
        assert rate == sample_rate
        assert (
            len(samples) == min(len(whole), round((70 * (part + 1) / 3 + 0.3) * sample_rate)) - first
        )  # a crop of 0.3 s beyond
        np.testing.assert_allclose(samples, whole[first : first + len(samples)], rtol=0, atol=off)


@pytest.mark.parametrize("kind", [SoundCrops, StereoCrops])
def test_a_crop_of_a_long_recording_reads_a_part_of_it_and_has_the_level_of_its_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[SoundCrops]
) -> None:
    long_recording(tmp_path / "long.flac")
    crops = kind(tmp_path, Data(batch=1, crop=500, augment=False), 96, seed=0)
    read = Counter[str]()
    readinto = Pieces.readinto
    monkeypatch.setattr(Pieces, "readinto", lambda self, buffer: read.update(bytes=(n := readinto(self, buffer))) or n)
    levels = [20 * np.log10(np.sqrt(np.square(crops.batch(step)).mean())) for step in range(12)]
    assert len(crops.decoded) == 3  # crops come from everywhere
    assert len(crops.fixed(1)) == 1
    assert read["bytes"] < 1.5 * (tmp_path / "long.flac").stat().st_size  # each part once, and some seeking
    assert np.ptp(levels) < 14  # of 26 dB in the whole recording


def test_a_long_recording_with_a_bad_part_is_named_once_and_goes_on_elsewhere(tmp_path: Path) -> None:
    long_recording(tmp_path / "00.flac")
    content = Path(tmp_path, "00.flac").read_bytes()
    for index in range(1, 12):
        Path(tmp_path, f"{index:02}.flac").write_bytes(content[: len(content) // 2] if index == 3 else content)
    crops = SoundCrops(tmp_path, Data(batch=1, crop=500), 96, seed=0)
    assert all(crops.load((3, part)) is None for part in (1, 2))
    assert crops.load((3, 0)) is not None
    assert {error.what.count("03.flac") for error in crops.skipped.values()} == {1}
    assert np.isfinite(crops.batch(0)).all()


GOLDEN = [
    [0.0076956, 0.0033197, 0.0, -0.0076956, -0.0007545],
    [-0.0129235, 0.0059047, -0.0177141, -0.0004456, -0.0662887],
    [0.0008114, -0.0113594, 0.0348895, 0.043409, 0.0961488],
]  # as the first version drew them, every thousandth sample


def test_crops_of_a_short_recording_stay_what_they_were() -> None:
    batch = SoundCrops(MEDIA / "speech.flac", OPTIONS, 96, seed=0).batch(3)
    np.testing.assert_allclose(batch[:, ::1000], GOLDEN, atol=1e-6)


@pytest.mark.parametrize(("channels", "sample_rate"), [(1, 24_000), (2, 48_000), (2, 32_000)])
def test_crops_have_the_sample_rate_and_channels_of_the_network(
    tmp_path: Path, channels: int, sample_rate: int
) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, tone], axis=1), 44_100)
    network = Network(channels=channels, sample_rate=sample_rate, hop=sample_rate // 100)
    recipe = Recipe(kind="audio", quantizer={"method": "fsp"}, network=network, data=Data(batch=1, crop=50))
    crop = open_crops(tmp_path, recipe, network.hop).batch(0)[0]
    assert crop.shape == ((sample_rate // 2, 2) if channels == 2 else (sample_rate // 2,))
    spectrum = np.abs(np.fft.rfft(crop.reshape(sample_rate // 2, -1)[:, 0]))
    assert spectrum.argmax() * 2 == 1000  # bins of 2 Hz
