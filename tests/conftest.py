"""Options and markers of the whole test suite."""

import os
import signal

import pytest
from hypothesis import settings

# As the command line does, before PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_configure(config: pytest.Config) -> None:
    """Tests that run side by side (`-n 2`) compute with one thread each; `--slow` draws more."""
    if config.getoption("--slow"):
        settings.register_profile("slow", max_examples=3000)
        settings.load_profile("slow")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    no_gpu = pytest.mark.skip(reason="needs a CUDA device, and there is none")
    slow = pytest.mark.skip(reason="takes over a minute; run with --slow")
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(no_gpu)
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(slow)
