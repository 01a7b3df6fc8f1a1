"""Video files: every frame once and in order, what is refused, and the sentence without PyAV."""

import sys

import numpy as np
import pytest

from vis_bench.data.frames import VideoFile
from vis_bench.data.video import find_videos
from vis_bench.errors import InputError

NUM_FRAMES, STEP = 12, 20  # gray levels between two frames, more than the codec changes


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Gray frames that get lighter; a codec with frames out of order in the file."""
    av = pytest.importorskip("av", reason="needs PyAV: pip install 'vis-bench[video]'")
    path = tmp_path_factory.mktemp("clips") / "clip2.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(NUM_FRAMES):
            image = np.full((48, 64, 3), STEP * n, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def brightness(frames):
    return [float(frame.mean()) for frame in frames]


def test_every_frame_once_and_in_order(clip):
    frames = VideoFile(clip)
    assert (len(frames), frames.height, frames.width, frames.rotation) == (NUM_FRAMES, 48, 64, 0)
    assert brightness(frames) == pytest.approx([STEP * n for n in range(NUM_FRAMES)], abs=9)
    assert frames[0].dtype == np.uint8
    assert frames[0].shape == (48, 64, 3)


def test_frames_in_any_order(clip):
    frames = VideoFile(clip)
    order = [10, 3, 3, 11, 0, 1]
    assert brightness(frames[t] for t in order) == pytest.approx([STEP * t for t in order], abs=9)
    assert brightness(frames[5:7]) == pytest.approx([5 * STEP, 6 * STEP], abs=9)


def test_a_file_or_a_folder_of_files(clip, tmp_path):
    [video] = find_videos(clip)[0]
    assert (video.id, video.name, video.length) == (1, "clip2", NUM_FRAMES)
    for name in ("clip10.mp4", "clip9.MP4"):
        (tmp_path / name).write_bytes(clip.read_bytes())
    (tmp_path / "notes.txt").write_text("?")
    assert [video.name for video in find_videos(tmp_path)[0]] == ["clip9", "clip10"]


@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_file_that_is_no_video_or_breaks_off(clip, tmp_path, keep):
    content = clip.read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content[: int(keep * len(content))] or b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4 cannot be read as a video: "):
        VideoFile(broken)


def test_without_pyav_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"?")
    with pytest.raises(InputError, match=r"needs PyAV: pip install 'vis-bench\[video\]'"):
        find_videos(tmp_path / "clip.mp4")
