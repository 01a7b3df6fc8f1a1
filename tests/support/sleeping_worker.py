"""A worker that sleeps instead of inferring; without PyTorch, so that hundreds fit a machine."""

import time

from vis_bench.data.results_file import Track

SECONDS_PER_VIDEO = 0.5
TRACKS = 10
FRAMES = 36
# As long as a 720p mask's text typically is.
COUNTS = "0" * 600


class SleepingWorker:
    """Answers with tracks of the size that a real one has."""

    def __init__(self, fetch, threads):
        pass

    def ready(self):
        pass

    def infer(self, shard, jobs):
        seconds = SECONDS_PER_VIDEO * len(shard.video_ids)
        time.sleep(seconds)
        mask = {"size": [720, 1280], "counts": COUNTS}
        return [
            Track(video, 1, 0.5, [dict(mask) for _ in range(FRAMES)])
            for video in shard.video_ids
            for _ in range(TRACKS)
        ]
