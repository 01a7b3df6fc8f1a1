"""Frames: folders of them, single images of every kind, and video files."""

import os
import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vis_bench.data.frames import (
    ImageFiles,
    decode_image,
    read_header,
    read_pixels,
    write_frame,
)
from vis_bench.data.video import FRAME_SUFFIXES, find_images, find_videos, in_natural_order
from vis_bench.data.video_file import VideoFile
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
    assert ordered == [
        "2",
        "007",
        "7",
        "10",
        "Frame1",
        "a3b3",
        "a3b20",
        "b",
        "frame1",
        "frame2",
        "frame10",
    ]


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
    save_frames(folder / "masks", ["1.png"])
    for path in (folder, tmp_path):
        [video], [warning] = find_videos(path)
        assert (video.length, video.name) == (2, "a")
        assert "2 videos" in warning
        assert "clip.mp4" in warning


def test_ids_do_not_move_for_what_systems_leave_in_folders(tmp_path):
    for name in ("b", "c"):
        save_frames(tmp_path / name, ["1.png", "2.png"])
    for hidden in (".ipynb_checkpoints", "__MACOSX", ".a", "@eaDir", "a"):
        names = ["._1.png"] if hidden == "a" else ["1.png", "2.png"]
        for place in (tmp_path, tmp_path / "b"):
            save_frames(place / hidden, names)
    for name in (".DS_Store", "Thumbs.db", "._b.jpg", "desktop.ini", ".x.mp4"):
        (tmp_path / name).write_bytes(b"?")
        (tmp_path / "c" / name).write_bytes(b"?")
    videos, warnings = find_videos(tmp_path)
    assert [(video.id, video.name, video.length) for video in videos] == [(1, "b", 2), (2, "c", 2)]
    assert warnings == []


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("suffix", FRAME_SUFFIXES)
def test_every_kind_of_frame_is_read_in_a_folder(tmp_path, suffix, upper):
    name = f"0{suffix.upper() if upper else suffix}"
    if suffix == ".pbm":
        Image.new("1", (12, 8)).save(tmp_path / name)
    else:
        save_frames(tmp_path, [name])
    for [video], warnings in (find_videos(tmp_path), find_images(tmp_path)):
        assert video.frames[0].shape == (8, 12, 3)
        assert warnings == []


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["0.jpg", "0.png", "1.jpg", "1.png"], ["0.jpg", "1.jpg"]),
        (["0.png", "0.JPG", "1.jpeg"], ["0.JPG", "1.jpeg"]),
        (["0.tif", "0.jpg", "0.png"], ["0.jpg"]),
        (["0.png", "0.tif"], None), (["0.png", "0.PNG"], None), (["0.jpg", "0.jpeg"], None),
        (["0.webp", "0.bmp"], None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("find", [find_videos, find_images])
def test_of_two_files_of_one_name_the_jpeg_is_the_frame(tmp_path, names, read, find):
    save_frames(tmp_path, names)
    if read is None:
        with pytest.raises(InputError, match=f"{names[0]}|{names[1]}"):
            find(tmp_path)
        return
    videos, [warning] = find(tmp_path)
    assert [path.name for video in videos for path in video.files] == read
    assert str(tmp_path) in warning
    assert next(name for name in sorted(names) if name not in read) in warning


@pytest.mark.parametrize(
    ("numbers", "uneven"),
    [
        ("0 1 2 4 5 9", 1), ("1 2 3", 0), ("0 5 10 15", 0), ("0 5 10 12", 1), ("7", 0), ("3 9", 0),
        ("00 01 02 03", 0), ("a b c", 0), ("a1 a2 b1 b2", 0), ("1_1 1_2 1_4", 1),
        ("2_1 4_1 5_1", 1), ("1_1 1_2 2_1", 0), ("x1 x02 x3", 0), ("1 2 x", 0),
        ("v2_08 v2_09 v2_11", 1), ("0 0_mask 1 1_mask", 1), ("1a 2b 5c", 0),
    ],
)  # fmt: skip
def test_uneven_gaps_between_the_numbers_of_frames_are_said(tmp_path, numbers, uneven):
    save_frames(tmp_path, [f"{number}.png" for number in numbers.split()])
    [video], warnings = find_videos(tmp_path)
    assert video.length == len(numbers.split())
    assert len(warnings) == uneven


@pytest.mark.parametrize("name", ["a.tif", "a.webp", "a.png"])
def test_files_of_several_pictures_are_named(tmp_path, name):
    first, other = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red")
    first.save(tmp_path / name, save_all=True, append_images=[other])
    for find in (find_videos, find_images):
        videos, [warning] = find(tmp_path)
        assert [video.length for video in videos] == [1]
        assert name in warning
    other.save(tmp_path / name)
    assert find_videos(tmp_path)[1] == []


@pytest.mark.parametrize("numbers", ["1 01 2", "1 01 2 02", "1 2 3 4 04 9"])
def test_frames_of_one_number_are_named(tmp_path, numbers):
    save_frames(tmp_path, [f"{number}.png" for number in numbers.split()])
    _, [warning] = find_videos(tmp_path)
    assert f"0{numbers[numbers.index('0') + 1]}.png" in warning
    assert "by 0" not in warning


def test_frames_of_different_sizes_are_refused(tmp_path):
    save_frames(tmp_path, ["a.png"])
    save_frames(tmp_path, ["b.png"], size_HW=(8, 8))
    with pytest.raises(InputError, match=r"b\.png is 8x8, but a\.png is 8x12; expected frames of"):
        find_videos(tmp_path)


def test_a_rotation_by_exif_is_a_warning_and_not_applied(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    save_frames(tmp_path / "a", ["0.jpg"])
    save_frames(tmp_path / "a", ["1.jpg", "2.jpg"], exif=exif)
    videos, warnings = find_videos(tmp_path / "a")
    assert (videos[0].height, videos[0].width) == (8, 12)
    [warning] = warnings
    assert "2 of 3 frames" in warning
    assert "the first is 1.jpg" in warning
    turned = tmp_path / "a" / "1.jpg"
    assert read_header(turned).is_turned
    assert read_header(turned).size_HW == read_pixels(turned).shape[:2] == (8, 12)
    assert ImageFiles([turned], "it", (8, 12)).check() == [turned]


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


VALUES = np.arange(0, 65536, 257, dtype=np.uint16)[None].repeat(3, 0)


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_16(path, channels, height=3, width=256):
    """A PNG of 16 bits per channel, written by hand: every channel holds `VALUES`."""
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    row = b"\0" + VALUES[0, :, None].repeat(channels, 1).astype(">u2").tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row * height))
        + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_scaled_and_do_not_saturate(tmp_path, channels):
    frame_HW3 = read_pixels(png_16(tmp_path / "a.png", channels))
    assert (frame_HW3.dtype, frame_HW3.shape) == (np.uint8, (3, 256, 3))
    assert np.array_equal(frame_HW3, (VALUES >> 8).astype(np.uint8)[..., None].repeat(3, 2))


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_16_bits_in_other_files_are_scaled_too(tmp_path, mode):
    values = VALUES.astype({"I;16": "<u2", "I;16B": ">u2", "I": np.int32}[mode])
    Image.fromarray(values).save(tmp_path / "a.tif")
    frame_HW3 = read_pixels(tmp_path / "a.tif")
    assert np.array_equal(frame_HW3[..., 1], (VALUES >> 8).astype(np.uint8))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((2, 3), 70000, np.int32), "more than 16 bits"),
        (np.full((2, 3), -1, np.int32), "more than 16 bits"),
        (np.full((2, 3), 0.5, np.float32), "floating-point values"),
    ],
)
def test_values_without_a_known_scale_are_refused(tmp_path, values, words):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=f"frame 0 of it, .*a.tif, cannot be decoded: .*{words}"):
        decode_image(tmp_path / "a.tif", "frame 0 of it")


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK"])
def test_other_modes_are_read_as_pillow_converts_them(tmp_path, mode):
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5).convert(mode)
    image.save(tmp_path / "a.tif")
    assert np.array_equal(read_pixels(tmp_path / "a.tif"), np.asarray(image.convert("RGB")))


