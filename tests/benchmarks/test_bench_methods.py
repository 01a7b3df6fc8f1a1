"""Time of SeqFormer, IFC and IDOL at 360x640, each optimization beside what it replaces.

Run with --benchmark-only and compare minima. IFC takes the weights of the golden file, with which
it finds about ten instances per clip, and so does IDOL: about 40 queries of a frame pass.
"""

import numpy as np
import pytest
import torch

import fill
from methods import build_method
from methods.layers.backbones import build_backbone
from official_weights import idol_case, loaded
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.loop import StoredFrames, track_clips
from vis_bench.inference.preprocess import to_input
from vis_bench.inference.tracker import ClipTracker

HEIGHT, WIDTH = 360, 640
ROUNDS = 3


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


def noise(frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, 3, HEIGHT, WIDTH, generator=generator)


def timed(benchmark, function, *args):
    benchmark.extra_info["threads"] = torch.get_num_threads()
    return benchmark.pedantic(function, args, rounds=ROUNDS, warmup_rounds=1)


@pytest.fixture(scope="module")
def seqformer():
    torch.manual_seed(0)
    method = build_method("seqformer", num_classes=40)
    method.prepare_for_inference()
    return method


@pytest.fixture(scope="module")
def ifc():
    method = loaded("ifc_r50")
    method.prepare_for_inference()
    return method


@pytest.mark.parametrize("state", ["as built", "folded and channels last"])
def test_bench_backbone_5_frames(benchmark, state):
    benchmark.group = "ResNet-50, 5 frames"
    backbone = build_backbone("r50").eval()
    if state != "as built":
        backbone.prepare_for_inference()
    timed(benchmark, backbone, noise(5))


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_bench_seqformer_clip_of_5(benchmark, seqformer, backend):
    benchmark.group = "SeqFormer R50, a clip of 5 frames"
    for module in seqformer.modules():
        if hasattr(module, "kernel_backend"):
            module.kernel_backend = backend
    timed(benchmark, seqformer, noise(5))


@pytest.mark.parametrize("part", ["backbone", "encode", "predict", "masks of all 300 queries"])
def test_bench_seqformer_parts(benchmark, seqformer, part):
    benchmark.group = "SeqFormer R50, parts of a clip of 5 frames"
    frames = noise(5)
    features = seqformer.encode_frames(frames)
    output = seqformer.decode(features)[-1]
    calls = {
        "backbone": (seqformer.backbone, frames),
        "encode": (seqformer.encode_frames, frames),
        "predict": (seqformer.predict_clip, features),
        "masks of all 300 queries": (seqformer.masks, output, features, torch.arange(300)),
    }
    timed(benchmark, *calls[part])


@pytest.mark.filterwarnings("ignore:36 tensors differ")
@pytest.mark.parametrize("part", ["backbone", "encode", "predict", "heads of all 300 queries"])
def test_bench_idol_parts(benchmark, part):
    """The authors compute masks and embeddings of all queries, `predict` those of chosen ones."""
    benchmark.group = "IDOL R50, parts of a frame"
    method = idol_case("idol_r50_a")[0]
    method.prepare_for_inference()
    frames = to_input(list(fill.frames(1, HEIGHT, WIDTH)), method.input_format)
    features = method.encode_frames(frames)
    queries_1QC, centers_1Q2, mask_features = (
        features.maps[name] for name in ("queries", "centers", "mask_features")
    )

    def all_heads():
        method.mask_head(queries_1QC[0], centers_1Q2, mask_features, (HEIGHT, WIDTH))
        method.embedding_head(queries_1QC[0])

    calls = {
        "backbone": (method.backbone, frames),
        "encode": (method.encode_frames, frames),
        "predict": (method.predict_clip, features),
        "heads of all 300 queries": (all_heads,),
    }
    timed(benchmark, *calls[part])


@pytest.mark.parametrize("part", ["backbone", "encode", "predict"])
def test_bench_ifc_parts(benchmark, ifc, part):
    benchmark.group = "IFC R50, parts of a clip of 5 frames"
    frames = noise(5)
    calls = {
        "backbone": (ifc.backbone, frames),
        "encode": (ifc.encode_frames, frames),
        "predict": (ifc.predict_clip, ifc.encode_frames(frames)),
    }
    timed(benchmark, *calls[part])


@pytest.mark.parametrize(("frames", "length", "stride"), [(36, 20, 10), (20, 5, 1)])
@pytest.mark.parametrize("sharing", ["shared", "encoded per clip"])
def test_bench_ifc_video(benchmark, ifc, frames, length, stride, sharing):
    benchmark.group = f"IFC R50, {frames} frames, T={length}, S={stride}, to run-length codes"
    video, clips = noise(frames), clip_windows(frames, length, stride)

    def per_clip():
        tracker = ClipTracker(ifc.tracking_rule, frames, HEIGHT, WIDTH)
        later_starts = [*(clip.start for clip in clips[1:]), frames]
        for clip, later_start in zip(clips, later_starts, strict=True):
            tracker.update(clip, ifc(video[clip.start : clip.stop]))
            tracker.close_frames(later_start)
        return tracker.tracks(1, range(40))

    def shared():
        tracker = ClipTracker(ifc.tracking_rule, frames, HEIGHT, WIDTH)
        track_clips(ifc, StoredFrames(video), clips, tracker)
        return tracker.tracks(1, range(40))

    tracks = timed(benchmark, shared if sharing == "shared" else per_clip)
    benchmark.extra_info["tracks"] = len(tracks)
    assert np.isfinite([track.score for track in tracks]).all()
