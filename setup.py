"""Puts the released models of `models/`, as data of `vpcodec.models`, and the manual page into the wheel."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["vpcodec*"]), "vpcodec.models"],
    package_dir={"vpcodec.models": "models"},
    package_data={
        "vpcodec": ["py.typed", "training/recipes/*.toml", "evaluation/*.css", "evaluation/*.js"],
        "vpcodec.models": ["*/*"],
    },
    data_files=[("share/man/man1", ["docs/vpcodec.1"])],
)
