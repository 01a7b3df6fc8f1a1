"""The weights of absent and present frames, over every video of a data set."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.inference.attention import RecordedVideo
from vis_bench.metrics.time_weights import (
    AbsentFrames,
    VideoWeights,
    compare_absent_frames,
    found_objects,
)
from vis_bench.progress import Advance
from vis_bench.runs.recorded_subject import RecordedSubject


def compare_over_videos(
    subject: RecordedSubject,
    videos: Sequence[Video],
    truth: GroundTruth,
    known: RecordedVideo,
    advance: Advance,
) -> AbsentFrames:
    """Predicts each video as one clip, and compares its weights with the annotations.

    Args:
        truth: of all these videos.
        known: a video that has been predicted already.
        advance: is called with the number of frames that are done.
    """
    found = []
    for video in videos:
        if video.id == known.video.id:
            recorded = known
            advance(video.length)
        else:
            recorded = subject.record(video, advance)
        found.append(_weights(recorded, truth))
    return compare_absent_frames(found)


def _weights(recorded: RecordedVideo, truth: GroundTruth) -> VideoWeights:
    decoder = recorded.attention.decoder
    assert decoder is not None, "the method records its decoder"
    weights_LTQ = decoder.time_weights_LTQ.float().cpu().numpy()
    objects = found_objects(Results.of(recorded.tracks), truth, recorded.video.id)
    return VideoWeights(
        [weights_LTQ[:, :, recorded.instances[thing.track]] for thing in objects],
        [thing.present_T for thing in objects],
    )
