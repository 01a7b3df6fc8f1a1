"""Matches in a file: the same numbers as from the predictions, and one sentence for other files."""

import io
import tracemalloc
import zipfile
from dataclasses import fields

import numpy as np
import pytest

from compare_workload import generate
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.errors import InputError
from vis_bench.metrics.ap import evaluate, official_numbers
from vis_bench.metrics.half_samples import ap_samples, draw_half_samples
from vis_bench.metrics.matches_file import read_matches, write_matches
from vis_bench.metrics.matching import CategoryMatches
from vis_bench.metrics.resample import resampled_ap


@pytest.fixture(scope="module")
def matches():
    annotations, tracks, _ = generate(1, 12, 4, 12)
    for entry in annotations["annotations"][::3]:  # seen, away, and seen again
        masks = entry["segmentations"]
        entry["segmentations"] = [masks[0], *[None] * (len(masks) - 2), masks[0]]
    annotations["info"] = {"parts": {"short": [1, 2, 3, 4], "long": list(range(5, 13))}}
    results = Results.of([Track(**track) for track in tracks])
    return evaluate(GroundTruth.of(annotations), results).matches


def test_what_is_read_is_what_was_written(matches, tmp_path):
    write_matches(matches, tmp_path / "a.npz")
    again = read_matches(tmp_path / "a.npz")
    for one, two in zip(matches.categories, again.categories, strict=True):
        for field in fields(CategoryMatches):
            assert np.array_equal(getattr(one, field.name), getattr(two, field.name)), field.name
    assert again.levels == matches.levels
    assert [(v.id, v.name, v.length) for v in again.videos] == [
        (v.id, v.name, v.length) for v in matches.videos
    ]
    assert list(again.parts) == ["short", "long"]
    assert official_numbers(again) == official_numbers(matches)
    np.testing.assert_array_equal(ap_samples(again, 20), ap_samples(matches, 20))
    write_matches(again, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("cut", [0, 1, 100, -30])
def test_another_file_is_one_sentence(matches, tmp_path, cut):
    path = tmp_path / "a.npz"
    write_matches(matches, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="expected a file that"):
        read_matches(path)
    np.savez(path, levels=np.array(["so"]))
    with pytest.raises(InputError, match="holds no matches"):
        read_matches(path)


@pytest.mark.parametrize(("place", "value"), [(8, 1), (8, 64), (10, 99)])
def test_entries_that_no_reader_opens_are_refused(matches, tmp_path, place, value):
    """Encrypted ones, and those of another method of compression."""
    write_matches(matches, tmp_path / "a.npz")
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.index(b"PK\1\2") + place] = value
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="holds no matches"):
        read_matches(tmp_path / "a.npz")


def test_samples_of_a_level_and_of_some_videos(matches):
    """A level is accumulated alone, and videos left out count as if they were never drawn."""
    assert "returning" in matches.levels
    level_S = ap_samples(matches, 5, level="returning")
    place = 4 + list(matches.levels).index("returning")
    halves_BV = draw_half_samples(12, 5, 0)
    np.testing.assert_array_equal(level_S[1:], resampled_ap(matches, halves_BV, place))
    assert (level_S != ap_samples(matches, 5)).any()
    inside_V = np.arange(12) < 7
    some_S = ap_samples(matches, 5, inside_V=inside_V)
    halves_BV[:, 7:] = 0
    np.testing.assert_array_equal(some_S[1:], resampled_ap(matches, halves_BV))


SIZE = 200 << 20
BOMBS = {
    "not asked for": lambda name: ("more", (SIZE,), "|u1", SIZE),
    "too long": lambda name: (name, (SIZE,), "|u1", SIZE),
    "claims more than it holds": lambda name: (name, (1 << 50,), "|u1", 8),
    "of objects": lambda name: (name, (1,), "|O", 8),
    "overflows": lambda name: (name, (1 << 40, 1 << 40, 1 << 40), "|u1", 8),
    "many ranges": lambda name: (name, (1 << 20, 10, 1), "|u1", 10 << 20),
}  # fmt: skip


@pytest.mark.parametrize("case", BOMBS)
@pytest.mark.parametrize("name", ["hits_ATN", "video_N", "levels"])
def test_only_arrays_of_the_sizes_that_are_expected_are_read(matches, tmp_path, case, name):
    path, bomb = tmp_path / "a.npz", tmp_path / "b.npz"
    write_matches(matches, path)
    name, shape, descr, size = BOMBS[case](name)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            if entry != f"{name}.npy":
                new.writestr(entry, old.read(entry))
        with new.open(f"{name}.npy", "w", force_zip64=True) as file:
            file.write(header.getvalue())
            for start in range(0, size, 1 << 20):
                file.write(bytes(min(1 << 20, size - start)))
    tracemalloc.start()
    if name == "more":
        assert read_matches(bomb).videos == matches.videos
    else:
        with pytest.raises(InputError, match="holds no matches"):
            read_matches(bomb)
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("video_N", lambda own: own + 12),
        ("video_N", lambda own: own - 12),
        ("rank_N", lambda own: own[:-1]),
        ("score_N", lambda own: own * np.nan),
        ("sizes_K", lambda own: own + 1),
        ("num_objects_KVA", lambda own: own[:, 1:]),
        ("inside_PV", lambda own: np.ones((1, 3), bool)),
    ],
)
def test_numbers_that_point_nowhere_are_refused(matches, tmp_path, name, change):
    path = tmp_path / "a.npz"
    write_matches(matches, path)
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, name: change(arrays[name])})
    with pytest.raises(InputError, match="holds no matches"):
        read_matches(path)


def test_a_header_that_no_expression_ends_is_refused(matches, tmp_path):
    path, cut = tmp_path / "a.npz", tmp_path / "b.npz"
    write_matches(matches, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(cut, "w") as new:
        for entry in old.namelist():
            content = old.read(entry)
            new.writestr(entry, content.replace(b")", b"(") if "rank" in entry else content)
    with pytest.raises(InputError, match="holds no matches"):
        read_matches(cut)
