"""VidEoMT with DINOv2 against the official implementations, from both kinds of files."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from methods import build_method
from paths import CONFIGS
from run_case import bare
from transformers_goldens import (
    VIDEOMT_OPTIONS,
    assert_golden_tracks,
    built_videomt,
    filled_for,
    golden_video,
    goldens,
    videomt_options,
)
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights, weights_name
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.loop import InferencePlan, StoredFrames, predict_clips, track_video
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.measures.flops.counter import GIGA, count_macs
from vis_bench.measures.flops.video import ShapeCounter
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs.build import Recipe
from vis_bench.runs.config import load_cells
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.jobs import RunSettings, resolve_jobs
from vis_bench.runs.weights import find_weights

CASES = ("tiny", "square", "aspect")
PLANS = [(1, 1), (2, 1), (4, 2), (3, 3), ("whole", 1)]
ARRAYS, GOLDEN = goldens()


def loaded(name, **changes):
    case = GOLDEN["cases"][name]
    method = filled_for(built_videomt(case, **changes), case)
    method.prepare_for_inference()
    return method, case


def network_input(method, case):
    video = golden_video(case)
    size_HW = input_size(video.height, video.width, case["resolution"], method.input_format)
    assert list(size_HW) == case["input_size"]
    return to_input([resize_frame(f, size_HW) for f in video.frames], method.input_format)


@pytest.mark.parametrize("name", CASES)
@torch.inference_mode()
def test_golden_logits_of_every_frame(name):
    method, case = loaded(name)
    features = method.encode_frames(network_input(method, case))
    state, sum_before = None, 0
    for t in range(case["num_frames"]):
        prediction, state = method.predict_next(features.frames(t, t + 1), state)
        class_logits_QL = state["class_logits_sum_QL"] - sum_before
        sum_before = state["class_logits_sum_QL"].clone()
        wanted = torch.from_numpy(ARRAYS[f"{name}_class_logits"][t])
        torch.testing.assert_close(class_logits_QL, wanted, rtol=1e-5, atol=1e-5)
        masks = prediction.mask_logits_NTHW[:, 0, ::4, ::4]
        wanted = torch.from_numpy(ARRAYS[f"{name}_mask_logits_every_4th"][t])
        assert (masks - wanted).abs().max() < 1e-4 * wanted.abs().max()


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", CASES)
def test_golden_predictions_at_every_clip_plan(name, plan):
    method, case = loaded(name)
    inference = InferencePlan(*plan, case["resolution"], torch.device("cpu"))
    tracks = track_video(method, golden_video(case), inference, range(case["config"]["num_labels"]))
    assert_golden_tracks(tracks, case)


def test_golden_sizes():
    """All but the token that transformers keeps from pretraining and never uses."""
    for name in CASES:
        method, case = loaded(name)
        assert method.num_params == case["num_params"] - case["config"]["hidden_size"]


def hugging_face_model(case):
    """Transformers' own model with the case's weights."""
    import transformers

    config = transformers.VideomtConfig(**case["config"])
    model = transformers.VideomtForUniversalSegmentation(config)
    return filled_for(model, {"weight_overrides": case["weight_overrides"]})


@pytest.fixture
def folder(tmp_path):
    """A folder in Hugging Face's form, as `save_pretrained` writes it."""
    case = GOLDEN["cases"]["square"]
    model = hugging_face_model(case)
    model.save_pretrained(tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "config.json",
        "model.safetensors",
    }
    return tmp_path / "model"


def cell_of(tmp_path, text="method: videomt\ndataset: {name: synthetic}\n"):
    (tmp_path / "c.yaml").write_text(text)
    (cell,) = load_cells(tmp_path / "c.yaml")
    return cell


