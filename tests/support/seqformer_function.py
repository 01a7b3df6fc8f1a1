"""SeqFormer mini as another project's function: imported beside nothing of the tests."""

import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from methods import build_method  # noqa: E402
from vis_bench.inference.checkpoint import WeightsFile, load_weights  # noqa: E402
from vis_bench.inference.preprocess import masks_to_video, to_input  # noqa: E402

MODEL = build_method("seqformer", num_classes=6, variant="mini")
WEIGHTS = ROOT / "methods" / "weights" / "seqformer_mini.safetensors"
load_weights(MODEL, WeightsFile.at(WEIGHTS), 6)
MODEL.prepare_for_inference()


@torch.inference_mode()
def predict(frames, height, width):
    """The best category of each query; masks are resized one query at a time."""
    prediction = MODEL(to_input(list(frames), MODEL.input_format))
    for probs_K, logits_THW in zip(
        prediction.class_probs_NK, prediction.mask_logits_NTHW, strict=True
    ):
        score, category = probs_K.max(-1)
        masks_THW = masks_to_video(logits_THW[None], height, width, prediction.padding)[0]
        yield {"score": score, "category": category, "masks": masks_THW}


class Steps:
    """SeqFormer mini on the frames of each call by themselves, its queries as tracks."""

    def start(self, height, width):
        """Takes the size of the masks."""
        self.size = height, width

    def step(self, frames):
        """The tracks of these frames; masks of several calls do not belong together."""
        tracks = {}
        for t in range(len(frames)):
            for number, track in enumerate(predict(frames[t : t + 1], *self.size)):
                masks = tracks[number]["masks"] if t else [None] * len(frames)
                masks[t] = track["masks"][0]
                tracks[number] = {**track, "track_id": number, "masks": masks}
        return [*tracks.values()]
