"""Runs that measure memory over length: records, refusals, and cells that stay who they are."""

import pytest

from paths import ROOT
from run_case import QUIET, jobs_of
from video_key import build_key
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.runs.config import Cell, DatasetConfig, cell_digest
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.ray.cluster import ClusterSettings
from vis_bench.runs.ray.ray_run import run_on_ray
from vis_bench.runs.run_shard import ShardOption, run_shard

CONFIG = """
method: {method}
dataset: {{name: {dataset}, split: val}}
resolution: native
clip_length: {length}
measure: [memory]
memory: {{lengths: [8, 16], limit_gib: 4}}
"""


def jobs(folder, method="color_key", length="whole", dataset="synthetic", more="", **settings):
    text = CONFIG.format(method=method, length=length, dataset=dataset) + more
    return jobs_of(folder, text, limit=1, **settings)


@pytest.mark.parametrize(("length", "over"), [("whole", "clip"), (4, "video")])
def test_a_record_of_memory(tmp_path, length, over):
    [job] = jobs(tmp_path, length=length)
    outcome = run_jobs([job], RecordStore(tmp_path), QUIET)
    [record] = RecordStore(tmp_path)
    assert (outcome.failures, outcome.records) == ([], [record])
    assert [point.num_frames for point in record.memory_points] == [8, 16]
    assert all(p.peak_bytes > p.start_bytes > 1 << 20 for p in record.memory_points)
    assert all(point.num_tracks > 0 for point in record.memory_points)
    assert (record.memory_of, record.memory_over) == ("process", over)
    assert record.memory_video_size == (job.videos[0].height, job.videos[0].width)
    assert record.memory_limit_bytes == 4 << 30
    assert record.memory_growth in ("line", "flat")
    assert record.ap is record.fps is None


def test_a_method_of_whole_videos_is_measured_too(tmp_path):
    [job] = jobs(tmp_path, method="video_key", build=build_key)
    [record] = run_jobs([job], RecordStore(tmp_path), QUIET).records
    assert len(record.memory_points) == 2
    assert record.failures == {}


def test_of_the_jobs_videos_the_largest_is_measured(tmp_path):
    text = CONFIG.format(method="color_key", length=4, dataset="synthetic")
    [job] = jobs_of(tmp_path, text, limit=8)
    [record] = run_jobs([job], RecordStore(tmp_path), QUIET).records
    height, width = record.memory_video_size
    assert height * width == max(video.height * video.width for video in job.videos)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"dataset": "synthetic_images", "length": 1}, "single images"),
        ({"length": 12}, "clip_length 12"),
        ({"more": "compile: default\n"}, "compile"),
    ],
)
def test_what_has_no_memory_over_length_is_refused_before_anything_runs(tmp_path, changes, wrong):
    with pytest.raises(InputError, match=wrong):
        jobs(tmp_path, **changes)


def test_workers_are_refused_and_a_shard_measures(tmp_path):
    found = jobs(tmp_path)
    store = RecordStore(tmp_path)
    with pytest.raises(InputError, match="one process"):
        run_on_ray(found, store, QUIET, ClusterSettings(workers=1))
    [record] = run_shard(found, store, QUIET, ShardOption(2, 2)).records
    assert len(record.memory_points) == 2


def test_cells_without_memory_keep_their_digest():
    cell = Cell(method="ifc", dataset=DatasetConfig(name="synthetic"))
    settings = {"lengths": (8, 16)}
    changed = Cell(method="ifc", dataset=DatasetConfig(name="synthetic"), memory=settings)
    assert cell_digest(cell) == cell_digest(changed)
    # Of the commit before this measurement.
    assert cell_digest(cell)[:16] == "de852bedac3a5351"
    asked = {"measure": ("memory",)}
    assert cell_digest(cell.model_copy(update=asked)) != cell_digest(
        changed.model_copy(update=asked)
    )


@pytest.mark.parametrize(
    ("folder", "limit"), [("clip_lengths", None), ("ifc-communication", None), ("streaming", 24)]
)
def test_shipped_records_are_found_by_their_cells(folder, limit):
    """A record's config has, today, the digest that it was measured with."""
    records = list(RecordStore(ROOT / "results" / folder))
    for record in records:
        digest = cell_digest(
            Cell.model_validate(record.config),
            annotations=record.annotations_sha256,
            weights_file=record.weights_sha256,
            device="cpu",
            limit=limit,
        )
        assert digest == record.config_sha256
    assert len(records) > 6
