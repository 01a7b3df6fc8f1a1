"""Jobs: everything found and checked before the first is measured, and fit for another process."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from paths import CONFIGS
from run_case import bare, jobs_of
from vis_bench.data.synthetic import write_dataset
from vis_bench.errors import InputError
from vis_bench.inference.loop import track_video
from vis_bench.progress import Bars

PLAIN = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: [whole, 10]
clip_stride: 5
"""


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_job_that_was_pickled_gives_the_same_tracks(tmp_path, on_disk):
    text = PLAIN
    if on_disk:
        write_dataset(tmp_path / "data", Bars(quiet=True), plain=True, num_videos={"val": 2})
        text = text.replace("plain: true", "annotations: A, frames: F")
        text = text.replace("A,", f"{tmp_path}/data/val.json,")
        text = text.replace("F}", f"{tmp_path}/data/val/JPEGImages}}")
    job = jobs_of(tmp_path, text, limit=2)[1]
    twin = pickle.loads(pickle.dumps(job))
    assert twin.digest == job.digest
    assert np.array_equal(twin.videos[1].frames[3], job.videos[1].frames[3])
    assert np.array_equal(twin.videos[1].frames[2:][1], job.videos[1].frames[3])
    tracks = [
        track_video(bare(j.load_method()), j.videos[0], j.plan, j.dataset.category_ids)
        for j in (job, twin)
    ]
    assert tracks[0] == tracks[1]


def test_weights_that_do_not_fit_are_refused_before_anything_is_measured(tmp_path):
    weights = CONFIGS.parent / "methods" / "weights" / "ifc_mini.safetensors"
    text = "method: seqformer\noptions: {variant: mini}\ndataset: {name: synthetic}\n"
    with pytest.raises(InputError, match="does not fit SeqFormer"):
        jobs_of(tmp_path, text, weights=weights)


def test_cells_without_weights_are_left_out_where_their_config_asks(tmp_path):
    text = PLAIN + "cells: [{}, {weights: none.pth, skip_without_weights: true}]\n"
    said = []
    assert len(jobs_of(tmp_path, text, say=said.append)) == 2
    assert all("left out, weights file none.pth does not exist" in line for line in said)
    with pytest.raises(InputError, match="none of the 2 cells has its weights file"):
        jobs_of(tmp_path, PLAIN + "weights: none.pth\nskip_without_weights: true\n")


def test_a_job_knows_training_videos_without_their_annotations(tmp_path):
    """A worker on Ray describes the record and gets no ground truth."""
    [job, _] = jobs_of(tmp_path, PLAIN + "weights_trained_on: synthetic/val\n")
    assert job.measures_training_videos
    assert replace(job, ground_truth=None).measures_training_videos


def test_boundary_ap_is_part_of_a_cell_where_it_is_asked_for(tmp_path):
    asked, not_asked = "accuracy: {boundary: true}\n", "accuracy: {boundary: false}\n"
    plain, same, other = (jobs_of(tmp_path, PLAIN + text)[0] for text in ("", not_asked, asked))
    flops = [jobs_of(tmp_path, f"{PLAIN}measure: flops\n{text}")[0] for text in ("", asked)]
    assert plain.digest == same.digest != other.digest
    assert flops[0].digest == flops[1].digest
    images = f"method: color_key\ndataset: {{name: synthetic_images}}\nclip_length: 1\n{asked}"
    with pytest.raises(InputError, match=r"accuracy\.boundary is true"):
        jobs_of(tmp_path, images)


def test_groups_are_part_of_a_cell_where_they_are_asked_for(tmp_path):
    """By what they hold: the same groups in another file are the same cell."""
    plain = jobs_of(tmp_path, PLAIN)[0]
    files = []
    for name, text in (("g1", "s: [1, 2]"), ("g2", "s: [striped_star, 2]"), ("g3", "s: [1, 3]")):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(f"{text}\nvideos: {{late: [5]}}\n")
    same, names, other = (
        jobs_of(tmp_path, f"{PLAIN}groups: {path}\n", limit=None)[0] for path in files
    )
    assert [group.name for group in same.groups] == ["s", "late"]
    assert same.groups == names.groups == pickle.loads(pickle.dumps(same)).groups
    assert same.digest == names.digest
    assert len({plain.digest, same.digest, other.digest}) == 3
    limited = jobs_of(tmp_path, f"{PLAIN}groups: {files[0]}\n", limit=1)[0]
    assert limited.groups == same.groups
    with pytest.raises(InputError, match="has partition None"):
        jobs_of(tmp_path, PLAIN + "groups: partition\n")
