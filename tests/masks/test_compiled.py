"""The compiled library of masks against the NumPy path, and under AddressSanitizer."""

import json
import os
import random
import runpy
import subprocess
import sys

import numpy as np
import pytest

from eval_reference import compressed_text
from paths import ROOT
from vis_bench.masks import compiled
from vis_bench.masks.boundary import boundaries
from vis_bench.masks.run_lengths import MalformedRLEError, measure
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics.overlaps import Overlaps

SOURCE = ROOT / "vis_bench" / "masks" / "runs.c"
hook = runpy.run_path(str(ROOT / ".ci" / "build_runs.py"))
ALPHABET = [chr(48 + group) for group in range(64)]


def built(folder, *flags):
    try:
        return hook["build"](SOURCE, folder, flags)
    except Exception as error:
        pytest.skip(f"no C compiler: {error}")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    built(folder)
    return compiled.load(folder)


@pytest.fixture
def both(library, monkeypatch):
    """Calls a function with the library, then without."""

    def call(function, *arguments):
        found = []
        for used in (library, None):
            monkeypatch.setattr(compiled, "library", used)
            try:
                found.append(function(*arguments))
            except MalformedRLEError as error:
                found.append((error.index, error.reason))
        return found

    return call


SIZES = [(3, 5), (7, 9), (5, 3), (40, 50)]


def random_mask(rng, size=None, odd=0.4):
    """A mask of a small frame, often with empty runs, which no encoder writes."""
    height, width = size or rng.choice(SIZES)
    pixels = height * width
    borders = sorted(rng.randrange(pixels + 1) for _ in range(rng.choice([1, 2, 5, 12])))
    if rng.random() >= odd:
        borders = sorted(set(borders))
    lengths = np.diff([0, *borders, pixels]).tolist()
    return {"size": [height, width], "counts": compressed_text(lengths)}


def random_text(rng, mask=None):
    """The string of a mask with something changed, or no mask at all."""
    text = (mask or random_mask(rng))["counts"]
    place = rng.randrange(len(text) + 1)
    kinds = {
        "same": text,
        "cut": text[:place],
        "more": text[:place] + rng.choice(ALPHABET) + text[place:],
        "other": "".join(rng.choices(ALPHABET, k=rng.randrange(12))),
        "outside": text[:place] + rng.choice(["p", "/", "é", "\0", "\x7f"]) + text[place:],
        "long": text[:place] + "o" * rng.randrange(1, 9) + text[place:],
    }
    return kinds[rng.choice([*kinds])]


def golden_masks(value):
    if isinstance(value, dict) and isinstance(value.get("counts"), str) and "size" in value:
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from golden_masks(part)


def test_random_strings_are_measured_or_refused_alike(both):
    rng = random.Random(0)
    for _ in range(1500):
        masks = [random_mask(rng) for _ in range(rng.choice([1, 1, 3]))]
        counts = [random_text(rng, mask) for mask in masks]
        pixels_N = np.array([rng.choice([*mask["size"], 1]) * mask["size"][0] for mask in masks])
        one, other = both(measure, counts, pixels_N)
        np.testing.assert_equal(one, other)


def test_masks_are_measured_without_numpy(library, monkeypatch):
    monkeypatch.setattr(compiled, "library", library)
    rng = random.Random(1)
    masks = [random_mask(rng) for _ in range(1500)]
    texts = [mask["counts"] for mask in masks]
    areas_N, has_empty_N = compiled.measure(texts, np.array([np.prod(m["size"]) for m in masks]))
    assert set(has_empty_N.tolist()) == {False, True}
    assert areas_N.max() > 1000
    assert compiled.measure(["3o"], np.array([3])) is None
    assert compiled.overlaps(["3o"], np.array([3 << 32 | 1]), np.array([[1, 0]])) is None


def overlaps_of(some, others):
    sides = [measure_tubes(masks, lambda n, t: "a mask") for masks in (some, others)]
    found = Overlaps.of(*(each for own in sides for each in (own, np.arange(len(own)))))
    return found.mask_L, found.other_L, found.shared_L, found.space_time_iou


@pytest.mark.parametrize("most", [1, 1 << 30])
def test_random_tubes_overlap_alike(both, monkeypatch, most):
    monkeypatch.setattr(compiled, "_MOST_CHARACTERS", most)
    rng = random.Random(most)
    pairs = 0
    for _ in range(1500):
        size, odd = rng.choice([None, *SIZES]), rng.choice([0, 0.4])
        sides = [
            [
                [rng.choice([None, random_mask(rng, size, odd)]) for _ in range(rng.randrange(6))]
                for _ in range(rng.randrange(5))
            ]
            for _ in range(2)
        ]
        one, other = both(overlaps_of, *sides)
        np.testing.assert_equal(one, other)
        pairs += len(one[0])
    assert pairs > 1500


GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.gt.json"))
WITH_PREDICTIONS = [
    path.name[:-8] for path in GOLDEN if (path.parent / f"{path.name[:-8]}.preds.json").exists()
]


@pytest.mark.parametrize("name", WITH_PREDICTIONS)
def test_masks_of_golden_files_overlap_alike(both, name):
    sides = []
    for kind in ("preds", "gt"):
        found = json.loads((ROOT / "tests" / "golden" / f"{name}.{kind}.json").read_text())
        entries = found if isinstance(found, list) else found["annotations"]
        sides.append([[*golden_masks(entry["segmentations"])] for entry in entries])
    one, other = both(overlaps_of, *sides)
    np.testing.assert_equal(one, other)
    assert len(one[0])


def bands_of(masks, frame_Q):
    areas, shared = [], []
    for own, found in boundaries(masks, frame_Q):
        areas += found.areas_Q.tolist()
        for frame in np.unique(frame_Q[own]):
            shared += found.shared_with_first(
                slice(*np.searchsorted(frame_Q[own], [frame, frame + 1]))
            ).tolist()
    return areas, shared


@pytest.mark.parametrize("most", [1, 1 << 30])
def test_random_boundaries_are_alike(both, monkeypatch, most):
    monkeypatch.setattr(compiled, "_MOST_CHARACTERS", most)
    rng = random.Random(most)
    shared = 0
    for _ in range(1500):
        size = rng.choice([*SIZES, (130, 40), (64, 9), (63, 300)])
        masks = [random_mask(rng, size, 0.2) for _ in range(rng.randrange(1, 7))]
        frame_Q = np.sort([rng.randrange(4) for _ in masks])
        one, other = both(bands_of, masks, frame_Q)
        assert one == other
        shared += sum(one[1])
    assert shared > 1500


def test_large_frames_are_counted_in_64_bits(both):
    full = {"size": [65535, 65535], "counts": compressed_text([0, 65535**2 - 1, 1])}
    one, other = both(overlaps_of, [[full]], [[full]])
    np.testing.assert_equal(one[:3], other[:3])
    [shared] = one[2]
    assert shared == 65535**2 - 1


def test_no_string_is_read_or_written_beyond_its_end(tmp_path):
    """AddressSanitizer ends the process at the first byte outside an array."""
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    built(tmp_path, *flags)
    names = ["libasan.so", "libubsan.so"]
    found = [subprocess.check_output(["gcc", f"-print-file-name={n}"], text=True) for n in names]
    script = f"""
import random, sys
from pathlib import Path
sys.path[:0] = {[str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "masks")]}
import numpy as np
from test_compiled import compiled, random_mask, random_text
compiled.library = compiled.load(Path({str(tmp_path)!r}))
rng, used = random.Random(2), 0
for _ in range(4000):
    mask = random_mask(rng)
    texts = [random_text(rng, mask) for _ in range(rng.choice([1, 2, 5]))]
    sides = mask["size"]
    used += compiled.measure(texts, np.full(len(texts), sides[0] * sides[1])) is not None
    sizes = np.full(len(texts), sides[0] << 32 | sides[1])
    used += compiled.overlaps(texts, sizes, np.array([[1, len(texts) - 1]])) is not None
    frames = np.array([len(texts)])
    used += compiled.boundaries(texts, frames, *sides, rng.randrange(1, 9)) is not None
print(used)
"""
    environment = {
        **os.environ,
        "LD_PRELOAD": ":".join(path.strip() for path in found),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 500


def test_a_library_that_is_none_is_left_alone(tmp_path):
    (tmp_path / hook["NAME"]).write_bytes(b"no library")
    assert compiled.load(tmp_path) is None
    assert compiled.load(tmp_path / "absent") is None


def test_a_failed_build_leaves_a_pure_wheel(tmp_path, monkeypatch):
    class App:
        said = []

        def display_warning(self, text):
            self.said.append(text)

    def failing(*_):
        raise OSError("no compiler")

    kind = hook["CompiledRuns"]
    monkeypatch.setitem(kind.initialize.__globals__, "build", failing)
    made = kind(str(ROOT), {}, None, None, str(tmp_path), "wheel", App())
    data = {"force_include": {}}
    made.initialize("standard", data)
    made.finalize("standard", data, "")
    assert data == {"force_include": {}}
    assert "no compiler" in App.said[0]
