"""Records, baselines and the gate's config with fields of another type: a sentence, or a figure."""

import copy
import json
import random
import shutil
import typing
from contextlib import suppress

import pytest
import yaml
from pydantic import BaseModel

import refresh
from drawing_case import LEFT, RIGHT, annotations, write_frames, write_results
from hostile_calls import call
from mutations import mutated_json
from paths import CONFIGS
from record_example import example_record, memory_fields, streaming_fields
from vis_bench.errors import InputError
from vis_bench.record.schema import MemoryBytes, Record, RegionFields
from vis_bench.record.store import parse_record, record_json

# Valid JSON; most are of a type that a field does not have, some of it but extreme.
VALUES = (
    None, True, False, 0, -1, 1, 7, 1 << 53, (1 << 63) - 1, 0.5, 1e-300, 1e300, -1e300, "", "a",
    "0", "whole", "native", "random", "../x", [], [0], [None], {}, {"": []}, {"a": 1},
    {"a": {"b": [{}]}}, "x" * 300,
)  # fmt: skip


def check_answer(arguments, lines=1):
    """An exit code that the command has, and no more than `lines` sentences."""
    code, _, err = call(*arguments)
    assert code in (0, 1, 2), arguments
    assert err.count("\n") <= lines, (arguments, err)
    assert "Traceback" not in err
    if code == 2:
        assert err.startswith("error: "), err
    return code


def full_record():
    """A record with something in every field that may hold more than one value."""
    region = RegionFields(fps=5.0, stage_ms_per_frame={"encode": 1.0}, memory_bytes=MemoryBytes())
    return json.loads(
        record_json(
            example_record(
                fps=5.0,
                timed_region="model",
                regions={"model": region},
                speed_spread=0.1,
                gflops_per_clip=4.0,
                gflops_per_frame=2.0,
                flop_convention="macs",
                hota=0.4,
                memory_bytes=MemoryBytes(process=1),
                uncounted_ops=("a",),
                method_source={"version": "1"},
                failures={"speed": "why"},
                gpu={"name": "x"},
                load_average=0.1,
                num_cpus=2,
                predictions="r.results.json",
                stage_ms_per_frame={"encode": 1.0},
                config={"dataset": {"name": "synthetic", "split": "val"}, "speed": {"videos": 2}},
                resolved_options={"a": 1},
                annotations_sha256="ab" * 32,
                sources_sha256="ab",
                frames_sha256="ab",
                **streaming_fields(),
                **memory_fields(),
            )
        )
    )