@pytest.mark.extra("transformers")
@pytest.mark.parametrize("changes", [{}, {"hidden_size": 48}, {"num_upscale_blocks": 1}])
@torch.inference_mode()
def test_a_hugging_face_folder_gives_what_transformers_gives(tmp_path, changes):
    """Its config.json decides the sizes, heads and blocks, too."""
    case = GOLDEN["cases"]["square"]
    case = {**case, "config": {**case["config"], **changes}}
    theirs = hugging_face_model(case)
    theirs.save_pretrained(tmp_path / "model")
    cell = cell_of(tmp_path)
    file = find_weights(cell, tmp_path / "model")
    assert weights_name(file.path) == "model/model.safetensors"
    recipe = Recipe(build_method, cell, [*"abcdef"], file)
    method = bare(recipe.load(torch.device("cpu")))
    sizes = {name: case["config"][entry] for name, entry in VIDEOMT_OPTIONS.items()}
    assert sizes.items() <= method.resolved_options.items()
    frames_T3HW = torch.randn(3, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    wanted = theirs(pixel_values_videos=frames_T3HW[None])
    prediction = method(frames_T3HW)
    probs_QK = wanted.class_queries_logits.mean(0).softmax(-1)[:, :-1]
    torch.testing.assert_close(prediction.class_probs_NK, probs_QK, rtol=0, atol=1e-5)
    masks_QTHW = wanted.masks_queries_logits.transpose(0, 1)
    scale = masks_QTHW.abs().max().item()
    torch.testing.assert_close(prediction.mask_logits_NTHW, masks_QTHW, rtol=0, atol=1e-5 * scale)


@pytest.mark.extra("transformers")
def test_transformers_own_forward_takes_one_size_only():
    case = GOLDEN["cases"]["square"]
    side = case["config"]["image_size"]
    frames_13HW = torch.zeros(1, 3, side, side - 32)
    with torch.inference_mode(), pytest.raises(RuntimeError, match="must match"):
        hugging_face_model(case)(pixel_values_videos=frames_13HW[None])
    assert len(built_videomt(case)(frames_13HW)) == case["config"]["num_queries"]


@pytest.mark.extra("transformers")
@pytest.mark.parametrize(
    "options", [{"heads": 8}, {"variant": "small"}, {"encoder": "dinov3"}], ids=str
)
def test_options_that_contradict_a_folder_are_refused(folder, options):
    with pytest.raises(InputError, match=r"config.json states .* but options\."):
        build_method("videomt", num_classes=6, weights_config=folder / "config.json", **options)


@pytest.mark.extra("transformers")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_attention_heads": 8}, "states heads 8, but options.heads is 4"),
        ({"mlp_ratio": 3}, "has mlp_ratio 3; expected 4"),
        ({"model_type": "eomt"}, "has model_type 'eomt'; expected 'videomt'"),
        ({"hidden_size": "wide"}, "is not a config of videomt: "),
    ],
)
def test_a_folder_of_another_model_is_refused(folder, changes, message):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(InputError, match=re.escape(message)):
        load_weights(
            built_videomt(GOLDEN["cases"]["square"]), WeightsFile.at(folder / "model.safetensors")
        )


def test_a_folder_without_weights_is_refused(tmp_path):
    message = r"is a folder without model.safetensors; --weights takes a .pth or .safetensors, or"
    with pytest.raises(InputError, match=message):
        find_weights(cell_of(tmp_path), tmp_path)


# The authors' names, most specific first: what their files call the modules that transformers has.
AUTHORS = {
    r"embeddings\.cls_token": "encoder.backbone.cls_token",
    r"embeddings\.register_tokens": "encoder.backbone.reg_token",
    r"embeddings\.position_embeddings\.weight": "encoder.backbone.pos_embed",
    r"embeddings\.patch_embeddings\.projection\.(.*)": r"encoder.backbone.patch_embed.proj.\1",
    r"layers\.(\d+)\.attention\.out_proj\.(.*)": r"encoder.backbone.blocks.\1.attn.proj.\2",
    r"layers\.(\d+)\.attention\.qkv\.(.*)": r"encoder.backbone.blocks.\1.attn.qkv.\2",
    r"layers\.(\d+)\.layer_scale(\d)\.lambda1": r"encoder.backbone.blocks.\1.ls\2.gamma",
    r"layers\.(\d+)\.(.*)": r"encoder.backbone.blocks.\1.\2",
    r"layernorm\.(.*)": r"encoder.backbone.norm.\1",
    r"query\.weight": "q.weight",
    r"query_updater\.(.*)": r"query_updater.\1",
    r"class_predictor\.(.*)": r"class_head.\1",
    r"mask_head\.fc1\.(.*)": r"mask_head.0.\1",
    r"mask_head\.fc2\.(.*)": r"mask_head.2.\1",
    r"mask_head\.fc3\.(.*)": r"mask_head.4.\1",
    r"upscale_block\.block\.(\d)\.layernorm2d\.(.*)": r"upscale.\1.norm.\2",
    r"upscale_block\.block\.(\d)\.(.*)": r"upscale.\1.\2",
}


