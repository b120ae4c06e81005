"""Puts the released models of `models/` and the manual page into the wheel.

The entropy coder is compiled where there is a compiler; without it the same files take longer. One wheel serves all
versions of Python.
"""

import shutil
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithModels(build_py):
    """Copies the models into the package. An editable install finds them in the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("models", Path(self.build_lib, "vpcodec", "models"), dirs_exist_ok=True)


setup(
    packages=find_packages(include=["vpcodec*"]),
    # With its root named, an editable install is a path in a .pth file, which type checkers follow.
    package_dir={"": "."},
    package_data={"vpcodec": ["py.typed", "training/recipes/*.toml", "evaluation/*.css", "evaluation/*.js"]},
    ext_modules=[
        Extension("vpcodec.container._ranges", ["vpcodec/container/_ranges.c"], py_limited_api=True, optional=True)
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    data_files=[("share/man/man1", ["docs/vpcodec.1"])],
    cmdclass={"build_py": BuildWithModels},
)
