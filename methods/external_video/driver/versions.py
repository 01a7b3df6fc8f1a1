"""Versions of what a model runs on, read without importing any of it."""

import platform

PACKAGES = (
    "torch", "torchvision", "numpy", "detectron2", "mmdet", "mmengine", "mmcv", "mmcv-full",
    "mmcv-lite", "transformers", "timm",
)  # fmt: skip


def versions():
    """The version of Python and of each of `PACKAGES` that is installed, by name."""
    try:
        from importlib.metadata import PackageNotFoundError as Missing
        from importlib.metadata import version
    except ImportError:  # before Python 3.8
        from pkg_resources import DistributionNotFound as Missing
        from pkg_resources import get_distribution

        def version(name):
            return get_distribution(name).version

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except Missing:
            continue
    return found