def as_the_authors_save(state, num_blocks):
    """Queries, keys and values in one tensor, a batch dimension, and what inference ignores."""
    fused = dict(state)
    for key in [key for key in state if ".q_proj." in key]:
        parts = [fused.pop(key.replace(".q_proj.", f".{name}_proj.")) for name in "qkv"]
        fused[key.replace(".q_proj.", ".qkv.")] = torch.cat(parts)
    fused["embeddings.position_embeddings.weight"] = fused["embeddings.position_embeddings.weight"][
        None
    ]
    content = {"backbone.attn_mask_probs": torch.ones(num_blocks)}
    content["criterion.empty_weight"] = torch.ones(7)
    for key, value in fused.items():
        theirs = next(
            re.sub(ours, name, key) for ours, name in AUTHORS.items() if re.fullmatch(ours, key)
        )
        content[f"backbone.{theirs}"] = value
    return {"model": content}


@torch.inference_mode()
def test_the_authors_file_loads(tmp_path):
    method, case = loaded("aspect")
    saved = as_the_authors_save(method.state_dict(), case["config"]["num_blocks"])
    assert len(saved["model"]) == len(method.state_dict()) - 4 * 6 + 2
    torch.save(saved, tmp_path / "yt.pth")
    other = built_videomt(case)
    load_weights(other, WeightsFile.at(tmp_path / "yt.pth"))
    other.prepare_for_inference()
    frames_T3HW = network_input(method, case)
    one, two = method(frames_T3HW), other(frames_T3HW)
    assert torch.equal(one.class_probs_NK, two.class_probs_NK)
    assert torch.equal(one.mask_logits_NTHW, two.mask_logits_NTHW)


@torch.inference_mode()
def test_positions_kept_per_size_change_nothing():
    method, case = loaded("aspect")
    fresh = filled_for(built_videomt(case), case)
    for height, width in ((100, 178), (64, 64), (100, 178)):
        frames_T3HW = torch.randn(2, 3, height, width)
        kept, computed = method.encode_frames(frames_T3HW), fresh.encode_frames(frames_T3HW)
        assert torch.equal(kept.maps["tokens"], computed.maps["tokens"])


def on_meta(**options):
    with torch.device("meta"):
        method = build_method("videomt", **{"num_classes": 40, **options})
    method.prepare_for_inference()
    return method


@pytest.mark.parametrize(
    ("variant", "num_params", "gmac"),
    [("small", 24_088_361, 57.1), ("base", 94_182_953, 184.5), ("large", 317_650_985, 573.0)],
)
def test_sizes_and_cost_of_the_released_models(variant, num_params, gmac):
    """Parameters of transformers' model; multiply-adds of a frame of 448x796 that is not first."""
    method = on_meta(variant=variant)
    assert method.num_params == num_params - method.resolved_options["hidden"]
    count = ShapeCounter(method).count_video((448, 796), clip_windows(36, 1, 1))
    assert count.per_frame / GIGA == pytest.approx(gmac, rel=0.005)


def test_cost_on_shapes_equals_the_cost_executed():
    method, case = loaded("square")
    clips = clip_windows(5, 3, 2)
    inputs = StoredFrames(torch.rand(5, 3, 128, 128))
    macs = count_macs(method, lambda: list(predict_clips(method, inputs, clips)))[1]
    counter = ShapeCounter(on_meta(**videomt_options(case), num_classes=6))
    counted = counter.count_video((128, 128), clips).all
    for name, _ in method.named_modules():
        assert counted.within(name) == macs.within(name), name
    assert counted.within("layers") > 0