def places(value, path=()):
    """The path of every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def mutations(content, choose=list):
    """A copy for every field and every value of `VALUES`, or for those that are chosen."""
    for path, value in choose([(path, value) for path in places(content) for value in VALUES]):
        changed = copy.deepcopy(content)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        yield changed


def some(content, seed, count):
    """`count` copies with one field replaced, and half as many with several changes."""

    def sample(changes):
        return random.Random(seed).sample(changes, min(count, len(changes)))

    return [
        *mutations(content, sample),
        *(mutated_json(content, 10_000 * seed + n) for n in range(count // 2)),
    ]


def write_all(folder, contents):
    folder.mkdir(parents=True)
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(content))
    return paths


def test_the_mutations_reach_every_field_of_the_schema():
    content = full_record()
    assert {path[0] for path in places(content)} == set(Record.model_fields)
    nested = [
        name
        for name, field in Record.model_fields.items()
        if any(
            isinstance(kind, type) and issubclass(kind, BaseModel)
            for kind in typing.get_args(field.annotation)
        )
    ]
    assert {path[0] for path in places(content) if len(path) > 1} >= set(nested)


# The seed, and how many mutations: a sample in the quick run.
RUNS = pytest.mark.parametrize(
    ("seed", "count"), [(0, 60), pytest.param(1, 1000, marks=pytest.mark.slow)]
)


def test_every_mutation_is_a_record_or_a_sentence():
    records, sentences = [], []
    for content in [*mutations(full_record()), *some(full_record(), 0, 2000)]:
        try:
            records.append(parse_record(content, "r.json"))
        except InputError as error:
            sentences.append(str(error))
    assert all(parse_record(json.loads(record_json(r)), "r.json") == r for r in records)
    assert all(text.startswith("r.json ") and "\n" not in text for text in sentences)
    assert min(len(records), len(sentences)) > 300


@RUNS
def test_folders_of_records(tmp_path, seed, count):
    """All at once: what is not a record is named in a line of its own, the others are shown."""
    records = tmp_path / "results/records"
    paths = write_all(records, [full_record(), *some(full_record(), seed, 3 * count)])
    commands = [
        ["leaderboard", "--all"], ["leaderboard", "--json"], ["table", "measured"],
        ["table", "comparison"], ["table", "memory"], ["table", "ifc-stride", "--format", "latex"],
    ]  # fmt: skip
    for command in commands:
        assert check_answer([*command, "--records", records], len(paths)) == 1
    for options in ([], ["--format", "html"], ["--json"]):
        assert check_answer(["history", records, *options], len(paths)) == 1
    check_answer(["check", "--history", records, "--current", paths[0]], len(paths))
    stored = refresh.records_of(tmp_path / "results")
    assert len(stored.records) + len(stored.problems) == len(paths)
    assert min(len(stored.records), len(stored.problems)) > count // 4
    assert all("\n" not in problem for problem in stored.problems)


@RUNS
def test_the_gate(tmp_path, seed, count):
    good, hostile = tmp_path / "good.json", tmp_path / "hostile.json"
    good.write_text(json.dumps(full_record()))
    codes = set()
    for content in some(full_record(), seed, count):
        hostile.write_text(json.dumps(content))
        codes.add(check_answer(["check", "--baseline", good, "--current", hostile]))
        codes.add(check_answer(["check", "--baseline", hostile, "--current", good]))
    assert codes == {0, 1, 2}


@RUNS
def test_baselines(tmp_path, seed, count):
    record, baseline = tmp_path / "record.json", tmp_path / "baseline.json"
    record.write_text(json.dumps(full_record()))
    assert call("check", "--update", "--baseline", baseline, "--current", record)[0] == 0
    written = json.loads(baseline.read_text())
    [cell] = written["cells"]
    contents = [{**written, "cells": [content]} for content in some(cell, seed, count)]
    contents += [{**written, key: value} for key in written for value in VALUES]
    for content in contents:
        baseline.write_text(json.dumps(content))
        before = baseline.read_bytes()
        check_answer(["check", "--baseline", baseline, "--current", record])
        if check_answer(["check", "--update", "--baseline", baseline, "--current", record]) == 2:
            assert baseline.read_bytes() == before


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_commands_that_take_one_record(tmp_path, seed):
    """compare, draw and the packing of predictions, which follow a record to its predictions."""
    truth = tmp_path / "gt.json"
    truth.write_text(json.dumps(annotations((LEFT, 1), (RIGHT, 2))))
    write_frames(tmp_path / "frames")
    results = write_results(tmp_path / "r.results.json", (LEFT, 1, 0.9))
    kept = results.read_bytes()
    draw = random.Random(seed)
    whole = full_record()
    telling = ("predictions", "config", "options", "clip_length", "annotations_sha256", "command")
    contents = [c for c in mutations(whole) if any(c[k] != whole[k] for k in telling)]
    for content in draw.sample(contents, min(len(contents), 8 if seed == 0 else 400)):
        record = tmp_path / "r.json"
        record.write_text(json.dumps(content))
        for more in ([], ["--annotations", truth]):
            check_answer(["compare", record, results, "--resamples", "1", *more], 2)
        check_answer(
            [
                "draw",
                results,
                "--frames",
                tmp_path / "frames",
                "--output",
                tmp_path / "out",
                "--side",
                "9",
                "--columns",
                "1",
            ],
            2,
        )
        (tmp_path / "packed/records").mkdir(parents=True)
        (tmp_path / "packed/records/r.json").write_text(json.dumps(content))
        (tmp_path / "packed/records/r.results.json").write_bytes(kept)
        with suppress(InputError):
            refresh.pack(tmp_path / "packed")
        shutil.rmtree(tmp_path / "packed")
        assert results.read_bytes() == kept


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_gates_config(tmp_path, seed):
    """Its cells are resolved, and nothing of what is wrong with them is more than a sentence."""
    content = yaml.safe_load((CONFIGS / "gate.yaml").read_text())
    config = tmp_path / "gate.yaml"
    number = 25 if seed == 0 else 300
    for mutated in mutations(content, lambda changes: random.Random(seed).sample(changes, number)):
        config.write_text(yaml.safe_dump(mutated))
        arguments = ["predict", config, "--frames", tmp_path / "none", "--output", tmp_path / "o"]
        assert check_answer(arguments) == 2
