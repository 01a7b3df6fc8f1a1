"""The image model with a tracker in docs/own_method.md, as it stands there, with tiny weights."""

import json
import re

import pytest
import torch

from paths import ROOT
from plug_in_site import install, vis_bench
from vis_bench.contract import check_contract
from vis_bench.data.categories import CATEGORIES
from vis_bench.errors import InputError
from vis_bench.method import FrameFeatures

PAGE = (ROOT / "docs" / "own_method.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## An image model with a tracker")[2].partition("\n## ")[0]
BLOCKS = {  # the first of each kind, with each command in one line
    kind: re.sub(r" \\\n +", " ", block)
    for kind, block in reversed(re.findall(r"```(\w+)\n(.*?)```", SECTION, re.DOTALL))
}
NAMES = list(CATEGORIES["synthetic"].values())
# The model does not know the last category, and has others in another order.
LABELS = ["Background", *(name.replace("_", " ").title() for name in reversed(NAMES[:-1]))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pretrained folder of RF-DETR Seg with random weights that find something."""
    import transformers

    if not hasattr(transformers, "RfDetrForInstanceSegmentation"):
        pytest.skip("this version of transformers has no RF-DETR")
    torch.manual_seed(0)
    backbone = {
        "model_type": "rf_detr_dinov2", "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "patch_size": 8, "num_windows": 2, "image_size": 64,
        "out_features": ["stage1", "stage2"],
    }  # fmt: skip
    config = transformers.RfDetrConfig(
        backbone_config=backbone, d_model=16, decoder_layers=2, decoder_ffn_dim=32,
        decoder_self_attention_heads=2, decoder_cross_attention_heads=2, num_queries=6,
        group_detr=1, c2f_num_blocks=1, intermediate_size=32,
        id2label=dict(enumerate(LABELS)), label2id={name: k for k, name in enumerate(LABELS)},
    )  # fmt: skip
    model = transformers.RfDetrForInstanceSegmentation(config)
    with torch.no_grad():
        head = model.model.class_embed
        head.weight.normal_(0, 1)
        head.bias.zero_()
    place = tmp_path_factory.mktemp("weights") / "rf_detr_seg"
    model.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def module():
    content = {}
    exec(BLOCKS["python"], content)
    return content


@pytest.fixture
def method(module, folder):
    method = module["build"](num_classes=len(NAMES), folder=folder)
    method.take_categories(NAMES)
    method.prepare_for_inference()
    return method


@pytest.mark.extra("transformers")
def test_it_keeps_the_contract_and_reads_the_names_of_classes(method):
    check_contract(method, len(NAMES), ((64, 64), (48, 80)))
    with torch.inference_mode():
        frames_T3HW = torch.randn(2, 3, 64, 64)
        probs_TQK = method.encode_frames(frames_T3HW).maps["probs"]
        theirs_TQL = method.model(frames_T3HW).logits.sigmoid()
    for k in range(len(NAMES) - 1):
        assert torch.equal(probs_TQK[..., k], theirs_TQL[..., len(NAMES) - 1 - k])
    assert not probs_TQK[..., -1].any()
    assert (probs_TQK > method.min_score).any()
    with pytest.raises(InputError, match="the model has none of the categories cat, dog"):
        method.take_categories(["cat", "dog"])


@pytest.mark.extra("transformers")
def test_tracks_follow_the_overlap_of_masks(method):
    """Two objects change places among the queries; one pauses, and a third begins."""
    a, b, c = (torch.full((8, 8), -1.0) for _ in range(3))
    a[:3, :3], b[5:, 5:], c[:3, 5:] = 1, 1, 1
    moved = torch.full((8, 8), -1.0)
    moved[:3, 1:4] = 1  # overlaps `a` by an IoU of 6 / 12
    nothing, sure = [0.0] * len(NAMES), [0.9] + [0.0] * (len(NAMES) - 1)
    masks_TQHW = torch.stack([torch.stack(x) for x in ((a, b), (b, moved), (moved, c), (b, c))])
    probs_TQK = torch.tensor([[sure, sure], [sure, sure], [sure, nothing], [sure, sure]])
    features = FrameFeatures({"probs": probs_TQK, "masks": masks_TQHW}, (8, 8))
    prediction, _ = method.predict_next(features, None)
    wanted = [[a, moved, moved, None], [b, b, None, b], [None, None, None, c]]
    assert list(prediction.track_ids_N) == [0, 1, 2]
    for found_THW, masks in zip(prediction.mask_logits_NTHW, wanted, strict=True):
        for found_HW, mask_HW in zip(found_THW, masks, strict=True):
            expected = torch.zeros(8, 8, dtype=bool) if mask_HW is None else mask_HW > 0
            assert torch.equal(found_HW > 0, expected)
    assert prediction.class_probs_NK[:, 0].tolist() == pytest.approx([0.9] * 3)


@pytest.mark.extra("transformers")
def test_it_is_measured(folder, tmp_path):
    """The commands, module and config of the page; data, size and passes are smaller."""
    assert "new-method rf_detr_tracks rf_detr_tracks --kind online" in BLOCKS["bash"]
    name = "vis_bench_rf_detr_tracks"
    points = {"rf_detr_tracks": f"{name}:build"}
    site = tmp_path / "site"
    install(site, "vis-bench-rf-detr-tracks==0.1", {f"{name}.py": BLOCKS["python"]}, **points)
    config = tmp_path / "rf_detr_tracks.yaml"
    config.write_text(BLOCKS["yaml"])
    settings = {
        "options": f"{{folder: {folder}}}", "dataset": "{name: synthetic}", "resolution": "64",
        "speed": "{warmup: 0, repetitions: 1, seconds: 0}",
    }  # fmt: skip
    sets = [word for item in settings.items() for word in ("--set", "=".join(item))]
    output = tmp_path / "records"
    done = vis_bench(
        site, "run", config, "--limit", 1, "--device", "cpu", "--output", output, *sets
    )
    assert done.returncode == 0, done.stderr
    [path] = [p for p in output.glob("*.json") if not p.name.endswith(".results.json")]
    record = json.loads(path.read_text())
    assert 0 <= record["ap"] <= 1
    assert record["fps"]
    assert record["weights_source"] == str(folder)
    assert json.loads((output / record["predictions"]).read_text())


def test_it_has_at_most_60_lines_beside_imports():
    lines = [line for name in ("python", "yaml", "bash") for line in BLOCKS[name].splitlines()]
    assert sum(bool(line) and not line.startswith(("import", "from")) for line in lines) <= 60
