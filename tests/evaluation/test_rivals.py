"""The codecs people use code real signals, at the rate asked for, and say what they lack."""

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.conftest import photo, recording
from vpcodec.errors import ConfigError, DependencyError, InputError
from vpcodec.evaluation import programs, rivals
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.metrics.speech import si_sdr, stoi


def rival(spec: str, kind: str):
    try:
        return parse_rival(spec, kind)
    except DependencyError as missing:
        pytest.skip(missing.what)


@pytest.mark.parametrize("spec", ["opus:6", "opus:24", "codec2:3200", "codec2:1200", "speex:10", "amrwb:12.65"])
def test_a_speech_program_gives_back_the_recording_in_time(spec):
    codec = rival(spec, "speech")
    signal = recording(2.0, 0)
    content = codec.encode(signal)
    decoded = codec.decode(content)
    assert abs(len(decoded) - len(signal)) <= 1600
    rate = len(content) * 8 / 2
    assert 0.8 * codec.nominal_rate < rate < 1.5 * codec.nominal_rate + 800  # 800: the Ogg container's headers
    size = min(len(decoded), len(signal))
    early, late = (np.roll(decoded[:size], shift) for shift in (-480, 480))
    assert stoi(decoded[:size], signal[:size]) > max(stoi(early, signal[:size]), stoi(late, signal[:size]))


def test_opus_at_a_high_rate_is_close_to_the_recording():
    codec = rival("opus:64", "speech")
    signal = recording(1.0, 0)
    assert si_sdr(codec.decode(codec.encode(signal))[:16_000], signal) > 10


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "jxl"])
def test_an_image_codec_gives_back_the_picture_and_better_at_higher_quality(name):
    picture = np.asarray(photo(48, 64, 1))
    errors = []
    for quality in (5, 90):
        codec = rival(f"{name}:q{quality}", "image")
        decoded = codec.decode(codec.encode(picture))
        assert decoded.shape == picture.shape
        errors.append(np.abs(decoded.astype(int) - picture).mean())
    assert errors[1] < errors[0]


def test_a_rate_in_bits_per_pixel_is_not_exceeded_and_nearly_used():
    picture = np.asarray(photo(128, 128, 1))
    codec = rival("webp:0.5", "image")
    content = codec.encode(picture)
    finer = codec.best_within(Image.fromarray(picture), len(content) + 200)
    assert len(content) <= 0.5 * 128 * 128 / 8
    assert len(finer) >= len(content)


def test_a_matched_codec_without_anything_to_match_says_so():
    with pytest.raises(InputError, match="nothing to match"):
        rival("webp", "image").encode(np.zeros((16, 16, 3), np.uint8))


@pytest.mark.parametrize(
    ("spec", "kind", "named"),
    [
        ("vorbis:6", "speech", "opus"),
        ("opus:6", "image", "avif"),
        ("avif", "speech", "codec2"),
        ("opus:fast", "speech", "opus:6"),
        ("opus:-6", "speech", "opus:6"),
        ("webp:q", "image", "webp:q20"),
    ],
)
def test_a_specification_that_makes_no_sense_is_told_what_does(spec, kind, named):
    with pytest.raises(ConfigError) as failure:
        parse_rival(spec, kind)
    assert named in failure.value.hint


def test_a_quality_beyond_the_scale_is_refused():
    with pytest.raises(ConfigError, match="0 to 100"):
        parse_rival("webp:q101", "image")


def test_a_rate_that_a_codec_lacks_is_refused_with_those_it_has():
    with pytest.raises(ConfigError) as failure:
        rival("codec2:3000", "speech")
    assert "3.2 kbit/s" in failure.value.hint
    with pytest.raises(ConfigError) as failure:
        rival("opus:2", "speech")
    assert "6 to 256" in failure.value.hint


def test_a_program_that_is_not_installed_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(programs.shutil, "which", lambda program: None)
    with pytest.raises(DependencyError) as failure:
        parse_rival("opus:6", "speech")
    assert "opusenc" in failure.value.what
    assert "opus-tools" in failure.value.hint


def test_a_program_that_was_built_without_the_encoder_is_refused_before_any_item(monkeypatch):
    monkeypatch.setattr(programs.shutil, "which", lambda program: program)
    monkeypatch.setattr(programs, "output_of", lambda command: " A..... libopencore_amrwb\n A..... aac\n")
    with pytest.raises(DependencyError, match="amrwb: the ffmpeg that is installed lacks libvo_amrwbenc"):
        parse_rival("amrwb:12.65", "speech")
    monkeypatch.setattr(programs, "output_of", lambda command: " A....D libvo_amrwbenc  Android VisualOn AMR-WB\n")
    assert parse_rival("amrwb:12.65", "speech").nominal_rate == 12_650


def test_a_format_that_pillow_lacks_is_named(monkeypatch):
    monkeypatch.setattr(rivals.features, "check", lambda feature: False)
    with pytest.raises(DependencyError, match="cannot write AVIF"):
        parse_rival("avif", "image")


def test_a_matched_speech_codec_takes_the_highest_mode_within_the_budget():
    codec = rival("codec2", "speech")
    two_seconds = recording(2.0, 0)
    content = codec.encode(two_seconds, budget=420)  # 1,680 bit/s
    assert 1500 < len(content) * 8 / 2 <= 1680
