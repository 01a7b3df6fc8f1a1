"""Values that would run forever or fill memory are refused as they are read, in one sentence."""

import pytest

from record_example import example_record
from vis_bench.cli import main
from vis_bench.records.store import RecordStore

RESULTS = ["draw", "r.json", "--frames", "f", "--output", "o"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["compare", "a", "b", "--seed", "-1"], "'-1' is not a whole number from 0 to"),
        (["compare", "a", "b", "--seed", str(2**63)], "is not a whole number from 0 to"),
        (["compare", "a", "b", "--resamples", "1e11"], "'1e11' is not a whole number from 1 to"),
        (["compare", "a", "b", "--resamples", "100000000000"], "from 1 to 100000"),
        (["compare", "a", "b", "--resamples", "0"], "from 1 to 100000"),
        (["compare", "a", "b", "--resamples", "9" * 5000], "from 1 to 100000"),
        (["synth", "d", "--seed", str(2**64)], "is not a whole number from 0 to"),
        (["synth", "d", "--seed", "-1"], "'-1' is not a whole number from 0 to"),
        (["synth", "d", "--seed", "٣"], "is not a whole number from 0 to"),
        (["split", "a", "d", "--seed", "-1"], "'-1' is not a whole number from 0 to"),
        ([*RESULTS, "--columns", "1000000000"], "from 1 to 1000"),
        ([*RESULTS, "--side", "1000000"], "from 1 to 16383"),
        ([*RESULTS, "--fps", "0"], "from 1 to 1000"),
        (["profile-kernels", "--trace", "t.json"], "--trace t.json is written only with --config"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_gets_a_sentence(arguments, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert expected in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not list(tmp_path.iterdir())


def test_the_largest_seed_makes_a_data_set(tmp_path, capsys):
    seed = str(2**63 - 1)
    assert main(["synth", str(tmp_path), "--plain", "--videos", "1", "--split", "val",
                 "--seed", seed]) == 0  # fmt: skip
    assert f"seed: {seed}" in capsys.readouterr().out


def test_a_trace_goes_to_its_file(tmp_path, capsys):
    config = tmp_path / "c.yaml"
    config.write_text(
        "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: 32\nclip_length: 2"
    )
    for name in ("a/t.json", "t.json.gz"):
        arguments = ["profile-kernels", "--config", str(config), "--trace", str(tmp_path / name)]
        assert main([*arguments, "--device", "cpu"]) == 0
        assert f"wrote {tmp_path / name}" in capsys.readouterr().err
    assert (tmp_path / "a/t.json").read_text().lstrip().startswith("{")
    assert (tmp_path / "t.json.gz").read_bytes().startswith(b"\x1f\x8b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c.yaml", "t.json.gz"]


@pytest.mark.parametrize("place", ["missing/summary.md", "", "\0", "/dev/full"])
@pytest.mark.parametrize(("now", "code"), [(0.5, 0), (0.3, 1)])
def test_a_summary_that_cannot_be_written_changes_no_exit_code(
    place, now, code, tmp_path, monkeypatch, capsys
):
    for name, ap in (("before", 0.5), ("after", now)):
        RecordStore(tmp_path / name).write(example_record(ap=ap))
    from vis_bench.show.gate import verdict

    summary = place if place.startswith("/dev") else f"{tmp_path}/{place}"
    monkeypatch.setattr(verdict, "SUMMARY_VARIABLE", "SUMMARY")
    monkeypatch.setattr("os.environ", {"SUMMARY": summary})
    arguments = ["--baseline", str(tmp_path / "before"), "--current", str(tmp_path / "after")]
    assert main(["check", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out.startswith("## Benchmark gate")
    assert printed.err.startswith("warning: cannot write the step summary ")
    assert printed.err.count("\n") == 1
