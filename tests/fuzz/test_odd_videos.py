"""Video files of odd kinds: every stored frame once and exact, or one sentence that names it."""

import json
import os
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hostile_calls import call
from mutations import mutated_bytes, one_sentence
from vis_bench.data.video import find_videos
from vis_bench.data.video_file import VideoFile
from vis_bench.errors import InputError

av = pytest.importorskip("av", reason="needs PyAV: pip install 'vis-bench[video]'")
pytestmark = pytest.mark.extra("av")

TICK = Fraction(1, 1000)  # of a second, the unit of the times below
DAMAGED = {
    "a.mp4": ("libx264", {"g": "4"}, {"movflags": "faststart"}), "b.mp4": ("mpeg4", {}, {}),
    "c.mp4": ("libx264", {}, {"movflags": "frag_keyframe+empty_moov"}),
    "d.mkv": ("libx264", {"bf": "3"}, {}), "e.webm": ("libvpx-vp9", {}, {}),
    "f.avi": ("mpeg4", {}, {}), "g.mpg": ("mpeg2video", {}, {}), "h.ts": ("libx264", {}, {}),
    "i.avi": ("ffv1", {}, {}),
}  # fmt: skip


def pictures(number, size_HW, seed=0):
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (number, *size_HW, 3), dtype=np.uint8)


def write(path, frames_T, codec="ffv1", times=None, options=None, container_options=None):
    """A video with a frame at each of the times; `ffv1` and `png` keep every value."""
    form = {"ffv1": "bgr0", "png": "rgb24"}.get(codec, "yuv420p")
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = frames_T[0].shape[:2] if len(frames_T) else (16, 16)
        stream.pix_fmt = form
        if times is not None:
            stream.codec_context.time_base = TICK
        else:
            times = [None] * len(frames_T)
        for frame_HW3, time in zip(frames_T, times, strict=True):
            frame = av.VideoFrame.from_ndarray(frame_HW3, format="rgb24")
            if time is not None:
                frame.pts, frame.time_base = time, TICK
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode() if len(frames_T) else ():
            container.mux(packet)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.integers(1, 99), st.integers(1, 100_000)), min_size=1, max_size=6),
    st.integers(1, 33),
    st.integers(1, 33),
    st.sampled_from(["mov", "nut"]),
    st.integers(0, 5000),
)
def test_every_frame_is_exact_at_any_rate_and_size(folder, steps, height, width, kind, start):
    times = list(np.cumsum([start, *steps[1:]]).tolist())
    expected_T = pictures(len(times), (height, width), start)
    [video], warnings = find_videos(write(folder / f"a.{kind}", expected_T, "png", times))
    assert (video.length, video.height, video.width) == (len(times), height, width)
    assert np.array_equal(np.stack(list(video.frames)), expected_T)
    assert np.array_equal(video.frames[0], expected_T[0])
    assert kind == "nut" or warnings == []


@pytest.mark.parametrize("clock", ["equal", "none"])
def test_frames_count_in_stored_order_whatever_their_clock(tmp_path, clock):
    expected_T = pictures(5, (16, 24))
    source = write(tmp_path / "a.avi", expected_T)
    times = {"equal": lambda n: 7, "none": lambda n: None}
    with av.open(str(source)) as given_one, av.open(str(tmp_path / "b.nut"), "w") as container:
        stream = container.add_stream_from_template(given_one.streams.video[0])
        for n, packet in enumerate(p for p in given_one.demux(video=0) if p.size):
            packet.stream, packet.pts, packet.dts = stream, times[clock](n), n
            container.mux(packet)
    assert np.array_equal(np.stack(list(VideoFile(tmp_path / "b.nut"))), expected_T)


@pytest.fixture(scope="module")
def whole(folder):
    """Small videos of lossy codecs by name: the content, and the decoded frames."""
    y, x = np.mgrid[:48, :64]
    moving_T = [np.stack([y * 3 + n, x * 2, 20 * n + 0 * x], 2).astype(np.uint8) for n in range(9)]
    files = {}
    for name, (codec, options, container_options) in DAMAGED.items():
        path = write(folder / name, moving_T, codec, None, options, container_options)
        files[name] = path.read_bytes(), list(VideoFile(path))
    return files


@settings(deadline=None)
@given(st.sampled_from(sorted(DAMAGED)), st.floats(0, 1, exclude_max=True))
def test_a_truncated_video_has_whole_frames_or_a_sentence(folder, whole, name, part):
    content, frames_T = whole[name]
    path = folder / f"cut_{name}"
    path.write_bytes(content[: int(part * len(content))])
    read, said = read_or_sentence(path)
    assert said is None or str(path) in said
    stored = {frame.tobytes() for frame in frames_T}
    assert all(frame.tobytes() in stored for frame in read)


@settings(deadline=None)
@given(st.sampled_from(sorted(DAMAGED)), st.integers(0, 1 << 32))
def test_a_damaged_video_has_frames_of_one_size_or_a_sentence(folder, whole, name, seed):
    path = folder / f"damaged_{name}"
    path.write_bytes(mutated_bytes(whole[name][0], seed))
    read, said = read_or_sentence(path)
    assert said is None or (str(path) in said and "\n" not in said)
    assert len({frame.shape for frame in read}) <= 1


