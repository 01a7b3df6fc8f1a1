"""Every registered method keeps the contract, and the contract notices a method that does not."""

import pytest
import torch

from extras import with_marks
from methods import build_method, method_names
from vis_bench.contract import check_contract
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod, VISMethod

NUM_CLASSES = 6
# The goldens cover the published sizes.
MINI = {"variant": "mini"}
OPTIONS = {
    "idol": MINI, "ifc": MINI, "seqformer": MINI, "ms_sts": MINI, "sam3_video": MINI,
    "vistr": {"backbone": "mini", "num_frames": 6}, "masktrack_rcnn": {"backbone": "mini"},
    "videomt": {"hidden": 48, "layers": 4, "heads": 3, "query_layers": 2},
}  # fmt: skip


# What it runs is another project's: see test_external_video.py.
@pytest.mark.parametrize("name", with_marks(sorted({*method_names()} - {"external_video"})))
def test_contract(name, monkeypatch):
    # Untrained, MaskTrack R-CNN has the most detections in every frame.
    monkeypatch.setattr("methods.masktrack_rcnn.detector.DETECTIONS", 10)
    torch.manual_seed(0)
    method = build_method(name, num_classes=NUM_CLASSES, **OPTIONS.get(name, {}))
    method.take_categories([f"thing {n}" for n in range(NUM_CLASSES)])
    method.prepare_for_inference()
    check_contract(method, NUM_CLASSES)


VARIANTS = [
    *(("ms_sts", {part: False}) for part in ("intra_scale", "inter_scale", "temporal_decoder")),
    *(("ifc", {"communication": name}) for name in ("none", "full", "decomposed")),
    *(("ifc", {"memory_tokens": number}) for number in (0, 1, 16)),
    ("ifc", {"memory": "unified", "memory_tokens": 3}),
    ("ifc", {"mode": "image"}),
]


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_contract_of_variants_at_any_size(name, options):
    torch.manual_seed(0)
    method = build_method(name, num_classes=NUM_CLASSES, **MINI, **options)
    method.prepare_for_inference()
    check_contract(method, NUM_CLASSES, ((1, 1), (9, 70), (33, 47)))


class Broken(VISMethod):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.memory = torch.zeros(100_000)

    def written(self, tensor):
        """The numbers of a tensor, in memory that every call writes."""
        return self.memory[: tensor.numel()].view(tensor.shape).copy_(tensor)

    def encode_frames(self, frames_T3HW):
        mean = frames_T3HW.mean(1)
        if self.fault == "reuses its features' memory":
            mean = self.written(mean)
        if self.fault == "looks at its neighbors":
            mean = mean - mean.mean(0)
        return FrameFeatures({"mean": mean}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features):
        masks = features.maps["mean"][None]
        probs = torch.full((1, NUM_CLASSES), 0.5)
        if self.fault == "wrong number of classes":
            probs = probs[:, :-1]
        if self.fault == "probabilities above 1":
            probs = probs * 3
        if self.fault == "loses a frame":
            masks = masks[:, 1:]
        if self.fault == "not a number":
            masks = masks * float("nan")
        if "random" in self.fault:
            masks = masks + torch.rand_like(masks)
        if "after a sigmoid" in self.fault:
            masks = masks.sigmoid().half() if "half" in self.fault else masks.sigmoid()
        if "softmax" in self.fault:
            masks = (8 * masks).flatten(2).softmax(-1).view(masks.shape)
        if "bytes" in self.fault:
            masks = (255 * masks.sigmoid()).round()
        if "two values" in self.fault:
            masks = (masks > 0).float() * 5
        if "full" in self.fault:
            masks = torch.ones_like(masks)
        if "reuses its masks' memory" in self.fault:
            masks = self.written(masks)
        return ClipPrediction(probs, masks)


FAULTS = {
    "looks at its neighbors": "depends on the frames beside it",
    "wrong number of classes": "method Broken: predict_clip returned 5 classes; expected 6",
    "probabilities above 1": "class_probs_NK from 1.5 to 1.5; expected probabilities in 0..1",
    "loses a frame": "masks of 2 frames; expected 3",
    "not a number": "NaN",
    "random": "differs when",
    "random, and reuses its masks' memory": "differs when",
    "reuses its features' memory": "feature map mean is overwritten",
    "masks after a sigmoid": "nowhere below 0",
    "half masks after a sigmoid": "nowhere below 0",
    "masks after a softmax": "nowhere below 0",
    "masks of bytes": "nowhere below 0",
    "full masks": "nowhere below 0",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_contract_notices(fault):
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        check_contract(Broken(fault), NUM_CLASSES)


@pytest.mark.parametrize("habit", ["none", "reuses its masks' memory", "two values"])
def test_contract_passes_a_sound_method(habit):
    check_contract(Broken(habit), NUM_CLASSES)


class BrokenOnline(OnlineMethod):
    """Follows one bright track and, every second frame, another; but for one planted fault."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.leaked = torch.zeros(())

    def encode_frames(self, frames_T3HW):
        return FrameFeatures({"mean": frames_T3HW.mean(1)}, tuple(frames_T3HW.shape[-2:]))

    def predict_next(self, features, state):
        state = state or {"seen": torch.zeros(()), "sum": torch.zeros(())}
        for t, mean_HW in enumerate(features.maps["mean"]):
            weight = 1 + t if self.fault == "counts within the clip" else 1
            state["sum"] += weight * mean_HW.mean().sigmoid()
            state["seen"] += weight
        if self.fault == "hides its state":
            self.leaked += len(features)
        score = state["sum"] / (state["seen"] + self.leaked)
        masks_THW = features.maps["mean"]
        if self.fault == "looks at the clip":
            masks_THW = masks_THW - masks_THW.mean()
        probs_2K = (score * torch.tensor([[1.0], [0.5]])).expand(2, NUM_CLASSES)
        ids = [4, 9 + len(features)] if self.fault == "renames a track" else [4, 9]
        if self.fault == "forgets a track" and len(features) == 1:
            return ClipPrediction(probs_2K[:1], masks_THW[None], track_ids_N=ids[:1]), state
        state_out = None if self.fault == "forgets the state" else state
        masks_2THW = torch.stack([masks_THW, -masks_THW])
        return ClipPrediction(probs_2K, masks_2THW, track_ids_N=ids), state_out


ONLINE_FAULTS = {
    "counts within the clip": r"class_probs_NK .*differs when cut into clips",
    "hides its state": "class_probs_NK differs",
    "looks at the clip": r"mask_logits_NTHW .*differs when cut into clips",
    "renames a track": r"differs when cut into clips",
    "forgets a track": r"differs when cut into clips",
    "forgets the state": r"class_probs_NK .*differs when cut into clips",
}


@pytest.mark.parametrize("fault", ONLINE_FAULTS)
def test_contract_notices_of_an_online_method(fault):
    with pytest.raises(AssertionError, match=ONLINE_FAULTS[fault]):
        check_contract(BrokenOnline(fault), NUM_CLASSES)


def test_contract_passes_a_sound_online_method():
    check_contract(BrokenOnline("none"), NUM_CLASSES)
