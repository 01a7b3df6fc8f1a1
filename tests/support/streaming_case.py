"""Streaming runs: methods whose clips disagree, jobs of them, and made-up traces."""

from dataclasses import replace

import torch

from methods import build_method
from run_case import QUIET, jobs_of
from video_key import VideoKey
from vis_bench.measures.streaming.trace import Trace
from vis_bench.method import ClipPrediction, ImageRule, TrackingRule, VISMethod
from vis_bench.metrics.streaming import SECOND, TimedClip
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs

CONFIG = """
method: {method}
dataset: {{name: synthetic, split: val, plain: true}}
resolution: native
clip_length: {length}
clip_stride: {stride}
measure: [{measure}]
streaming: {{rates: [6, 30], delays: [0, frame, inf], policy: {policy}, repetitions: 2}}
"""


class KeyImages(VISMethod):
    """`color_key` on single images: the instances of every frame by themselves."""

    tracking_rule = ImageRule(max_instances=4)
    max_clip_length = 1

    def __init__(self, num_classes):
        super().__init__()
        self.inner = build_method("color_key", num_classes=num_classes)

    def encode_frames(self, frames_T3HW):
        return self.inner.encode_frames(frames_T3HW)

    def predict_clip(self, features):
        found = self.inner.predict_clip(features)
        return replace(found, mask_logits_NTHW=found.mask_logits_NTHW[..., ::2, ::2])


class Jittery(VISMethod):
    """`color_key` whose probabilities and masks depend on the clip, so that clips disagree."""

    tracking_rule = replace(build_method("color_key", num_classes=6).tracking_rule, top_k=2)

    def __init__(self, num_classes):
        super().__init__()
        self.inner = build_method("color_key", num_classes=num_classes)
        self.clips = []

    def encode_frames(self, frames_T3HW):
        return self.inner.encode_frames(frames_T3HW)

    def predict_clip(self, features):
        found = self.inner.predict_clip(features)
        number = int(1e6 * next(iter(features.maps.values())).float().abs().mean())
        noise = torch.Generator().manual_seed(number)
        self.clips.append(number)
        prob = 0.1 + 0.8 * (number % 97) / 97
        logits = found.mask_logits_NTHW
        shift = torch.randn(logits.shape, generator=noise)
        return ClipPrediction((found.class_probs_NK > 0.01) * prob, logits + 0.3 * shift)


class Withdrawing(Jittery):
    """Its object of the first video is above the least score until clip 8."""

    tracking_rule = TrackingRule(min_score=0.5)


class Failing(Jittery):
    def predict_clip(self, features):
        if len(self.clips) == 3:
            raise RuntimeError("out of luck")
        return super().predict_clip(features)


OWN = {
    "video_key": VideoKey, "key_images": KeyImages, "jittery": Jittery, "failing": Failing,
    "withdrawing": Withdrawing,
}  # fmt: skip


def build(name, **options):
    return OWN[name](**options) if name in OWN else build_method(name, **options)


def jobs(
    folder,
    method,
    length,
    stride=1,
    *,
    measure="accuracy, streaming",
    policy="all",
    limit=2,
    **settings,
):
    text = CONFIG.format(
        method=method, length=length, stride=stride, measure=measure, policy=policy
    )
    return jobs_of(folder, text, build=build, limit=limit, **settings)


def run(folder, *arguments, **settings):
    folder.mkdir(exist_ok=True)
    outcome = run_jobs(jobs(folder, *arguments, **settings), RecordStore(folder), QUIET)
    [record] = outcome.records
    return record


def results_of(folder, record):
    """The bytes of the results file of each rate and delay."""
    return {
        (stream.rate, stream.delay_ms): (folder / stream.predictions).read_bytes()
        for stream in record.streaming
    }


def write_trace(trace, path):
    path.write_bytes(trace.encoded())
    return path


def even_trace(job, seconds, factors=(1, 1, 2)):
    """A trace in which every clip of a pass takes equally long, `seconds` times its factor."""
    return Trace(
        job.cell.method,
        "a made-up machine",
        {
            v.id: [
                [
                    TimedClip(c.start, c.stop, predict=round(seconds * SECOND * factor))
                    for c in job.plan.clips(v.length)
                ]
                for factor in factors
            ]
            for v in job.videos
        },
    )
