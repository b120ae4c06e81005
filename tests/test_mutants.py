"""The list of breakages in `mutants.py` is kept up to date, and the tests notice some of them."""

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant, survivors

SAMPLE = MUTANTS[::20]


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_what_a_mutant_breaks_stands_exactly_once_in_its_file(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.text) == 1
    assert mutant.text != mutant.replacement
    for test in mutant.tests.split():
        assert (ROOT / test.partition("::")[0]).exists(), test


@pytest.mark.slow
def test_the_tests_notice_a_handful_of_mutants() -> None:
    assert survivors(SAMPLE) == []
