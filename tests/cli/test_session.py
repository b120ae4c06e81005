"""docs/session.md is what a terminal shows, apart from figures."""

import re
import shutil

import pytest

from scripts import session


def without_figures(text: str) -> str:
    """The page with one mark for every number, and lists of files in one form."""
    return re.sub(r"\s+", " ", re.sub(r"[\d,.]*\d", "0", text))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("script"), reason="needs script, of util-linux")
def test_the_recorded_session_can_be_typed_again() -> None:
    recorded = session.PAGE.read_text(encoding="utf-8")
    assert without_figures(session.page()) == without_figures(recorded)


def test_the_recorded_session_is_of_these_commands_and_models() -> None:
    assert session.mark() in session.PAGE.read_text(encoding="utf-8")
