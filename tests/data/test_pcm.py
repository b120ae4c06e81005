import io

import numpy as np
import pytest
import soundfile

from vpcodec.data.pcm import FORMATS, beyond_full_scale, bytes_of, depth_of, samples_of, subtype_of

INTEGERS = ["PCM_U8", "PCM_S8", "PCM_16", "PCM_24"]


@pytest.mark.parametrize("subtype", FORMATS)
def test_samples_are_read_as_libsndfile_reads_them(subtype):
    generator = np.random.default_rng(3)
    count = 3 * 8 * 1000
    data = generator.integers(0, 256, count, dtype=np.uint8).tobytes()
    if FORMATS[subtype].floating:
        data = generator.standard_normal(4000).astype("<f4" if subtype == "FLOAT" else "<f8").tobytes()
    theirs = soundfile.read(
        io.BytesIO(data), dtype="float32", format="RAW", subtype=subtype, samplerate=8000, channels=1, endian="LITTLE"
    )[0]
    assert np.array_equal(samples_of(data, subtype), theirs)


@pytest.mark.parametrize("subtype", INTEGERS)
def test_every_integer_survives_being_a_number_between(subtype):
    bits = FORMATS[subtype].bits
    step = max(1, (1 << bits) // 65_521)
    integers = np.arange(-(1 << (bits - 1)), 1 << (bits - 1), step, dtype=np.int64)
    samples = (integers / (1 << (bits - 1))).astype(np.float32)
    data = bytes_of(samples, subtype)
    assert np.array_equal(samples_of(data, subtype), samples)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floating_point_formats_keep_every_bit_and_any_level(subtype):
    samples = np.float32([0.1, -3.7, 1e-20, 0.0])
    assert np.array_equal(samples_of(bytes_of(samples, subtype), subtype), samples)


@pytest.mark.parametrize("subtype", [*INTEGERS, "PCM_32"])
def test_what_is_too_loud_stops_at_full_scale(subtype):
    low, high = samples_of(bytes_of(np.float32([-7.0, 7.0]), subtype), subtype)
    assert low == -1.0
    assert 0.99 < high <= 1.0


def test_only_samples_beyond_full_scale_count_as_clipped():
    assert beyond_full_scale(np.float32([-1.0, 1.0, 0.5, 1.001, -2.0])) == 2


def test_rounding_goes_to_the_nearest_integer():
    assert bytes_of(np.float32([0.6 / 32768, -0.6 / 32768]), "PCM_16") == b"\x01\0\xff\xff"


def test_a_double_too_large_for_us_becomes_infinite_without_a_warning(recwarn):
    assert np.isinf(samples_of(np.float64([1e300]).tobytes(), "DOUBLE")).all()
    assert not recwarn.list


@pytest.mark.parametrize("subtype", [*INTEGERS[:1], *INTEGERS[2:], "PCM_32", "FLOAT", "DOUBLE"])
def test_a_depth_leads_back_to_its_sample_format(subtype):
    depth = depth_of(subtype)
    assert subtype_of(depth.bits, depth.floating) == subtype


def test_lossy_formats_count_as_sixteen_bits():
    assert {depth_of(name).bits for name in ("VORBIS", "MPEG_LAYER_III", "ULAW", "ALAW")} == {16}
