"""Images of odd kinds as frames: the stored pixels, or one sentence that names the file.

The expected pixels come from the arithmetic of the format, not from Pillow.
"""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, ImageCms, PngImagePlugin

from hostile_calls import call
from mutations import one_sentence
from vis_bench.data.frames import ImageFiles, read_header, read_pixels
from vis_bench.data.video import Video, find_images, find_videos
from vis_bench.errors import InputError

ORIENTATION = 274
# What `save` takes to keep every value, and what each mode can be kept in.
LOSSLESS = {
    "PNG": {}, "BMP": {}, "GIF": {}, "WEBP": {"lossless": True, "exact": True}, "TIFF": {},
    "PPM": {},
}  # fmt: skip
KEPT = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P"), "WEBP": ("RGB", "RGBA"), "PPM": ("1", "L", "RGB", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"),
}  # fmt: skip
CHANNELS = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
MODES = [(kind, mode) for kind, modes in KEPT.items() for mode in modes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


def stored(mode, size_HW, seed):
    """A random image of a mode, and its RGB by the definition of the mode."""
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 256, (*size_HW, CHANNELS.get(mode, 1)), dtype=np.uint8)
    one = values[..., :1]
    if mode == "I;16":
        low = draw.integers(0, 256, size_HW, dtype=np.uint16)
        return Image.fromarray(one[..., 0].astype(np.uint16) * 256 + low), one.repeat(3, 2)
    if mode == "1":
        return Image.fromarray(one[..., 0] > 99), np.uint8(255) * (one > 99).repeat(3, 2)
    if mode == "P":
        palette = draw.integers(0, 256, (256, 3), dtype=np.uint8)
        image = Image.fromarray(one[..., 0])
        image.putpalette(palette.tobytes())
        return image, palette[one[..., 0]]
    image = Image.fromarray(one[..., 0] if mode == "L" else values, mode)
    if mode == "CMYK":
        cmy, black = 255 - values[..., :3].astype(int), 255 - values[..., 3:].astype(int)
        return image, np.rint(cmy * black / 255).astype(np.uint8)
    return image, values[..., :3] if CHANNELS.get(mode, 1) > 2 else one.repeat(3, 2)


@settings(deadline=None)
@given(
    st.sampled_from(MODES),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 999),
    st.sampled_from([{}, {"transparency": 3}, {"icc": True}, {"gamma": True}, {"exif": 6}]),
)
def test_stored_pixels_of_lossless_files(folder, kind_mode, height, width, seed, extra):
    kind, mode = kind_mode
    image, expected_HW3 = stored(mode, (height, width), seed)
    options, exif = dict(LOSSLESS[kind]), Image.Exif()
    if "transparency" in extra and kind in ("PNG", "GIF") and mode in ("L", "P"):
        options["transparency"] = extra["transparency"]
    if "icc" in extra and mode != "I;16":
        options["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if "gamma" in extra and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add(b"gAMA", (20_000).to_bytes(4, "big"))
    if "exif" in extra and kind in ("PNG", "WEBP"):
        exif[ORIENTATION] = extra["exif"]
        options["exif"] = exif
    path = folder / "frame"
    image.save(path, kind, **options)
    frame_HW3 = read_pixels(path)
    assert (frame_HW3.dtype, frame_HW3.flags.c_contiguous) == (np.uint8, True)
    difference_HW3 = np.abs(frame_HW3.astype(int) - expected_HW3)
    assert difference_HW3.shape == (height, width, 3)
    assert difference_HW3.max() <= (mode == "CMYK")
    header = read_header(path)
    assert (header.size_HW, header.is_turned) == ((height, width), ORIENTATION in exif)


def smooth(size_HW=(40, 56)):
    """Colors that JPEG keeps nearly."""
    y, x = np.mgrid[: size_HW[0], : size_HW[1]]
    return np.stack([x * 4, y * 6, 40 + x + 2 * y], 2).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [("JPEG", "RGB", {"quality": 95}), ("JPEG", "RGB", {"quality": 95, "progressive": True}),
     ("JPEG", "RGB", {"quality": 95, "keep_rgb": True}), ("JPEG", "CMYK", {"quality": 95}),
     ("JPEG", "RGB", {"quality": 95, "restart_marker_rows": 1}),
     ("TIFF", "YCbCr", {}), ("TIFF", "RGB", {"compression": "jpeg", "quality": 95}),
     ("WEBP", "RGB", {"quality": 99}), ("MPO", "RGB", {"quality": 95, "save_all": True})],
)  # fmt: skip
def test_colors_of_lossy_files(folder, kind, mode, options):
    image = Image.fromarray(smooth()).convert(mode)
    if "save_all" in options:
        options = {**options, "append_images": [image.rotate(180)]}
    image.save(folder / "frame", kind, **options)
    difference = np.abs(read_pixels(folder / "frame").astype(int) - smooth())
    assert difference.mean() < 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_picture_of_an_animation(folder, kind):
    """Also where the pictures behind it cover a part of the canvas."""
    first_HW3 = np.zeros((12, 16, 3), np.uint8)
    first_HW3[2:5, 3:9] = 255, 0, 0
    others = [Image.fromarray(np.roll(first_HW3, n, 1)) for n in (1, 2, 3)]
    Image.fromarray(first_HW3).save(
        folder / "frame", kind, save_all=True, append_images=others, **LOSSLESS[kind]
    )
    with Image.open(folder / "frame") as image:
        assert image.n_frames == 4
    assert np.array_equal(read_pixels(folder / "frame"), first_HW3)


