"""Where signals are cut."""

import pytest

from vpcodec.codec.windows import cut, window


@pytest.mark.parametrize("length", [1, 9, 10, 11, 20, 35])
def test_cores_cover_every_position_once(length: int) -> None:
    covered = [p for place in cut(length, 10, 3) for p in range(place.core_start, place.core_stop)]
    assert covered == list(range(length))


@pytest.mark.parametrize("length", [1, 9, 10, 11, 20, 35])
def test_a_window_is_its_core_with_what_context_there_is(length: int) -> None:
    for place in cut(length, 10, 3):
        assert place.start == max(0, place.core_start - 3)
        assert place.stop == min(length, place.core_stop + 3)
        assert list(range(place.start, place.stop))[place.kept] == list(range(place.core_start, place.core_stop))


def test_a_window_in_a_stream_is_the_same_as_soon_as_its_context_is_there() -> None:
    assert window(1, 23, 10, 3) == window(1, 1000, 10, 3)
