"""Options and markers of the whole test suite."""

import os
import signal
from importlib.util import find_spec

import pytest
from hypothesis import settings

# As the command line does, before NumPy and PyTorch are imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
try:
    import torch

    from cuda_ops.build import compiler_versions
except ModuleNotFoundError:  # the evaluator's tests do without
    torch = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")
    parser.addoption("--no-skips", action="store_true", help="fail tests that would be skipped")


def pytest_configure(config: pytest.Config) -> None:
    """Tests that run side by side (`-n 2`) compute with one thread each; `--slow` draws more."""
    if config.getoption("--slow"):
        settings.register_profile("slow", max_examples=3000)
        settings.load_profile("slow")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    if torch and "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    no_gpu = pytest.mark.skip(reason="needs a CUDA device, and there is none")
    slow = pytest.mark.skip(reason="takes over a minute; run with --slow")
    no_nvcc = pytest.mark.skip(reason="needs nvcc; pip install -r .ci/nvcc.txt")
    compiled = [item for item in items if item.get_closest_marker("nvcc")]
    if compiled and torch and compiler_versions()["cuda"] is None:
        for item in compiled:
            item.add_marker(no_nvcc)
    for item in items:
        if item.get_closest_marker("gpu") and not (torch and torch.cuda.is_available()):
            item.add_marker(no_gpu)
        packages = [name for mark in item.iter_markers("extra") for name in mark.args]
        missing = [name for name in packages if find_spec(name) is None]
        if missing and not item.get_closest_marker("without_extra"):
            item.add_marker(pytest.mark.skip(reason=f"needs {missing[0]}, which an extra has"))
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """With `--no-skips`, a skipped test has failed."""
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {report.longrepr[-1]}"
    return report