def test_a_pipe_among_the_frames_is_refused_and_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is not an image that can be read"):
        find_videos(tmp_path)
    with pytest.raises(InputError, match="it is not a regular file"):
        decode_image(tmp_path / "a.png", "frame 0 of it")
    with pytest.raises(InputError, match="it is not a regular file"):
        ImageFiles([tmp_path / "a.png"], "it", (8, 12)).check()


def test_a_decompression_bomb_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    row = zlib.compress(b"\0" * 60001)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    )
    with pytest.raises(InputError, match=r"a\.png is not an image that can be read"):
        find_videos(tmp_path)
    for read in (
        lambda path: decode_image(path, "frame 0 of it"),
        lambda path: ImageFiles([path], "it", (8, 12)).check(),
    ):
        with pytest.raises(InputError, match="3600000000 pixels"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_frame_that_breaks_off_is_refused(tmp_path, kind):
    path = tmp_path / "a.img"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path, kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"frame 0 of it, .*a\.img, cannot be decoded: "):
        decode_image(path, "frame 0 of it")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_picture_is_read(tmp_path, kind):
    first, *others = (Image.new("RGB", (12, 8), (255 * (n == 0), 0, 255 * n)) for n in (0, 1))
    first.save(tmp_path / "a.img", kind, save_all=True, append_images=others, lossless=True)
    assert np.array_equal(read_pixels(tmp_path / "a.img"), np.asarray(first))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_frame_that_is_not_written_to_its_end_leaves_the_old_one(tmp_path, monkeypatch, error):
    path = tmp_path / "a.png"
    write_frame(path, np.ones((8, 12, 3), np.uint8), "png")
    before = path.read_bytes()

    def half(image, out, **options):
        file = out.open("wb") if isinstance(out, Path) else out
        file.write(before[:20])
        file.flush()
        raise error

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises((InputError, error)):
        write_frame(path, np.zeros((8, 12, 3), np.uint8), "png")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


