"""Another project's function that costs next to nothing: whatever is rather red."""


def predict(frames, height, width):
    """Ten tracks whose masks are as large as the video."""
    red_THW = frames[:, :height, :width, 0]
    for threshold in range(100, 200, 10):
        yield {"score": threshold / 255, "category": 0, "masks": red_THW > threshold}
