"""VidEoMT with DINOv3 against the authors' code, from files as their code saves them."""

import json
import re

import numpy as np
import pytest
import torch

import fill
from methods import build_method
from methods.videomt import model
from paths import CONFIGS, GOLDEN
from vis_bench.contract import check_contract
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.masks.rle import decode
from vis_bench.measures.flops.video import ShapeCounter
from vis_bench.runs.config import load_cells

CASES = ("tiny", "portrait")
PLANS = [(1, 1), (2, 1), (3, 2), (4, 4), ("whole", 1)]
ARRAYS = np.load(GOLDEN / "videomt_dinov3_tiny.npz")
GOLDENS = json.loads((GOLDEN / "videomt_dinov3_tiny.json").read_text())["cases"]
SIZES = (
    "hidden", "layers", "heads", "query_layers", "num_queries", "image_size", "patch_size",
    "register_tokens",
)  # fmt: skip


def state_of(case):
    """Deterministic weights under the authors' names."""
    state = {key: torch.from_numpy(fill.tensor(key, shape)) for key, shape in case["keys"].items()}
    state["backbone.attn_mask_probs"] = torch.ones(case["query_layers"])
    for key, operation, number in case["weight_overrides"]:
        state[key] = state[key] * number if operation == "times" else state[key] + number
    return state


def built(case, **changes):
    options = {"encoder": "dinov3", **{name: case[name] for name in SIZES}, **changes}
    return build_method("videomt", num_classes=case["num_classes"], **options)


def load(method, state, folder):
    torch.save({"model": state}, folder / "w.pth")
    load_weights(method, WeightsFile.at(folder / "w.pth"))
    method.prepare_for_inference()
    return method


@pytest.fixture(scope="module")
def methods(tmp_path_factory):
    """The method of each case, with its weights."""
    folder = tmp_path_factory.mktemp("weights")
    return {name: load(built(GOLDENS[name]), state_of(GOLDENS[name]), folder) for name in CASES}


def video_of(case):
    frames = fill.frames(case["num_frames"], case["height"], case["width"], case["seed"])
    return Video(1, "golden", case["height"], case["width"], list(frames))


def network_input(method, case):
    size_HW = input_size(case["height"], case["width"], case["short_side"], method.input_format)
    assert list(size_HW) == case["frame_HW"]
    return to_input([resize_frame(f, size_HW) for f in video_of(case).frames], method.input_format)


def close(found, wanted, tolerance=2e-5):
    """Equal up to a share of the largest wanted value."""
    wanted = torch.as_tensor(wanted)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < tolerance * wanted.abs().max()


