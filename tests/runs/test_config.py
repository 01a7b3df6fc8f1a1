"""Configs: sweeps, overrides, and a sentence for whatever is wrong."""

import pytest

from paths import CONFIGS
from vis_bench.errors import InputError
from vis_bench.runs.config import cell_digest, load_cells

BASE = "method: color_key\ndataset: {name: synthetic}\n"


@pytest.fixture
def load(tmp_path):
    def load_text(text, *overrides):
        path = tmp_path / "c.yaml"
        path.write_text(text)
        return load_cells(path, overrides)

    return load_text


def test_defaults(load):
    (cell,) = load(BASE)
    assert (cell.clip_length, cell.stride, cell.resolution) == ("whole", None, 360)
    assert cell.measure == ("accuracy",)


def test_lists_are_sweeps_over_every_combination(load):
    cells = load(
        "method: [color_key, ifc]\ndataset: [{name: synthetic}, {name: ovis}]\n"
        "clip_length: [5, 10]\nclip_stride: [1, 5]\nresolution: [360, native]\n"
    )
    seen = {(c.method, c.dataset.name, c.clip_length, c.clip_stride, c.resolution) for c in cells}
    assert len(cells) == len(seen) == 2 * 2 * 2 * 2 * 2


def test_cells_override_the_base_one_by_one(load):
    cells = load(BASE + "cells: [{clip_length: 5, clip_stride: 3}, {clip_length: [10, 20]}]\n")
    assert [(c.clip_length, c.clip_stride) for c in cells] == [(5, 3), (10, 1), (20, 1)]


def test_whole_ignores_the_stride_and_repeats_are_dropped(load):
    cells = load(BASE + "clip_length: [whole, 5]\nclip_stride: [1, 2]\n")
    assert [(c.clip_length, c.stride) for c in cells] == [("whole", None), (5, 1), (5, 2)]


def test_overrides_win_and_reach_into_mappings(load):
    text = BASE + "options: {a: 1, b: 2}\ncells: [{clip_length: 5}]\n"
    (cell,) = load(text, "clip_length=7", "options.a=3", "dataset.split=train", "measure=[flops]")
    assert (cell.clip_length, cell.options, cell.dataset.split) == (7, {"a": 3, "b": 2}, "train")
    assert cell.measure == ("flops",)


def test_an_override_can_sweep(load):
    assert [c.clip_length for c in load(BASE, "clip_length=[5, whole]")] == [5, "whole"]


def test_where_weights_lie_is_no_part_of_the_digest_that_has_their_checksum(load):
    one, two, other = (
        load(f"{BASE}weights: {path}\n")[0] for path in ("/a/w.pth", "~/b/v.pth", "runs/w.pth")
    )
    assert cell_digest(one) != cell_digest(two)
    assert cell_digest(one, weights_file="x") == cell_digest(two, weights_file="x")
    assert cell_digest(one, weights_file="x") != cell_digest(two, weights_file="y")
    assert cell_digest(one, weights_file="x") != cell_digest(other, weights_file="x")


def test_repeats_are_no_part_of_the_digest():
    """Records of 0.2.0 stand for the shipped configs' cells, which now have three processes."""
    first = {
        config: cell_digest(load_cells(CONFIGS / f"{config}.yaml")[0])[:12]
        for config in ("clip_lengths", "gate")
    }
    assert first == {"clip_lengths": "38676aaf29e2", "gate": "cb8dbb06c439"}
    assert load_cells(CONFIGS / "gate.yaml")[0].speed.processes == 3


def test_digest_tells_cells_apart_and_is_stable(load):
    a, b = load(BASE + "clip_length: [5, 6]\n")
    assert cell_digest(a) == cell_digest(load(BASE + "clip_length: 5\n")[0])
    assert len({cell_digest(a), cell_digest(b), cell_digest(a, limit=3)}) == 3


