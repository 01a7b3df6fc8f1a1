"""Environment of a measurement: device, versions, threads, and the commit of the source."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.checkouts import git_output
from vis_bench.errors import InputError
from vis_bench.record.schema import MachineFields, SourceFields

# Records of other code need the version alone, and need not wait for torch to be imported.
if TYPE_CHECKING:
    import torch

PACKAGE = "vis-bench"
# Name and, if any, extra of a requirement in the package's metadata.
_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*(?:;.*extra == ['\"]([\w.-]+))?")
# Name and version in this project's own file; Python 3.10 has no reader of TOML.
_PROJECT = re.compile(r'^\[project\]\nname = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE)
# The checkout, or the folder that the packages are installed in.
SOURCE_ROOT = Path(__file__).resolve().parents[2]


def pick_device(name: str | None) -> torch.device:
    """The device to run on; None takes a GPU where there is one.

    Raises:
        InputError: for a GPU that is not there, or a device that is neither cpu nor cuda.
    """
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not isinstance(name, str) or not re.fullmatch(r"(cpu|cuda)(:\d*)?", name):
        raise InputError(f"device is {name!r}; expected cpu, cuda or cuda:<index>")
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= (count := torch.cuda.device_count()):
        raise InputError(f"device {name} does not exist: this machine has {count} CUDA devices")
    return torch.device(name)


def describe_machine(
    device: torch.device,
    precision: str,
    kernel_backend: str | None,
    *,
    kernel_build: str | None = None,
    tf32: bool = False,
    compile_mode: str = "none",
    packages: Iterable[str] = (),
) -> MachineFields:
    """Describe the machine and its arithmetic.

    Args:
        kernel_build: the compiler and flags of the kernels' library.
        tf32: whether a GPU rounds the factors of float32 products; a CPU does not.
        compile_mode: how `torch.compile` is used.
        packages: whose versions matter, too.
    """
    import torch

    gpu = device.type == "cuda"
    return MachineFields(
        precision=precision,
        kernel_backend=kernel_backend,
        kernel_build=kernel_build,
        device=torch.cuda.get_device_name(device) if gpu else _cpu_name(),
        driver=_driver_version() if gpu else None,
        cuda=torch.version.cuda if gpu else None,
        torch=torch.__version__,
        packages={name: _installed_version(name) for name in packages},
        python=platform.python_version(),
        num_threads=torch.get_num_threads(),
        tf32=tf32 if gpu else None,
        compile=compile_mode,
    )


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _driver_version() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None


def package_version() -> str | None:
    """Version of this package; None where it is neither in a checkout nor installed.

    A checkout's own file comes first: an editable install keeps the version of its installation.
    """
    file = SOURCE_ROOT / "pyproject.toml"
    if file.is_file():
        named = _PROJECT.search(file.read_text(encoding="utf-8"))
        if named and named[1] == PACKAGE:
            return named[2]
    return _installed_version(PACKAGE)


def _installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def describe_installation() -> dict[str, Any]:
    """Versions, extras and devices for a bug report, without paths and names of hosts and users.

    Returns:
        `packages`, and `extras` by extra: version by name, None for what is not installed; `masks`:
        whether the compiled library reads them, or NumPy.
    """
    from vis_bench.masks import compiled

    by_extra = _required_versions()
    packages = by_extra.pop(None, {})
    found: dict[str, Any] = {
        "vis_bench": package_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "masks": "numpy" if compiled.library is None else "compiled",
        "packages": packages,
        "extras": {extra: own for extra, own in by_extra.items() if extra not in ("all", "test")},
        "devices": {"cpu": _cpu_name()},
    }
    if _installed_version("torch") is None:
        return found
    import torch

    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    machines = [describe_machine(torch.device(name), "float32", None) for name in gpus]
    names = zip(gpus, (machine.device for machine in machines), strict=True)
    return found | {
        "devices": {**found["devices"], **dict(names)},
        "driver": machines[-1].driver if machines else None,
        "cuda": torch.version.cuda,
        "num_threads": torch.get_num_threads(),
    }


def _required_versions() -> dict[str | None, dict[str, str | None]]:
    """Versions of the package's requirements by name, by extra; None for what is not installed."""
    found: dict[str | None, dict[str, str | None]] = {}
    for requirement in requires(PACKAGE) or () if _installed_version(PACKAGE) else ():
        if match := _REQUIREMENT.match(requirement):
            name, extra = match.groups()
            found.setdefault(extra, {})[name] = _installed_version(name)
    return found


def describe_source(seed: int | None = None) -> SourceFields:
    """The commit, and whether files differ from it; both None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    dirty = None if commit is None else bool(status)
    return SourceFields(git_commit=commit, git_dirty=dirty, seed=seed)


def _git(*arguments: str) -> str | None:
    if not (SOURCE_ROOT / ".git").exists():
        return None
    # The source's own repository or none: not one that holds the source among other files.
    return git_output(SOURCE_ROOT, *arguments, GIT_CEILING_DIRECTORIES=str(SOURCE_ROOT.parent))