@pytest.mark.parametrize("name", CASES)
@torch.inference_mode()
def test_golden_values_of_every_frame(name, methods):
    method, case = methods[name], GOLDENS[name]
    golden = {key: ARRAYS[f"{name}/{key}"] for key in (
        "rope_cos", "rope_sin", "embeddings_frame0", "tokens_frame0", "class_logits", "mask_logits",
        "mask_logits_last", "next_queries",
    )}  # fmt: skip
    frames_T3HW = network_input(method, case)
    rows, columns = (n // case["patch_size"] for n in case["padded_HW"])
    for found, key in zip(
        method.rotary(rows, columns, frames_T3HW.device), ("cos", "sin"), strict=True
    ):
        close(found, golden[f"rope_{key}"], 1e-6)
    embedded = []
    with_hook = method.embeddings.register_forward_hook(lambda *call: embedded.append(call[-1]))
    features = method.encode_frames(frames_T3HW)
    with_hook.remove()
    close(embedded[0][0], golden["embeddings_frame0"])
    close(features.maps["tokens"][0], golden["tokens_frame0"])
    state, sum_before = None, 0
    for t in range(case["num_frames"]):
        prediction, state = method.predict_next(features.frames(t, t + 1), state)
        close(state["class_logits_sum_QL"] - sum_before, golden["class_logits"][t])
        sum_before = state["class_logits_sum_QL"].clone()
        next_queries = method.query_updater(state["queries_1QC"])[0] + method.query.weight
        close(next_queries, golden["next_queries"][t])
        if t < 2:
            close(prediction.mask_logits_NTHW[:, 0], golden["mask_logits"][t])
    close(prediction.mask_logits_NTHW[:, 0], golden["mask_logits_last"])


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", CASES)
def test_golden_predictions_at_every_clip_plan(name, plan, methods):
    case = GOLDENS[name]
    inference = InferencePlan(*plan, case["short_side"], torch.device("cpu"))
    tracks = track_video(methods[name], video_of(case), inference, range(case["num_classes"]))
    wanted = [p for p in case["predictions"] if any(p["segmentations"])]
    assert len(tracks) == len(wanted)
    nothing = np.zeros((case["height"], case["width"]), bool)
    for track, prediction in zip(tracks, wanted, strict=True):
        assert track.category_id == prediction["label"]
        assert abs(track.score - prediction["score"]) < 1e-5
        pairs = zip(track.segmentations, prediction["segmentations"], strict=True)
        masks = [[nothing if m is None else decode(m) for m in pair] for pair in pairs]
        one, other = np.stack(masks, 1)
        assert (one & other).sum() >= 0.999 * (one | other).sum()


@torch.inference_mode()
def test_the_epsilon_of_dinov2_moves_the_logits(monkeypatch, tmp_path):
    """By a thousandth, which is a hundred times what arithmetic does."""
    case = GOLDENS["tiny"]
    other = model.ENCODERS["dinov3"]._replace(epsilon=model.ENCODERS["dinov2"].epsilon)
    monkeypatch.setitem(model.ENCODERS, "dinov3", other)
    method = load(built(case), state_of(case), tmp_path)
    features = method.encode_frames(network_input(method, case))
    state = method.predict_next(features.frames(0, 1), None)[1]
    wanted = torch.from_numpy(ARRAYS["tiny/class_logits"][0])
    moved = (state["class_logits_sum_QL"] - wanted).abs().max() / wanted.abs().max()
    assert 5e-4 < moved < 2e-3


def test_contract_at_golden_weights(methods):
    case = GOLDENS["tiny"]
    check_contract(methods["tiny"], case["num_classes"], ((33, 47), (64, 64)))


def large(**options):
    with torch.device("meta"):
        return build_method("videomt", num_classes=40, variant="dinov3_large", **options)


def test_keys_of_the_published_model_load_strictly():
    keys = json.loads((GOLDEN / "videomt_dinov3_vitl_ytvis19.keys.json").read_text())
    assert len(keys) == 436
    state = {key: torch.empty(shape, device="meta") for key, shape in keys.items()}
    method = large()
    assert method.backbone_name == "vit_l_dinov3"
    trained = {**state, "criterion.empty_weight": torch.ones(41)}
    method.load_state_dict(trained, strict=True, assign=True)
    assert method.num_params == sum(value.numel() for value in state.values()) - 4


def fused(state):
    """As the authors save after `FUSED_QKV`: one tensor, and zeros for the bias of the keys."""
    state = dict(state)
    for key in [key for key in state if key.endswith(".q_proj.weight")]:
        start = key.removesuffix("q_proj.weight")
        weights = [state.pop(f"{start}{name}_proj.weight") for name in "qkv"]
        query_bias, value_bias = (state.pop(f"{start}{name}_proj.bias") for name in "qv")
        state[f"{start}qkv_proj.weight"] = torch.cat(weights)
        biases = [query_bias, torch.zeros_like(query_bias), value_bias]
        state[f"{start}qkv_proj.bias"] = torch.cat(biases)
    return state


def test_files_with_fused_attention_load(methods, tmp_path):
    case = GOLDENS["tiny"]
    state = fused(state_of(case))
    assert not any("q_proj" in key for key in state)
    method = load(built(case), state, tmp_path)
    for key, value in methods["tiny"].state_dict().items():
        assert torch.equal(method.state_dict()[key], value), key
    key = next(key for key in state if key.endswith("qkv_proj.bias"))
    state[key] = state[key] + 1
    with pytest.raises(InputError, match=r"unexpected keys \(1\): layers\.0\.attention\.k_proj\.b"):
        load(built(case), state, tmp_path)


@pytest.mark.parametrize("fuse", [False, True])
def test_a_file_with_the_other_encoder_is_recognized(tmp_path, fuse):
    case = GOLDENS["tiny"]
    state = fused(state_of(case)) if fuse else state_of(case)
    for method in (
        built(case, encoder="dinov2"),
        built(case, encoder="dinov2", layers=3, query_layers=1),
    ):
        with pytest.raises(InputError, match=r"with DINOv3 \(options\.encoder: dinov3\) and does"):
            load(method, state, tmp_path)
    of_dinov2 = {"backbone.encoder.backbone.pos_embed": torch.zeros(1, 16, 48)}
    with pytest.raises(InputError, match=r"with DINOv2 \(options\.encoder: dinov2\) and does not"):
        load(built(case), of_dinov2, tmp_path)


def test_cost_of_the_published_model():
    """Multiply-adds of a frame of 480x854 that is not first, from the sizes alone."""
    method = large()
    method.prepare_for_inference()
    counted = ShapeCounter(method).count_video((480, 854), clip_windows(36, 1, 1)).per_frame
    width, queries, patches = 1024, 200, 30 * 54
    tokens = 5 + patches

    def block(tokens):
        return 12 * width**2 * tokens + 2 * width * tokens**2

    encoder = 3 * 16**2 * width * patches + 20 * block(tokens) + 4 * block(tokens + queries)
    upscaled = (4 + 16) * patches * (width**2 + 9 * width)
    heads = queries * width * (3 * width + 41 + width) + queries * 16 * patches * width
    assert counted == pytest.approx(encoder + upscaled + heads, rel=0.002)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "dinov1"}, "encoder is 'dinov1'; expected one of: dinov2, dinov3"),
        ({"hidden": 42}, "hidden is 42; expected a multiple of 4 times heads (3) with dinov3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        built(GOLDENS["tiny"], **options)


PUBLISHED = {
    "ytvis2019": "AP 68.9, AR10 74.8", "ytvis2021": "AP 63.2, AR10 69.2",
    "ytvis2022": "AP 42.8, AR10 50.3",
}  # fmt: skip


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_configs(dataset):
    name = f"videomt_dinov3_large_{dataset}"
    (cell,) = load_cells(CONFIGS / f"{name}.yaml")
    assert (cell.method, cell.dataset.name) == ("videomt", dataset)
    assert cell.options == {"variant": "dinov3_large"}
    assert (cell.clip_length, cell.resolution) == (1, 480)
    assert cell.measure == ("accuracy", "speed", "flops")
    assert cell.weights_trained_on == (f"{dataset}/train",)
    opening = (CONFIGS / f"{name}.yaml").read_text().split("\nmethod:")[0]
    assert all(line.startswith("#") for line in opening.splitlines())
    assert f"vis-bench run {name} --data-root DATA --weights W" in opening
    assert f"{PUBLISHED[dataset]}; 133 FPS" in " ".join(opening.replace("\n#", "").split())