def whole_files():
    noisy = smooth() ^ np.random.default_rng(0).integers(0, 32, (40, 56, 3), dtype=np.uint8)
    image, files = Image.fromarray(noisy), {}
    for kind, options in (
        ("PNG", {}),
        ("BMP", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("GIF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("PPM", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PNG", {"save_all": True, "append_images": [image.rotate(90)]}),
    ):
        out = io.BytesIO()
        image.save(out, kind, **options)
        files[f"{kind} {', '.join(options)}"] = out.getvalue()
    return files


WHOLE = whole_files()


@pytest.mark.filterwarnings("ignore:.*(Truncated|Corrupt).*")
@settings(deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_has_all_pixels_or_a_sentence(folder, kind, part):
    content, path = WHOLE[kind], folder / "frame.png"
    path.write_bytes(content)
    whole_HW3 = read_pixels(path)
    path.write_bytes(content[: int(part * len(content))])
    frame_HW3 = Video(1, "it", 40, 56, ImageFiles([path], "it", (40, 56))).read(0)
    if isinstance(frame_HW3, str):
        assert str(path) in frame_HW3
        assert "\n" not in frame_HW3
    else:
        assert np.array_equal(frame_HW3, whole_HW3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_orientation_is_never_applied_silently(folder, kind, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(smooth()).save(folder / "frame", kind, exif=exif, quality=95)
    if kind == "TIFF" and orientation > 1:
        with pytest.raises(ValueError, match="Orientation"):
            read_pixels(folder / "frame")
        return
    header = read_header(folder / "frame")
    assert (header.size_HW, header.is_turned) == ((40, 56), orientation > 1)
    assert np.abs(read_pixels(folder / "frame").astype(int) - smooth()).mean() < 9
    turned = ImageFiles([folder / "frame"], "it", (56, 40))  # as annotated after turning
    for read in (lambda: turned[0], turned.check):
        with pytest.raises(InputError, match="EXIF" if orientation > 1 else "is 40x56; "):
            read()


@pytest.mark.parametrize("kind", ["EPS", "ICO", "ICNS", "SPIDER", "PDF", "TGA"])
def test_a_file_of_another_format_is_refused_whatever_its_name(tmp_path, monkeypatch, kind):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **_: started.append(given))
    image = Image.fromarray(smooth((16, 16))).convert("F" if kind == "SPIDER" else "RGB")
    out = io.BytesIO()  # SPIDER's writer would take the name's ending for its own
    image.save(out, kind)
    (tmp_path / "0.png").write_bytes(out.getvalue())
    for read in (
        find_videos,
        find_images,
        lambda _: ImageFiles([tmp_path / "0.png"], "it", (16, 16))[0],
    ):
        with pytest.raises(InputError, match=r"0\.png"):
            read(tmp_path)
    assert not started


@pytest.mark.parametrize("size_HW", [(1, 1), (1, 300), (300, 1), (3, 2)])
@pytest.mark.parametrize("cut", [False, True])
def test_predict_over_odd_frames(tmp_path, size_HW, cut):
    """A frame of each mode in one video; the last one is cut off or not."""
    (tmp_path / "odd").mkdir()
    for t, mode in enumerate(KEPT["PNG"]):
        stored(mode, size_HW, t)[0].save(tmp_path / "odd" / f"{t}.png")
    if cut:
        last = tmp_path / "odd" / f"{len(KEPT['PNG']) - 1}.png"
        content = last.read_bytes()
        last.write_bytes(content[: content.index(b"IDAT") + 6])
    config = tmp_path / "c.yaml"
    config.write_text("method: color_key\ndataset: {name: synthetic}\nclip_length: 3\n")
    code, _, said = call(
        "predict",
        config,
        "--frames",
        tmp_path / "odd",
        "--device",
        "cpu",
        "--output",
        tmp_path / "r.json",
        "--set",
        "resolution=native",
    )
    assert (code, one_sentence(code, said)) == (2 if cut else 0, True), said
    assert (
        str(last) in said
        if cut
        else isinstance(json.loads((tmp_path / "r.json").read_text()), list)
    )
