"""Files that decide what a plug-in or another project computes: its code, and its own weights.

Links are followed, also out of the folder, and every folder counts once, so that cycles end.
Hidden folders, caches, environments and folders with as many entries as data sets have are not
searched.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from vis_bench.digests import file_sha256

SOURCE_ENDINGS = frozenset(
    {".py", ".so", ".pyd", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp"}
    | {".toml", ".yaml", ".yml"}
)
WEIGHT_ENDINGS = frozenset(
    {".npy", ".npz", ".pth", ".pt", ".ckpt", ".safetensors", ".onnx", ".pkl", ".pickle"}
    | {".bin", ".h5", ".joblib", ".msgpack"}
)
ALL_ENDINGS = SOURCE_ENDINGS | WEIGHT_ENDINGS | {".json"}
SKIPPED_FOLDERS = ("__pycache__", "node_modules", "site-packages")
# Entries of a folder, and of all folders together, beyond which folders are left out.
FOLDER_ENTRIES, ALL_ENTRIES = 10_000, 200_000
# Bytes of weights that are hashed, smallest files first; others count by size and time of change.
HASHED_BYTES = 2 << 30


@dataclass(frozen=True)
class SourceFiles:
    """Code, JSON and weights by their names in a folder, and the folders that were left out."""

    files: Mapping[str, Path]
    left_out: tuple[str, ...]

    def ending(self, endings: Collection[str]) -> dict[str, Path]:
        """The files with such endings."""
        return {name: path for name, path in self.files.items() if path.suffix.lower() in endings}

    def json_beside_code(self) -> dict[str, Path]:
        """Settings; elsewhere JSON is annotations, results and records."""
        folders = {name.rpartition("/")[0] for name in self.ending({".py"})}
        found = self.ending({".json"}).items()
        return {name: path for name, path in found if name.rpartition("/")[0] in folders}


def find_source_files(folder: Path) -> SourceFiles:
    """Search a folder and those below it, nearest ones first."""
    files: dict[str, Path] = {}
    left_out, seen, entries = [], set(), 0
    waiting = deque([("", folder)])
    while waiting:
        name, place = waiting.popleft()
        try:
            status = place.stat()
            with os.scandir(place) as listed:
                found = sorted(entry.name for entry in islice(listed, FOLDER_ENTRIES + 1))
        except OSError:  # it cannot be read, and neither can what it holds
            continue
        identity = status.st_dev, status.st_ino
        if identity in seen or "pyvenv.cfg" in found:
            continue
        seen.add(identity)
        if len(found) > FOLDER_ENTRIES or entries + len(found) > ALL_ENTRIES:
            left_out.append(name or str(folder))
            continue
        entries += len(found)
        for entry in found:
            path = place / entry
            with suppress(OSError):
                if path.suffix.lower() in ALL_ENDINGS and path.is_file():
                    files[name + entry] = path
                elif _is_searched(path):
                    waiting.append((f"{name}{entry}/", path))
    return SourceFiles(files, tuple(left_out))


def _is_searched(path: Path) -> bool:
    return path.is_dir() and path.name not in SKIPPED_FOLDERS and path.name[0] != "."


def data_sha256(files: Mapping[str, Path]) -> str | None:
    """Digest of weights and other data, of which large ones count by size and time; None of none.

    What vanishes meanwhile does not count.
    """
    states = {}
    for name, path in files.items():
        with suppress(OSError):
            status = path.stat()
            states[name] = status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino
    total, num_bytes = hashlib.sha256(), 0
    for name in sorted(states, key=lambda name: (states[name][0], name)):
        num_bytes += states[name][0]
        is_small = num_bytes <= HASHED_BYTES
        content = _content(files[name], states[name]) if is_small else states[name][:2]
        total.update(f"{name}\n{content}\n".encode())
    return total.hexdigest() if states else None


@lru_cache(maxsize=4096)
def _content(path: Path, _state: tuple[int, ...]) -> str:
    return file_sha256(path)
