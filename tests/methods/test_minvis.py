"""MinVIS against an independent run of Mask2Former with MinVIS's matching, at every clip plan."""

import itertools
import json
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from methods import build_method
from methods.minvis import match_queries
from paths import ROOT
from transformers_goldens import assert_golden_tracks, filled_for, golden_video, goldens
from vis_bench.contract import check_contract
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import to_input
from vis_bench.measures.flops.video import ShapeCounter

pytestmark = pytest.mark.extra("transformers")

PLANS = [(1, 1), (2, 1), (3, 2), (4, 4), ("whole", 1)]
ARRAYS, GOLDEN = goldens()
CASE = GOLDEN["minvis"]
NUM_CLASSES = CASE["config"]["num_labels"]


def options():
    config, swin = CASE["config"], CASE["backbone_config"]
    return {
        "num_queries": config["num_queries"],
        "width": config["hidden_dim"],
        "heads": config["num_attention_heads"],
        "encoder_layers": config["encoder_layers"],
        "encoder_hidden": config["encoder_feedforward_dim"],
        "decoder_layers": config["decoder_layers"],
        "decoder_hidden": config["dim_feedforward"],
        "swin_width": swin["embed_dim"],
        "swin_depths": swin["depths"],
        "swin_heads": swin["num_heads"],
        "swin_window": swin["window_size"],
    }


def built():
    return build_method("minvis", num_classes=NUM_CLASSES, **options())


def loaded():
    method = filled_for(built(), CASE)
    method.prepare_for_inference()
    return method


@torch.inference_mode()
def test_golden_outputs_of_every_frame():
    method = loaded()
    assert method.num_params == CASE["num_params"], "counted with the pinned transformers"
    frames_T3HW = to_input(golden_video(CASE).frames, method.input_format)
    for t, frame_3HW in enumerate(frames_T3HW):
        maps = method.encode_frames(frame_3HW[None]).maps
        for name, found in (
            ("embeddings", maps["embeddings"]),
            ("class_logits", maps["class_logits"]),
            ("mask_logits_every_4th", maps["mask_logits"][..., ::4, ::4]),
        ):
            wanted = torch.from_numpy(ARRAYS[f"minvis_{name}"][t])
            assert (found[0] - wanted).abs().max() < 1e-4 * wanted.abs().max(), name


def test_golden_order_of_queries():
    tracks_QC = torch.from_numpy(ARRAYS["minvis_embeddings"][0])
    for t, order in enumerate(CASE["order"][1:], 1):
        queries_QC = torch.from_numpy(ARRAYS["minvis_embeddings"][t])
        found = match_queries(tracks_QC, queries_QC)
        assert found.tolist() == order
        tracks_QC = queries_QC[found]
    assert CASE["order"][-1] != sorted(CASE["order"][-1])


def test_matching_is_the_best_of_all_orders():
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        a_QC, b_QC = (torch.randn(4, 3, generator=generator) for _ in range(2))
        cosine = torch.cosine_similarity(a_QC[:, None], b_QC[None], dim=-1)
        best = max(
            itertools.permutations(range(4)),
            key=lambda o: sum(cosine[i, j] for i, j in enumerate(o)),
        )
        assert tuple(match_queries(a_QC, b_QC).tolist()) == best


@pytest.mark.parametrize("plan", PLANS)
def test_golden_predictions_at_every_clip_plan(plan):
    inference = InferencePlan(*plan, CASE["resolution"], torch.device("cpu"))
    tracks = track_video(loaded(), golden_video(CASE), inference, range(NUM_CLASSES))
    assert_golden_tracks(tracks, CASE)


def test_reduced_precision_runs():
    inference = InferencePlan(2, 1, CASE["resolution"], torch.device("cpu"), "bfloat16")
    tracks = track_video(loaded(), golden_video(CASE), inference, range(NUM_CLASSES))
    best = CASE["predictions"][0]
    assert tracks[0].category_id == best["label"]
    assert tracks[0].score == pytest.approx(best["score"], abs=0.03)


def test_contract_at_golden_weights():
    check_contract(loaded(), NUM_CLASSES, sizes_HW=((64, 96), (45, 71), (130, 33)))


def test_why_cost_cannot_be_counted():
    with torch.device("meta"):
        method = built()
    counter = ShapeCounter(method.to("meta"))
    with pytest.raises(InputError, match="the method reads a tensor's values to decide"):
        counter.count_video((96, 128), clip_windows(9, 1, 1))


def saved(folder):
    import transformers

    swin = {k: v for k, v in CASE["backbone_config"].items() if k != "model_type"}
    config = transformers.Mask2FormerConfig(
        backbone_config=transformers.SwinConfig(**swin), **CASE["config"]
    )
    model = transformers.Mask2FormerForUniversalSegmentation(config)
    filled_for(model, CASE).save_pretrained(folder)
    return folder / "model.safetensors"


def test_a_hugging_face_folder_decides_the_sizes(tmp_path):
    saved(tmp_path)
    method = build_method(
        "minvis", num_classes=CASE["config"]["num_labels"], weights_config=tmp_path / "config.json"
    )
    assert method.resolved_options == built().resolved_options


@pytest.mark.parametrize("older", [False, True])
@torch.inference_mode()
def test_a_hugging_face_folder_loads(tmp_path, older):
    """Files of older versions lack a norm that newer ones have and never use."""
    method, file = built(), saved(tmp_path)
    if older:
        state = load_file(file)
        save_file({key: state[key] for key in state if "swin.layernorm" not in key}, file)
    load_weights(method, WeightsFile.at(file))
    method.prepare_for_inference()
    frames_T3HW = to_input(golden_video(CASE).frames, method.input_format)
    one, other = method(frames_T3HW), loaded()(frames_T3HW)
    assert torch.equal(one.class_probs_NK, other.class_probs_NK)
    assert torch.equal(one.mask_logits_NTHW, other.mask_logits_NTHW)


def change(config, key, value):
    """The config with another value at a path such as `backbone_config.num_heads`."""
    *path, last = key.split(".")
    inner = config
    for name in path:
        inner = inner[name]
    inner[last] = value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("num_attention_heads", 2, "states heads 2, but options.heads is 4"),
        (
            "backbone_config.num_heads",
            [1, 2, 4, 4],
            "states swin_heads [1, 2, 4, 4], but options.swin_heads is [2, 2, 4, 4]",
        ),
        ("model_type", "maskformer", "model_type 'maskformer'; expected 'mask2former'"),
    ],
)
def test_a_folder_of_another_model_is_refused(tmp_path, key, value, message):
    file = saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    change(config, key, value)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=re.escape(message)):
        load_weights(built(), WeightsFile.at(file))


BLOCKED = """
import sys
sys.modules["transformers"] = None
from methods import build_method, describe_methods, method_names
from vis_bench.errors import InputError
assert "minvis" in method_names()
(row,) = [row for row in describe_methods() if row["Method"] == "minvis"]
assert not row.get("Problem")
try:
    build_method("minvis", num_classes=3)
except InputError as error:
    print(error)
"""


@pytest.mark.without_extra
def test_without_the_extra_one_sentence_says_what_to_install():
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "method minvis needs Hugging Face's transformers, which is not installed; install it "
        "with: pip install 'vis-bench[transformers]'\n"
    )
