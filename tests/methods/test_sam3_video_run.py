"""SAM 3 Video from a folder of weights to a record, and how its cells and rows differ."""

import json
from dataclasses import replace
from importlib.metadata import version

import pytest
import torch

from methods import build_method
from methods.sam3_video.model import Sam3
from methods.sam3_video.prompts import byte_tokenizer
from paths import CONFIGS
from record_example import example_record
from run_case import QUIET, jobs_of
from sam3_case import (
    loaded,
)
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.measures.speed.table import speed_table
from vis_bench.record.store import RecordStore
from vis_bench.runs.config import cell_digest, load_cells
from vis_bench.runs.harness import run_jobs

pytestmark = pytest.mark.extra("transformers")


@pytest.fixture(scope="module")
def golden():
    return loaded("video")


@pytest.fixture(scope="module")
def folder(golden, tmp_path_factory):
    """The golden's model of the case `video`, as transformers saves it."""
    path = tmp_path_factory.mktemp("model")
    golden.model.save_pretrained(path)
    byte_tokenizer(512, 513).save_pretrained(path)
    return path


def test_a_folder_of_hugging_faces_form_decides_sizes_and_thresholds(folder, golden):
    weights = WeightsFile.at(folder / "model.safetensors")
    method = build_method("sam3_video", num_classes=3, weights_config=weights.config)
    load_weights(method, weights)
    method.take_categories(["cat", "truck", "hand_bag"])
    state, wanted = method.state_dict(), golden.state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[key], wanted[key]) for key in state)
    assert method.resolved_options["rules"] == golden.resolved_options["rules"]
    assert method.resolved_options["rules"]["max_num_objects"] == 8
    assert method.digested == golden.digested


def test_folders_that_do_not_fit_are_refused(folder, golden, tmp_path):
    weights = WeightsFile.at(folder / "model.safetensors")
    with pytest.raises(InputError, match=r"states config \{.*\}, but options\.config is"):
        build_method(
            "sam3_video",
            num_classes=3,
            weights_config=weights.config,
            config={"low_res_mask_size": 32},
        )
    (tmp_path / "model.safetensors").symlink_to(weights.path)
    with pytest.raises(InputError, match="has no tokenizer next to its weights"):
        load_weights(golden, WeightsFile.at(tmp_path / "model.safetensors"))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "videomt"}))
    with pytest.raises(InputError, match="model_type 'videomt'; expected 'sam3_video'"):
        build_method("sam3_video", num_classes=3, weights_config=config)


def test_a_run(folder, tmp_path):
    """The record names rules and prompts; FLOPs are refused."""
    text = (
        f"method: sam3_video\nweights: {folder}\nresolution: 140\nclip_length: whole\n"
        "dataset: {name: synthetic, split: val}\nmeasure: [accuracy, flops]\n"
        "options: {num_prompts: 2, nms: false}\n"
    )
    (job,) = jobs_of(tmp_path, text, limit=1)
    video = job.videos[0]
    short = replace(video, frames=video.frames[:2])
    job = replace(job, videos=[short], ground_truth=job.dataset.ground_truth([short]))
    outcome = run_jobs([job], RecordStore(tmp_path / "out"), QUIET)
    (record,) = outcome.records
    assert record.resolved_options["num_prompts"] == 2
    assert record.resolved_options["kernels"] is False
    assert record.resolved_options["rules"]["score_threshold_detection"] == 0.15
    assert record.packages == {"transformers": version("transformers")}
    assert [*record.failures] == ["flops"]
    assert "depends on the objects" in record.failures["flops"]
    assert record.gflops_per_frame is None
    assert record.predictions is not None


def test_prompts_objects_nms_and_kernels_tell_cells_and_rows_apart(tmp_path):
    """Speed by the number of prompts is a config; only `kernels: true` asks for that package."""
    (tmp_path / "c.yaml").write_text(
        "base: sam3_video_ytvis2019\nmeasure: [speed]\n"
        "cells: [{options: {nms: false}}, {options: {kernels: true}}, {}]\n"
    )
    cells = [
        cell
        for path in (CONFIGS / "sam3_video_prompts.yaml", tmp_path / "c.yaml")
        for cell in load_cells(path)
    ]
    assert [cell.options.get("num_prompts") for cell in cells][:5] == [1, 5, 10, 20, 40]
    assert len({cell_digest(cell, Sam3.place_options) for cell in cells}) == len(cells) == 10
    records = [
        example_record(
            method="sam3_video", options=cell.options, clip_length="whole", fps=1.0,
            timed_region="model+tracker",
        )
        for cell in cells
    ]  # fmt: skip
    names = [row[0].text for row in speed_table(records).rows]
    assert len({*names}) == len(cells)
    assert [name.split(", ")[1] for name in names[:2]] == ["1 prompt", "5 prompts"]
    assert [name.split(", ")[2] for name in names[5:7]] == ["1 object at most", "5 objects at most"]


def test_other_phrases_are_another_cell(tmp_path):
    text = (
        "method: sam3_video\nresolution: 112\nmeasure: [speed]\ndataset: {name: synthetic}\n"
        "cells:\n- options: {variant: mini}\n"
        "- options: {variant: mini, phrases: {dotted_box: box}}\n"
    )
    assert len({job.digest for job in jobs_of(tmp_path, text, limit=1)}) == 2


def test_a_stream_has_streaming_ap_and_latency_per_frame(tmp_path):
    """Each video is prompted with the categories that are asked for in it alone."""
    text = (
        "method: sam3_video\nresolution: 112\nclip_length: 1\n"
        "options: {variant: mini, mode: stream, nms: false, rules: {max_num_objects: 2, "
        "score_threshold_detection: 0.01, new_det_thresh: 0.01}}\n"
        "dataset: {name: synthetic, split: val}\nmeasure: [accuracy, streaming, speed, flops]\n"
        "streaming: {rates: [6], delays: [frame, inf], repetitions: 1, processes: 1}\n"
        "speed: {regions: [model, model+tracker], videos: 1, warmup: 0, repetitions: 1, "
        "seconds: 0}\n"
    )
    (job,) = jobs_of(tmp_path, text, limit=1)
    (video,) = job.videos
    video = replace(video, frames=video.frames[:3], asked=frozenset([job.dataset.category_ids[1]]))
    job = replace(job, videos=[video], ground_truth=job.dataset.ground_truth([video]))
    outcome = run_jobs([job], RecordStore(tmp_path / "out"), QUIET)
    (record,) = outcome.records
    assert [*record.failures] == ["flops"]
    (path,) = (tmp_path / "out").rglob(record.predictions)
    assert {track["category_id"] for track in json.loads(path.read_text())} == video.asked
    in_time, in_the_end = record.streaming
    assert in_the_end.ap == record.ap is not None
    assert in_time.frame_latency_ms_p50 > 0
    assert record.latency_ms_p50 > 0
    assert not record.untimed_regions