def test_square_input_is_an_option():
    method, _ = loaded("square", input_shape="square")
    assert input_size(720, 1280, 128, method.input_format) == (128, 128)
    assert input_size(720, 1280, "native", method.input_format) == (720, 1280)
    assert method.resolved_options["input_shape"] == "square"
    assert loaded("square")[0].resolved_options["input_shape"] == "aspect"
    video = golden_video(GOLDEN["cases"]["aspect"])
    tracks = track_video(method, video, InferencePlan(1, 1, 128, torch.device("cpu")), range(6))
    assert {tuple(m["size"]) for t in tracks for m in t.segmentations if m} == {(90, 160)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": "round"}, "input_shape is 'round'; expected one of: aspect, square"),
        ({"hidden": 100, "heads": 6}, "hidden is 100; expected a multiple of heads, which is 6"),
        ({"query_layers": 12}, "query_layers is 12; expected 1 or more, and fewer than layers"),
        ({"pad_to": 24}, "pad_to is 24; expected a multiple of patch_size, which is 16"),
        ({"image_size": 0}, "image_size is 0; expected a multiple of patch_size, which is 16"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        build_method("videomt", num_classes=6, **options)


@pytest.mark.extra("transformers")
def test_a_run_from_a_folder(folder, tmp_path):
    """Accuracy and FLOPs of a cell whose weights are a folder; the record names the input."""
    case = GOLDEN["cases"]["square"]
    options = {**videomt_options(case), "input_shape": "square"}
    text = (
        f"method: videomt\noptions: {json.dumps(options)}\nweights: {folder}\nresolution: 64\n"
        "clip_length: [1, 5]\nclip_stride: 1\ndataset: {name: synthetic, split: val}\n"
        "measure: [accuracy, flops]\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    settings = RunSettings("run", torch.device("cpu"), limit=1)
    jobs = resolve_jobs(load_cells(tmp_path / "c.yaml"), settings, build_method, print)
    outcome = run_jobs(jobs, RecordStore(tmp_path / "out"), Bars(quiet=True))
    assert outcome.failures == []
    one, other = outcome.records
    assert one.weights_source == "model/model.safetensors"
    assert one.options["input_shape"] == "square"
    assert one.gflops_per_frame == other.gflops_per_frame > 0
    files = [(tmp_path / "out" / record.predictions).read_bytes() for record in (one, other)]
    assert files[0] == files[1]


CONFIGURED = {
    "videomt_small_ytvis2019": (448, "AP 52.8, AR10 62.2"),
    "videomt_base_ytvis2019": (448, "AP 58.2, AR10 66.5"),
    "videomt_large_ytvis2019": (448, "AP 68.6, AR10 73.9"),
    "videomt_large_ytvis2021": (448, "AP 63.1, AR10 68.1"),
    "videomt_large_ytvis2022": (448, "AP 42.6, AR10 48.1"),
    "videomt_large_ovis": (544, "AP 52.5, AR10 57.5"),
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_configs(name):
    resolution, published = CONFIGURED[name]
    (cell,) = load_cells(CONFIGS / f"{name}.yaml")
    assert f"{cell.method}_{cell.options['variant']}_{cell.dataset.name}" == name
    assert (cell.clip_length, cell.resolution) == (1, resolution)
    assert cell.measure == ("accuracy", "speed", "flops")
    assert cell.weights_trained_on == (f"{cell.dataset.name}/train",)
    opening = (CONFIGS / f"{name}.yaml").read_text().split("\nmethod:")[0]
    assert all(line.startswith("#") for line in opening.splitlines())
    assert f"vis-bench run {name} --data-root DATA --weights W" in opening
    assert published in opening


def test_only_a_folder_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    sizes = {"num_classes": 3, "hidden": 16, "heads": 2}
    build_method("videomt", **sizes)
    with pytest.raises(InputError, match=r"pip install 'vis-bench\[transformers\]'"):
        build_method("videomt", weights_config=Path("config.json"), **sizes)
