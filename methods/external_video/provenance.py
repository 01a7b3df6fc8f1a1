"""The code and environment of another project, for records and for --resume."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

from methods.external_video.child import DRIVER, child_environment
from vis_bench.checkouts import commit_of
from vis_bench.digests import check_sha256, reading
from vis_bench.errors import InputError
from vis_bench.method import MethodSource
from vis_bench.source_files import (
    SOURCE_ENDINGS,
    WEIGHT_ENDINGS,
    SourceFiles,
    data_sha256,
    find_source_files,
)

# Seconds that a Python may take to start.
START_SECONDS = 120


def project_source(folder: Path, python: str, config: Path | None = None) -> MethodSource:
    """Digest of a project's source files, its commit, and its environment's versions.

    Args:
        python: the project's interpreter.
        config: a config file that may lie elsewhere.
    """
    found, source = _versions_of(python), find_source_files(folder)
    data = source.ending(WEIGHT_ENDINGS) | source.json_beside_code()
    if config is not None and config.is_absolute() and not config.is_relative_to(folder):
        data[config.name] = config
    return MethodSource(
        _sources_sha256(folder, source),
        data_sha256=data_sha256(data),
        left_out=", ".join(source.left_out) or None,
        git_commit=commit_of(folder),
        environment=", ".join(f"{name} {version}" for name, version in found.items()),
    )


@contextmanager
def opening(
    folder: Path, sha256: str, weights: Path | None, weights_sha256: str | None
) -> Iterator[None]:
    """Refuse other sources of a project, and other weights, than those that the block opens."""
    with nullcontext() if weights is None else reading(weights, weights_sha256):
        yield
    check_sha256(folder, _sources_sha256(folder, find_source_files(folder)), sha256)


def _sources_sha256(folder: Path, source: SourceFiles) -> str:
    total = hashlib.sha256()
    code = source.ending(SOURCE_ENDINGS)
    for path in sorted(folder / name for name in code):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@cache
def _versions_of(python: str) -> Mapping[str, str]:
    try:
        done = subprocess.run(
            [python, str(DRIVER), "versions"],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=START_SECONDS,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        said = getattr(error, "stderr", None) or str(error)
        last = str(said).strip().splitlines()[-1:] or ["no output"]
        raise InputError(
            f"options.python is {python!r}, which cannot run the driver: {last[0]}; expected "
            "Python 3.7 or later with numpy"
        ) from None