def read_or_sentence(path):
    try:
        frames = VideoFile(path)
        return [frames[t] for t in range(len(frames))], None
    except InputError as error:
        return [], str(error)


def test_a_video_that_ends_before_its_header_says_is_a_warning(tmp_path):
    frames_T = pictures(12, (16, 24))
    path = write(tmp_path / "a.mkv", frames_T, times=range(0, 12_000, 1000))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    [video], [warning] = find_videos(path)
    assert 1 < video.length < 8
    assert f"{video.length} frames" in warning
    assert np.array_equal(np.stack(list(video.frames)), frames_T[: video.length])


def sound(path, picture=None):
    """A file with sound, and with a cover where a picture is given."""
    with av.open(str(path), "w") as container:
        if picture is not None:
            cover = container.add_stream("png", rate=1)
            cover.height, cover.width, cover.pix_fmt = *picture.shape[:2], "rgb24"
            cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream("aac", rate=8000, layout="mono")
        if picture is not None:
            for packet in cover.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for n in range(5):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * n
            for packet in stream.encode(frame):
                container.mux(packet)


def unknown_codec(path):
    source = write(path.with_suffix(".avi"), pictures(2, (16, 16)))
    path.write_bytes(source.read_bytes().replace(b"FFV1", b"ZZZZ"))
    source.unlink()


ODD = {
    "no file": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("hello " * 99),
    "sound": sound,
    "no frames": lambda path: write(path, []),
    "codec": unknown_codec,
    "pipe": os.mkfifo,
    "zeros": lambda path: path.symlink_to("/dev/zero"),
    "itself": lambda path: path.symlink_to(path),
    "folder": lambda path: path.mkdir(),
    "playlist": lambda path: path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    ),
    "list": lambda path: path.write_text("ffconcat version 1.0\nfile http://127.0.0.1:9/a.ts\n"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("in_folder", [False, True])
def test_a_file_without_a_video_ends_in_a_sentence(tmp_path, kind, in_folder):
    ODD[kind](tmp_path / "x.mp4")
    config = tmp_path / "c.yaml"
    config.write_text("method: color_key\ndataset: {name: synthetic}\nclip_length: 3\n")
    code, _, said = call(
        "predict",
        config,
        "--device",
        "cpu",
        "--output",
        tmp_path / "r.json",
        "--frames",
        tmp_path if in_folder else tmp_path / "x.mp4",
    )
    assert code == 2
    assert one_sentence(code, said), said
    assert "x.mp4" in said or in_folder
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    "name", ["a:b.mkv", "http:x.mkv", "%03d.mkv", "-i.mkv", "a b\n.mkv", "\udce9.mkv"]
)
def test_names_that_mean_something_to_ffmpeg(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    expected_T = pictures(2, (8, 8))
    write(tmp_path / "plain.mkv", expected_T).rename(tmp_path / name)
    [video] = find_videos(type(tmp_path)(name))[0]
    assert np.array_equal(np.stack(list(video.frames)), expected_T)


@pytest.mark.parametrize(
    ("matrix", "degrees"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), 270), ((-1, 0, 0, -1), 180), ((0, -1, 1, 0), 90),
     ((0, 0, 0, 0), None)],
)  # fmt: skip
def test_a_rotation_is_a_warning_and_not_applied(tmp_path, whole, matrix, degrees):
    content, frames_T = whole["a.mp4"]
    place = content.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    turned = content[:place] + struct.pack(">6i", a, b, 0, c, d, 0) + content[place + 24 :]
    (tmp_path / "x.mp4").write_bytes(turned)
    [video], warnings = find_videos(tmp_path / "x.mp4")
    assert np.array_equal(np.stack(list(video.frames)), np.stack(frames_T))
    if degrees is not None:
        assert len(warnings) == (degrees != 0)
        assert all(f"{degrees} degrees" in warning for warning in warnings)


@pytest.mark.parametrize("number", [1, 4])
def test_predict_over_videos(tmp_path, number):
    write(tmp_path / "x.mkv", pictures(number, (7, 5)))
    Image.fromarray(pictures(1, (3, 3))[0]).save(tmp_path / "y.mp4", "PNG")
    config = tmp_path / "c.yaml"
    config.write_text("method: color_key\ndataset: {name: synthetic}\nclip_length: 3\n")
    code, out, said = call(
        "predict",
        config,
        "--device",
        "cpu",
        "--output",
        tmp_path / "r.json",
        "--json",
        "--frames",
        tmp_path,
        "--set",
        "resolution=native",
    )
    assert code == 0, said
    assert json.loads(out)["num_videos"] == 2


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
PLAYLISTS = {
    "relative": HLS.format("other.avi"),
    "absolute": HLS.format("{folder}/other.avi"),
    "address": HLS.format("file://{folder}/other.avi"),
    "concat": "ffconcat version 1.0\nfile other.avi\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>other.avi</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_playlist_opens_no_other_file(tmp_path, name, suffix):
    other = write(tmp_path / "other.avi", pictures(2, (16, 16)))
    path = tmp_path / f"x{suffix}"
    path.write_text(PLAYLISTS[name].replace("{folder}", str(tmp_path)))
    with pytest.raises(InputError, match=r"cannot be read as a video"):
        find_videos(path)
    assert VideoFile(other).height == 16
