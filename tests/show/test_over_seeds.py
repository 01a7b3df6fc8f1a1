"""Experiments over seeds: which record stands in which row, and contrasts by hand."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from methods import resolve_options
from paths import CONFIGS
from record_example import example_record
from vis_bench.cli import main
from vis_bench.metrics.half_samples import trained_difference
from vis_bench.record.store import RecordStore
from vis_bench.runs.config import load_cells
from vis_bench.show.papers import seed_tables
from vis_bench.show.papers.over_seeds import NO_INTERVAL_NOTE, over_seeds_page, pooled_deviation
from vis_bench.table.number_format import points

CONTRAST = "MS-STS VIS (reconstruction) minus SeqFormer"
APS = {"seqformer": [0.50, 0.53, 0.56], "ms_sts": [0.52, 0.56, 0.57]}


def record_of(cell, number, ap, **changes):
    """The record that a run writes for a cell."""
    values = {
        "method": cell.method,
        "options": cell.options,
        "backbone": "mini",
        "resolved_options": resolve_options(cell.method, cell.options),
        "reconstruction": cell.method == "ms_sts",
        "training": cell.training,
        "dataset": "synthetic",
        "clip_length": cell.clip_length,
        "clip_stride": cell.stride,
        "resolution": cell.resolution,
        "num_videos": 60,
        "ap": ap,
        "config_sha256": f"{number:02x}" * 32,
    }
    return example_record(**{**values, **changes})


def cells_of(name, *overrides):
    return load_cells(CONFIGS / "tables" / f"{name}_synthetic.yaml", overrides)


CELLS = cells_of("ms-sts-seqformer")[:6]
RECORDS = [record_of(cell, n, APS[cell.method][n // 2]) for n, cell in enumerate(CELLS)]


def samples(record):
    """AP on all videos and on halves, which differ from it by the method's and the seed's draws."""
    draw = np.random.default_rng(int(1000 * record.ap))
    return np.concatenate([[record.ap], record.ap + draw.normal(0, 0.02, 50)])


def column(table, title):
    place = [column.full_title for column in table.columns].index(title)
    return [row[place] for row in table.rows]


def texts(table, title):
    return [entry.text for entry in column(table, title)]


def test_a_contrast_is_the_mean_over_seeds_with_the_interval_of_trained_differences():
    page = over_seeds_page("ms-sts-seqformer", RECORDS, samples)
    contrasts, rows = page.tables
    by_seed = [samples(b) - samples(a) for a, b in zip(RECORDS[::2], RECORDS[1::2], strict=True)]
    wanted = trained_difference(np.stack(by_seed), 60)
    (ap,) = column(contrasts, "AP")
    assert ap.text == "+2.0"
    assert ap.interval == (points(wanted.low, signed=True), points(wanted.high, signed=True))
    assert texts(contrasts, "Difference") == [CONTRAST]
    assert texts(contrasts, "p") == [f"{wanted.p_value:.3f}"]
    assert texts(contrasts, "SE, seeds") == [points(wanted.seeds_error)]
    assert texts(contrasts, "SE, videos") == [points(wanted.videos_error)]
    assert texts(contrasts, "Seeds") == ["3"]
    assert texts(rows, "AP mean") == ["53.0", "55.0"]
    assert texts(rows, "AP SD") == ["3.0", "2.6"]
    assert texts(rows, "AP of seeds 0, 1, 2") == ["50.0, 53.0, 56.0", "52.0, 56.0, 57.0"]
    assert "Preliminary: 6 seeds are registered." in page.remarks
    low, high = ap.interval
    assert page.findings[0].startswith(f"{CONTRAST}: +2.0 AP (95 %: {low} to {high}) over 3 seeds")
    assert page.findings[0].endswith("no difference found.") == (wanted.low <= 0 <= wanted.high)
    far = [record.model_copy(update={"ap": 0.1}) for record in RECORDS[::2]] + RECORDS[1::2]
    (found,) = over_seeds_page("ms-sts-seqformer", far, samples).findings
    assert f"{CONTRAST}: +45.0 AP" in found
    assert {entry.mark for table in (contrasts, rows) for row in table.rows for entry in row} == {
        None
    }


def test_the_spread_of_trainings_is_pooled_over_rows():
    page = over_seeds_page("ms-sts-seqformer", RECORDS, samples)
    pooled = np.sqrt((np.var(APS["seqformer"], ddof=1) + np.var(APS["ms_sts"], ddof=1)) / 2)
    (sentence,) = [text for text in page.remarks if "seed alone" in text]
    assert f"SD {100 * pooled:.1f} points" in sentence
    lengths = np.linalg.eigvalsh(np.cov([APS["seqformer"], APS["ms_sts"]]))
    freedom = 2 * lengths.sum() ** 2 / (lengths**2).sum()  # (Box, 1954), of 3 seeds
    apart = stats.t.ppf(0.975, freedom) * np.sqrt(2) * 100 * pooled
    assert f"up to {apart:.1f} apart" in sentence


def test_rows_of_the_same_trainings_are_no_more_evidence_than_one():
    """8 rows over 6 seeds: with the same APs 5 degrees of freedom, with APs of their own more.

    40 would be true of the latter; covariances of 6 seeds underestimate it.
    """
    rng = np.random.default_rng(1)
    same, own = (
        [
            pooled_deviation(
                {str(r): dict(enumerate(map(Seeded, aps_K))) for r, aps_K in enumerate(aps_RK)}
            )
            for aps_RK in 0.5 + 0.01 * rng.normal(size=(400, num_rows, 6)).repeat(8 // num_rows, 1)
        ]
        for num_rows in (1, 8)
    )
    assert [freedom for _, freedom in same] == pytest.approx([5] * 400)
    assert 10 < np.mean([freedom for _, freedom in own]) < 40
    for found in (same, own):
        assert np.mean([deviation**2 for deviation, _ in found]) == pytest.approx(1e-4, rel=0.1)


@dataclass
class Seeded:
    """The part of a record that is read."""

    ap: float


def test_without_predictions_there_is_a_difference_and_no_interval():
    page = over_seeds_page("ms-sts-seqformer", RECORDS)
    (ap,) = column(page.tables[0], "AP")
    assert (ap.text, ap.interval) == ("+2.0", None)
    assert page.findings == (f"{CONTRAST}: +2.0 AP, without an interval.",)
    assert NO_INTERVAL_NOTE in page.remarks
    assert NO_INTERVAL_NOTE not in over_seeds_page("ms-sts-seqformer", RECORDS, samples).remarks


def test_a_seed_without_its_partner_counts_in_its_row_alone():
    contrasts, rows = over_seeds_page("ms-sts-seqformer", RECORDS[:5], samples).tables
    assert texts(contrasts, "Seeds") == ["2"]
    assert texts(contrasts, "AP") == ["+2.5"]
    assert texts(rows, "AP of seeds 0, 1, 2") == ["50.0, 53.0, 56.0", "52.0, 56.0, -"]
    (alone,) = over_seeds_page("ms-sts-seqformer", RECORDS[:1]).tables
    assert texts(alone, "AP mean") == ["50.0"]


def test_every_row_of_every_experiment_is_measured_by_its_config():
    for name in seed_tables():
        cells = cells_of(name)
        if name == "ifc-communication":
            cells += cells_of(name, "clip_length=5", "clip_stride=3")
        records = [record_of(cell, n, 0.5) for n, cell in enumerate(cells)]
        page = over_seeds_page(name, records, samples)
        contrasts, rows = page.tables
        assert not any("Preliminary" in text for text in page.remarks)
        assert {row[-1].text for row in rows.rows} == {", ".join(["50.0"] * 6)}
        assert set(texts(contrasts, "Seeds")) == {"6"}
        assert set(texts(contrasts, "AP")) == {"0.0"}
        assert len(rows.rows) * 6 == len(cells)


def test_the_growth_of_communication_is_the_difference_of_two_differences():
    aps = {("none", 5): 0.30, ("ifc", 5): 0.31, ("none", 20): 0.40, ("ifc", 20): 0.45}
    cells = cells_of("ifc-communication")[:4]
    cells += cells_of("ifc-communication", "clip_length=5", "clip_stride=3")[:4]
    records = [
        record_of(cell, n, aps[cell.options.get("communication", "ifc"), cell.clip_length])
        for n, cell in enumerate(cells)
    ]
    contrasts, _ = over_seeds_page("ifc-communication", records).tables
    assert texts(contrasts, "AP") == ["+5.0", "+1.0", "+4.0", "+5.0", "+5.0", "+1.0", "+1.0"]


def test_other_records_are_passed_over():
    others = [
        record_of(CELLS[1], 9, 0.99, **changes)
        for changes in (
            {"training": None},
            {"training": "from one start"},
            {"weights_source": "random"},
            {"training": "from one start, seed two"},
            {"method": "ifc"},
        )
    ]
    assert over_seeds_page("ms-sts-seqformer", [*RECORDS, *others]) == over_seeds_page(
        "ms-sts-seqformer", RECORDS
    )


def test_of_one_row_and_seed_the_latest_clean_measurement_counts():
    dirty = record_of(CELLS[0], 0, 0.1, git_dirty=True, created_at="2999-01-01")
    old = record_of(CELLS[0], 0, 0.2, created_at="2001-01-01")
    for records in ([*RECORDS, dirty, old], [dirty, old, *RECORDS]):
        assert over_seeds_page("ms-sts-seqformer", records) == over_seeds_page(
            "ms-sts-seqformer", RECORDS
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"resolution": 160}, "short side 160"), ({"num_videos": 3}, "3 videos"),
     ({"annotations_sha256": "ef" * 32}, "annotations efefefef")],
)  # fmt: skip
def test_other_settings_stand_in_tables_of_their_own(changes, words):
    page = over_seeds_page("ms-sts-seqformer", [*RECORDS, record_of(CELLS[0], 0, 0.99, **changes)])
    assert len(page.tables) == 3
    (added,) = [table for table in page.tables if len(table.rows) == 1 and len(table.columns) == 5]
    assert words in added.data
    assert texts(added, "AP mean") == ["99.0"]


def test_the_command_prints_it(tmp_path, capsys):
    assert main(["table", "ms-sts-seqformer", "--records", str(tmp_path)]) == 0
    assert "train/ms_sts_seqformer_synthetic" in capsys.readouterr().out
    store = RecordStore(tmp_path)
    for record in RECORDS:
        store.write(record)
    assert main(["table", "ms-sts-seqformer", "--records", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["tables"][0]["rows"][0]["AP"] == "+2.0"