NUM_FRAMES, STEP = 12, 20  # gray levels between two frames, more than the codec changes


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Gray frames that get lighter; a codec with frames out of order in the file."""
    import av

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


@pytest.mark.extra("av")
def test_every_frame_once_and_in_order(clip):
    frames = VideoFile(clip)
    assert (len(frames), frames.height, frames.width, frames.rotation) == (NUM_FRAMES, 48, 64, 0)
    assert brightness(frames) == pytest.approx([STEP * n for n in range(NUM_FRAMES)], abs=9)
    assert frames[0].dtype == np.uint8
    assert frames[0].shape == (48, 64, 3)


@pytest.mark.extra("av")
def test_frames_in_any_order(clip):
    frames = VideoFile(clip)
    order = [10, 3, 3, 11, 0, 1]
    assert brightness(frames[t] for t in order) == pytest.approx([STEP * t for t in order], abs=9)
    assert brightness(frames[5:7]) == pytest.approx([5 * STEP, 6 * STEP], abs=9)


@pytest.mark.extra("av")
def test_a_file_or_a_folder_of_files(clip, tmp_path):
    [video] = find_videos(clip)[0]
    assert (video.id, video.name, video.length) == (1, "clip2", NUM_FRAMES)
    for name in ("clip10.mp4", "clip9.MP4", "clip11.divx"):
        (tmp_path / name).write_bytes(clip.read_bytes())
    (tmp_path / "notes.txt").write_text("?")
    assert [video.name for video in find_videos(tmp_path)[0]] == ["clip9", "clip10", "clip11"]


def write_video(path, times, size_HW, codec="mpeg4", formats="yuv420p", clock=90000):
    """A video of gray frames with the given times in 1/clock s."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        (stream.height, stream.width), stream.pix_fmt = size_HW, formats
        stream.codec_context.time_base = Fraction(1, clock)
        for n, moment in enumerate(times):
            image = np.full((*size_HW, 3), STEP * n, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, clock)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.mark.extra("av")
