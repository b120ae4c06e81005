"""Build the sdist and the wheel, and use the wheel as a stranger would: `make package-check`.

The wheel is made from the sdist, so that both are known to be complete. It is installed without torch into a new
environment, and README's lines are run there, in a folder that knows nothing of this checkout and, where the system
allows it, without a network. Needs the package `build`.

    python scripts/package_check.py [--keep FOLDER]      also leave the sdist and the wheel in a folder
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # README's lines are read by its test

from tests.readme import commands, lay_out, python_example  # noqa: E402

LARGEST = 60_000_000  # bytes of a wheel; CONTRIBUTING.md says what happens beyond
NEED_TORCH = ("vpcodec evaluate", "vpcodec train")
LACKING = """
import importlib.util, sys
print("torch is", "there" if importlib.util.find_spec("torch") else "not there")
import vpcodec
assert not vpcodec.__file__.startswith(sys.argv[1]), vpcodec.__file__
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="leave the sdist and the wheel there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sdist, wheel = build(work / "dist")
        check_wheel(wheel)
        program = install(wheel, work / "environment")
        desk = work / "desk"
        desk.mkdir()
        lay_out(desk)
        use(program, desk)
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            for file in (sdist, wheel):
                shutil.copy(file, options.keep)
    print("the package is complete")


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel made from it."""
    run([sys.executable, "-m", "build", "--outdir", folder, ROOT], quiet=True)
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    for file in (sdist, wheel):
        print(f"{file.name}  {file.stat().st_size:,} bytes")
    return sdist, wheel


def check_wheel(wheel: Path) -> None:
    """Exit unless a wheel is small enough and holds every file of every model."""
    if wheel.stat().st_size > LARGEST:
        sys.exit(f'the wheel is larger than {LARGEST:,} bytes: see "Models in the wheel" in CONTRIBUTING.md')
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = run(["git", "ls-files", "models", "vpcodec"], cwd=ROOT).split()
    sources = {name for name in tracked if name.endswith(".c")}  # the wheel holds what they compile to
    wanted = {f"vpcodec/{name}" if name.startswith("models/") else name for name in tracked if name not in sources}
    if missing := sorted(wanted - packed):
        sys.exit(f"the wheel lacks {', '.join(missing)}")


def install(wheel: Path, environment: Path) -> Path:
    """A new environment with the wheel and what it requires; returns the folder of its programs."""
    run([sys.executable, "-m", "venv", environment])
    programs = environment / "bin"
    run([programs / "pip", "install", "--quiet", "--disable-pip-version-check", wheel])
    return programs


def use(programs: Path, desk: Path) -> None:
    """Run README's lines in a folder, with nothing but the installed package."""
    environment = {"PATH": f"{programs}:{os.defpath}", "HOME": str(desk), "LANG": "C.UTF-8"}
    offline = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*offline, "true"], capture_output=True).returncode:
        offline = []
    print(f"without torch, {'without' if offline else 'with'} a network:")
    print(run([*offline, programs / "python", "-c", LACKING, ROOT], cwd=desk, env=environment), end="")
    for line in commands():
        if not line.startswith(NEED_TORCH):
            print(f"$ {line}", flush=True)
            run([*offline, "bash", "-o", "pipefail", "-c", line], cwd=desk, env=environment)
    print("$ python example.py")
    run([*offline, programs / "python", "-c", python_example()], cwd=desk, env=environment)


def run(command: list[str | Path], *, quiet: bool = False, **options: object) -> str:
    """What a command prints. Exits with its errors where it fails."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{ended.stdout if quiet else ''}{ended.stderr}")
    return str(ended.stdout)


if __name__ == "__main__":
    main()
