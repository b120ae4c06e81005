"""What several parts of the tests share: real media, made folders of it, and tiny models."""

import os
import tempfile
from pathlib import Path

# One thread each: tests start many small computations, which wait for each other's threads on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

CACHE = tempfile.TemporaryDirectory(prefix="vpcodec-cache-")  # of what training measures; goes with the process
os.environ["VPCODEC_CACHE"] = CACHE.name
ROOT = Path(__file__).resolve().parents[1]
MEDIA = Path(__file__).resolve().parent / "media"
SHARED = Path(os.environ.get("VPCODEC_SHARED") or ROOT.parent / "shared")
if (SHARED / "weights").is_dir():
    os.environ.setdefault("VPCODEC_LPIPS", str(SHARED / "weights"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets that lies outside the repository; skips the test where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data: set VPCODEC_SHARED or put them in ../shared")
    return SHARED
