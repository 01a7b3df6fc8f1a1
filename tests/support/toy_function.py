"""Other projects' code that costs next to nothing."""

import numpy as np


def predict(frames, height, width):
    """Ten tracks whose masks are as large as the video: whatever is rather red."""
    red_THW = frames[:, :height, :width, 0]
    for threshold in range(100, 200, 10):
        yield {"score": threshold / 255, "category": 0, "masks": red_THW > threshold}


class Steps:
    """Ten tracks that are everywhere at the top, each lower than the one before."""

    def start(self, height, width):
        """Makes the masks, which stay."""
        rows_HW = np.broadcast_to(np.arange(height)[:, None], (height, width))
        self.masks = [rows_HW < n * height // 11 for n in range(1, 11)]

    def step(self, frames):
        """The same for all frames."""
        return [
            {"track_id": n, "category": 0, "score": 0.5, "masks": [mask] * len(frames)}
            for n, mask in enumerate(self.masks)
        ]
