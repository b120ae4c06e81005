"""Breakages that the tests must notice: `python -m tests.mutants [WORD ...]` applies each and prints which survive.

Each one is put into a temporary copy of the checkout, where the tests nearby are run. With words, only those whose
file, text or replacement holds one of them. The exit code is 1 where one survives, or where nothing can be said.

Whoever changes a line that stands here changes it here, too (`test_mutants.py` names it); whoever finds a breakage
that no test sees adds it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 600  # seconds for the tests of one breakage; what hangs counts as noticed
FAILED = 1  # pytest's exit code for failed tests; others mean that nothing was run


class Mutant(NamedTuple):
    """One breakage.

    Attributes:
        file: Of the checkout.
        text: What stands there exactly once.
        replacement: What breaks it.
        tests: Those nearby, as arguments of pytest.
    """

    file: str
    text: str
    replacement: str
    tests: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text!r} -> {self.replacement!r}"


LOOP = "vpcodec/training/loop.py"
LOOP_TESTS = "tests/training/test_one_step.py"

MUTANTS = (
    # Training: what a step does with gradients, rates and averages.
    Mutant(LOOP, "        self.follow()\n", "", LOOP_TESTS),
    Mutant(LOOP, 'group["peak"] * factor', 'group["peak"]', LOOP_TESTS),
    Mutant(LOOP, "self.model.parameters(), self.options.clip)", "self.model.parameters(), 1e9)", LOOP_TESTS),
    Mutant(LOOP, "weight_decay=options.weight_decay)", "weight_decay=0.0)", LOOP_TESTS),
    Mutant(LOOP, "(distance + quantized.loss).backward()", "distance.backward()", LOOP_TESTS),
    Mutant(LOOP, "self.model(crops, progress, rate)", "self.model(crops, 0.0, rate)", LOOP_TESTS),
    Mutant(LOOP, "rates[int(torch.randint(len(rates), ()))]", "rates[-1]", LOOP_TESTS),
    Mutant(LOOP, "save_model(self.run.out, self.average.cpu()", "save_model(self.run.out, self.model.cpu()", LOOP_TESTS),
    Mutant(LOOP, "betas=(0.9, 0.95), weight_decay=0.0)", "betas=(0.9, 0.95), weight_decay=0.1)", LOOP_TESTS),
    Mutant(
        "vpcodec/training/muon.py",
        "STEP_SCALE = 0.2 ",
        "STEP_SCALE = 2.0 ",
        "tests/training/test_one_step.py",
    ),
)


def copy_checkout(folder: Path) -> None:
    """Copy what git tracks or would, models as a link, because they are large and no mutant changes them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in map(os.fsdecode, filter(None, listed.split(b"\0"))):
        if (ROOT / name).is_file() and not name.startswith("models/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "models").symlink_to(ROOT / "models")


def run_tests(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Exit code of pytest in a copy, and its last line. Nothing compiled is kept: two mutants may look alike to it."""
    shared = os.environ.get("VPCODEC_SHARED") or str(ROOT.parent / "shared")
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "VPCODEC_SHARED": shared}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return FAILED, "still running"
    return done.returncode, (done.stdout.strip() or done.stderr.strip()).rpartition("\n")[2]


def survivors(mutants: Sequence[Mutant]) -> list[str]:
    """Try each mutant, printing what became of it; returns one line for each that no test noticed."""
    found = []
    with tempfile.TemporaryDirectory(prefix="vpcodec-mutants-") as scratch:
        folder = Path(scratch)
        copy_checkout(folder)
        code, said = run_tests(folder, sorted({test for mutant in mutants for test in mutant.tests.split()}))
        if code:
            return [f"the tests fail without any mutant: {said}"]
        for mutant in mutants:
            path = folder / mutant.file
            whole = path.read_text(encoding="utf-8")
            path.write_text(whole.replace(mutant.text, mutant.replacement), encoding="utf-8")
            code, said = run_tests(folder, mutant.tests.split())
            path.write_text(whole, encoding="utf-8")
            verdict = {0: "SURVIVED", FAILED: "noticed"}.get(code, f"NOT RUN (exit code {code})")
            print(f"{verdict}  {mutant}  [{said}]", flush=True)
            if code != FAILED:
                found.append(f"{verdict}  {mutant}")
    return found


def main(words: Sequence[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not words or any(word in str(mutant) for word in words)]
    alive = survivors(chosen)
    print(f"{len(chosen)} mutants, {len(alive)} not noticed", *alive, sep="\n")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
