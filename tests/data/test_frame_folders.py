"""Videos without annotations: the order of frames, what is left out, what is refused and said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vis_bench.data.video import find_videos, in_natural_order
from vis_bench.errors import InputError


def save_frames(folder, names, size_HW=(8, 12), **options):
    """A frame per name; every pixel of the n-th is n."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, name in enumerate(names):
        image = Image.fromarray(np.full((*size_HW, 3), n, np.uint8))
        image.save(folder / name, **options)
    return folder


def test_numbers_in_names_count_by_their_value():
    names = ["frame10", "frame2", "b", "frame1", "Frame1", "2", "10", "a3b20", "a3b3", "007", "7"]
    ordered = [path.name for path in in_natural_order(map(Path, names))]
    assert ordered == ["2", "007", "7", "10", "Frame1", "a3b3", "a3b20", "b", "frame1", "frame2",
                       "frame10"]  # fmt: skip


def test_frames_and_videos_go_in_natural_order(tmp_path):
    names = [f"frame{n}.png" for n in range(12)]
    for folder in ("clip10", "clip9"):
        save_frames(tmp_path / folder, names)
    videos, warnings = find_videos(tmp_path)
    assert [(video.id, video.name) for video in videos] == [(1, "clip9"), (2, "clip10")]
    assert [int(frame[0, 0, 0]) for frame in videos[0].frames] == list(range(12))
    assert warnings == []


def test_other_files_and_hidden_ones_are_left_out(tmp_path):
    folder = save_frames(tmp_path / "a", ["1.png", "2.png"])
    for name in ("notes.txt", "._1.png", "Thumbs.db", "clip.mp4"):
        (folder / name).write_bytes(b"?")
    [video] = find_videos(folder)[0]
    assert (video.length, video.name) == (2, "a")
    [again] = find_videos(tmp_path)[0]
    assert again.length == 2


def test_frames_of_different_sizes_are_refused(tmp_path):
    save_frames(tmp_path, ["a.png"])
    save_frames(tmp_path, ["b.png"], size_HW=(8, 8))
    with pytest.raises(InputError, match=r"b\.png is 8x8, but a\.png is 8x12; expected frames of"):
        find_videos(tmp_path)


def test_a_rotation_by_exif_is_said(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    save_frames(tmp_path / "a", ["0.jpg"])
    save_frames(tmp_path / "a", ["1.jpg", "2.jpg"], exif=exif)
    videos, warnings = find_videos(tmp_path / "a")
    assert (videos[0].height, videos[0].width) == (8, 12)
    [warning] = warnings
    assert "2 of 3 frames" in warning
    assert "the first is 1.jpg" in warning


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist; expected a folder of frames or a video file"),
        (lambda path: path.mkdir(), "holds no frames, nor do its folders"),
        (lambda path: save_frames(path.parent, ["x.png"]), r"x\.png is one frame"),
    ],
)
def test_what_holds_no_video_is_refused(tmp_path, make, message):
    path = tmp_path / "x.png"
    make(path)
    with pytest.raises(InputError, match=message):
        find_videos(path)


def test_a_frame_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.png is not an image that can be read"):
        find_videos(tmp_path)