@pytest.mark.parametrize(
    ("times", "size_HW"),
    [((0, 100, 90000, 90100, 9000000), (48, 64)), ((5000, 9000, 13000), (47, 63))],
    ids=["variable rate", "odd size, late start"],
)
def test_every_stored_frame_counts_once_whatever_its_time(tmp_path, times, size_HW):
    path = write_video(tmp_path / "a.mkv", times, size_HW, "ffv1", "yuv444p")
    frames = VideoFile(path)
    assert (len(frames), frames.height, frames.width) == (len(times), *size_HW)
    assert frames[0].shape == (*size_HW, 3)
    assert brightness(frames) == pytest.approx([STEP * n for n in range(len(times))], abs=9)


@pytest.mark.extra("av")
def test_clocks_that_go_backwards(tmp_path):
    """Pictures count in the order in which they are stored and decoded."""
    import av

    source = write_video(tmp_path / "a.mkv", (0, 3600, 7200), (48, 64), "mjpeg", "yuvj420p")
    back = tmp_path / "b.mkv"
    with av.open(str(source)) as given, av.open(str(back), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(given.streams.video[0]) if packet.size]
        for n, packet in enumerate(packets):
            packet.stream, packet.pts, packet.dts = stream, 200 - 100 * n, 100 * n - 200
            container.mux(packet)
    assert brightness(VideoFile(back)) == pytest.approx([0, STEP, 2 * STEP], abs=9)


@pytest.mark.extra("av")
def test_a_video_without_frames_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mkv", (), (48, 64), "mjpeg", "yuvj420p")
    with pytest.raises(InputError, match=r"a\.mkv (has no frames|cannot be read|has no pictures)"):
        VideoFile(path)


@pytest.mark.extra("av")
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_file_that_is_no_video_or_breaks_off(clip, tmp_path, keep):
    content = clip.read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content[: int(keep * len(content))] or b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4 cannot be read as a video: "):
        VideoFile(broken)


CONTAINERS = {
    "mkv": ("mpeg4", "yuv420p"), "webm": ("libvpx", "yuv420p"), "mp4": ("mpeg4", "yuv420p"),
    "avi": ("mjpeg", "yuvj420p"), "mov": ("mjpeg", "yuvj420p"), "flv": ("flv1", "yuv420p"),
    "ts": ("mpeg2video", "yuv420p"), "mpg": ("mpeg2video", "yuv420p"),
}  # fmt: skip


@pytest.mark.extra("av")
@pytest.mark.parametrize("ending", CONTAINERS)
@pytest.mark.parametrize("folder", [False, True])
def test_a_video_that_lacks_a_frame_or_names_no_end_is_said(tmp_path, ending, folder):
    path = tmp_path / f"a.{ending}"
    write_video(path, range(12), (48, 64), *CONTAINERS[ending], clock=25)
    [video], warnings = find_videos(tmp_path if folder else path)
    assert video.length == 12
    assert len(warnings) == (ending in ("ts", "mpg"))
    content = path.read_bytes()
    for keep in range(len(content) - 1, 0, -max(1, len(content) // 40)):
        path.write_bytes(content[:keep])
        try:
            [video], warnings = find_videos(path)
        except InputError:
            continue
        assert video.length == 12 or warnings


def test_without_pyav_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"?")
    with pytest.raises(InputError, match=r"needs PyAV: pip install 'vis-bench\[video\]'"):
        find_videos(tmp_path / "clip.mp4")
