"""Single images: 16 bits, rotation by EXIF, and files that are not what they seem."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vis_bench.cli import main
from vis_bench.data.frames import ImageFiles, decode_image, read_header, read_pixels
from vis_bench.data.video import find_videos
from vis_bench.errors import InputError

VALUES = np.arange(0, 65536, 257, dtype=np.uint16)[None].repeat(3, 0)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def png_16(path, channels, height=3, width=256):
    """A PNG of 16 bits per channel, written by hand: every channel holds `VALUES`."""
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    row = b"\0" + VALUES[0, :, None].repeat(channels, 1).astype(">u2").tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * height))
        + chunk(b"IEND", b"")
    )  # fmt: skip
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
    [(np.full((2, 3), 70000, np.int32), "more than 16 bits"),
     (np.full((2, 3), -1, np.int32), "more than 16 bits"),
     (np.full((2, 3), 0.5, np.float32), "floating-point values")],
)  # fmt: skip
def test_values_without_a_known_scale_are_refused(tmp_path, values, words):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=f"frame 0 of it, .*a.tif, cannot be decoded: .*{words}"):
        decode_image(tmp_path / "a.tif", "frame 0 of it")


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK"])
def test_other_modes_are_read_as_pillow_converts_them(tmp_path, mode):
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5).convert(mode)
    image.save(tmp_path / "a.tif")
    assert np.array_equal(read_pixels(tmp_path / "a.tif"), np.asarray(image.convert("RGB")))


def test_a_rotation_by_exif_is_seen_and_not_applied(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_header(tmp_path / "a.jpg").is_turned
    assert read_header(tmp_path / "a.jpg").size_HW == read_pixels(tmp_path / "a.jpg").shape[:2]
    files = ImageFiles([tmp_path / "a.jpg"], "it", (4, 6))
    assert files.check() == [tmp_path / "a.jpg"]


def test_a_pipe_among_the_frames_is_refused_and_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is not an image that can be read"):
        find_videos(tmp_path)
    with pytest.raises(InputError, match="it is not a regular file"):
        decode_image(tmp_path / "a.png", "frame 0 of it")
    with pytest.raises(InputError, match="it is not a regular file"):
        ImageFiles([tmp_path / "a.png"], "it").check()


def test_a_decompression_bomb_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    row = zlib.compress(b"\0" * 60001)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    )
    with pytest.raises(InputError, match=r"a\.png is not an image that can be read"):
        find_videos(tmp_path)
    for read in (lambda path: decode_image(path, "frame 0 of it"),
                 lambda path: ImageFiles([path], "it").check()):  # fmt: skip
        with pytest.raises(InputError, match="3600000000 pixels"):
            read(tmp_path / "a.png")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "inner").mkdir()
    listed = type(tmp_path).iterdir

    def refuse(path):
        if path.name == "inner":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    with pytest.raises(InputError, match="inner cannot be read: Permission denied"):
        find_videos(tmp_path)
    arguments = ["predict", "demo", "--frames", str(tmp_path), "--output", str(tmp_path / "r.json")]
    assert main([*arguments, "--set", "method=color_key", "--set", "clip_length=5"]) == 2