WRONG = {
    "": "nothing; expected a mapping",
    "- 1\n": "a list; expected a mapping",
    "method: color_key\n": "dataset is missing",
    "dataset: {name: synthetic}\n": "method is missing",
    "a: [1, 2\n": "not valid YAML",
    BASE + "clip_lenght: 5\n": "unknown key 'clip_lenght' (did you mean clip_length?)",
    BASE + "clip_length: five\n": "clip_length is 'five'",
    BASE + "clip_length: 0\n": "clip_length is 0; expected 'whole' or a whole number from 1 up",
    BASE + "clip_length: true\n": "clip_length is True",
    BASE + "clip_length: 3\nclip_stride: 4\n": "clip_stride 4 is above clip_length 3",
    BASE + "clip_stride: 0\n": "clip_stride is 0",
    BASE + "clip_length: []\n": "clip_length is an empty list",
    BASE + "resolution: 0\n": "resolution is 0; expected 'native'",
    BASE + "precision: float8\n": "precision is 'float8'",
    BASE + "measure: [speeed]\n": "measure.0 is 'speeed'",
    BASE + "speed: {regions: []}\n": "speed.regions is []",
    BASE + "speed: {seconds: .inf}\n": "speed.seconds is inf",
    BASE + "speed: {repetition: 3}\n": "unknown key 'speed.repetition' (did you mean repetitions?)",
    BASE + "speed: {repeat: 3}\n": "unknown key 'speed.repeat'; expected one of: regions",
    BASE + "cells: 5\n": "cells is not a list of mappings",
    "method: color_key\ndataset: synthetic\n": "dataset is 'synthetic'",
    "method: color_key\ndataset: {name: kitti}\n": "one of the names ytvis2019, ",
    "method: color_key\ndataset: {name: ovis, plain: 1}\n": "dataset.plain is 1",
    BASE + "base: 3\n": "base is 3; expected the name of a config",
    BASE + "base: none\n": "config none does not exist",
    BASE + f"base: {'x' * 300}\n": "base is 'xxx",
    "base: ifc_r50_ytvis2019_heldout\n": "also has a base; expected one without",
    BASE + "weights_trained_on: train\n": "weights_trained_on is 'train'; expected data set/split",
    BASE + "weights_trained_on: [a/b/c]\n": "expected data set/split, such as [ytvis2019/train]",
    "!!python/object/apply:os.system ['true']\n": "the tag !!python/object/apply:os.system is not",
    "!!set {a}\n": "the tag !!set is not read; expected a value without",
    BASE + "resolution: 100000\n": "resolution is 100000; expected 'native' or a number of pixels",
    BASE + "seed: -1\n": "seed is -1; expected a number from 0 up",
    BASE + "seed: 18446744073709551616\n": "line 3: 18446744073709551616 needs more than 64 bits",
    BASE + "seed: 9223372036854775808\n": "seed is 9223372036854775808; expected a number below",
    BASE + "clip_length: abc\n": "clip_length is 'abc'; expected a whole number or 'whole'",
    BASE + "tf32: maybe\n": "tf32 is 'maybe'; expected true or false",
    BASE + "memory: {lengths: 3}\n": "memory.lengths is 3; expected a list",
    BASE + "streaming: {rates: [abc]}\n": "'abc'; expected 'data' or a whole number",
    BASE + "clip_length: 010\n": "line 3: 010",
    BASE + "method: ifc\n": "line 3: the key method is given twice",
    BASE + "options: {a: .nan}\n": "options is {'a': nan}; expected finite numbers",
    BASE + "options: {a: [{1: 2, b: 3}]}\n": "; expected keys that are text",
    BASE
    + "resolution: [{}]\nclip_length: [{}]\n".format(
        *[",".join(map(str, range(1, 102)))] * 2
    ): "has more than 10000 cells",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_configs_get_a_sentence(load, text):
    with pytest.raises(InputError) as error:
        load(text)
    assert WRONG[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_base_counts_where_a_config_says_nothing(load, tmp_path):
    (tmp_path / "plain.yaml").write_text(BASE + "clip_length: 5\ncells: [{seed: 1}, {seed: 2}]\n")
    cells = load("base: plain.yaml\nclip_length: 7\n", "resolution=96")
    assert [(c.method, c.clip_length, c.seed, c.resolution) for c in cells] == [
        ("color_key", 7, 1, 96),
        ("color_key", 7, 2, 96),
    ]
    (tmp_path / "c.yaml").unlink()
    (bundled,) = load("base: ifc_r50_ytvis2019\ndataset: {name: ovis}\n")
    assert (bundled.method, bundled.dataset.name, bundled.clip_length) == ("ifc", "ovis", 5)


def test_what_weights_were_trained_on_may_be_one_split(load):
    (one,), (many,) = (load(BASE, f"weights_trained_on={text}") for text in ("a/b", "[a/b]"))
    assert one.weights_trained_on == many.weights_trained_on == ("a/b",)
    assert cell_digest(one) != cell_digest(load(BASE)[0])


@pytest.mark.parametrize(
    ("override", "words"),
    [("clip_length", "expected key=value"), ("=3", "'' is not a key"),
     ("a..b=3", "'a..b' is not a key"), ("x=[1", "not valid YAML"),
     ("method.x=3", "method is 'color_key'"), ("clip=5", "unknown key 'clip'"),
     ("clip_stride=9", "clip_stride 9")],
)  # fmt: skip
def test_wrong_overrides_get_a_sentence(load, override, words):
    with pytest.raises(InputError) as error:
        load(BASE + "clip_length: 5\n", override)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "overrides",
    [{"clip_length": [5, 6], "dataset.split": "val"}, ["clip_length=[5,6]", "dataset.split=val"]],
)
def test_overrides_are_texts_or_a_mapping(tmp_path, overrides):
    path = tmp_path / "c.yaml"
    path.write_text(BASE + "cells: [{clip_stride: 1}, {clip_stride: 2}]\n")
    cells = load_cells(path, overrides)
    assert [(c.clip_length, c.clip_stride) for c in cells] == [(5, 1), (6, 1), (5, 2), (6, 2)]
    assert {c.dataset.split for c in cells} == {"val"}
    assert load_cells(path, "seed=3")[0].seed == 3


@pytest.mark.parametrize(
    "overrides", [None, 3, b"seed=3", {3: 4}, {"a.": 4}, [3], "m", [b"seed=3"]]
)
def test_overrides_of_another_form_get_a_sentence(tmp_path, overrides):
    (tmp_path / "c.yaml").write_text(BASE)
    with pytest.raises(InputError, match="expected key=value"):
        load_cells(tmp_path / "c.yaml", overrides)


def test_leaving_out_missing_weights_is_no_part_of_the_measurement(load):
    (plain,), (skipping,) = load(BASE), load(BASE, "skip_without_weights=true")
    assert cell_digest(plain) == cell_digest(skipping)


def test_a_label_is_no_part_of_the_measurement(load):
    (plain,), (named,) = load(BASE), load(BASE, "label=ours")
    assert named.label == "ours"
    assert cell_digest(plain) == cell_digest(named)
