"""Pictures of data whose names have any letters, or repeat, and of videos without frames."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageFont

import vis_bench
from vis_bench.charts import chart_style, encode_figure, fonts
from vis_bench.masks.rle import encode_masks
from vis_bench.show.overlay.label_box import Letters

TEXTS = {
    "Latin": "Straße é ñ ğ ø", "decomposed": "cafe\u0301", "Greek": "Ελληνικά",
    "Cyrillic": "Кошка", "Chinese": "猫和狗", "Japanese": "かな漢字", "Korean": "고양이 cat",
}  # fmt: skip
NOWHERE = "\U0010fffe"


@pytest.fixture
def no_system_fonts(monkeypatch):
    """Fonts of a machine that has none of its own."""
    caches = (fonts.in_fonts, fonts._file_with)
    monkeypatch.setattr(fonts, "_system_files", lambda: ())
    monkeypatch.setattr(fonts, "_named", set())
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("font", [ImageFont.load_default(14), ImageFont.truetype(fonts._dejavu())])
@pytest.mark.parametrize("script", TEXTS)
def test_every_letter_is_drawn_by_a_font_that_has_it(script, font):
    text = TEXTS[script]
    if script in ("Chinese", "Japanese", "Korean") and not fonts._file_with(text[0]):
        pytest.skip(f"no font of this machine has {text[0]}")
    parts = fonts.in_fonts(text, font)
    assert "".join(words for words, _ in parts) == text.replace("e\u0301", "é")
    for words, own in parts:
        box = own.getmask(NOWHERE)
        assert all(c == " " or bytes(own.getmask(c)) != bytes(box) for c in words)
    width = Letters(14, font).width(text)
    assert width == sum(own.getlength(words) for words, own in parts)


def test_letters_that_no_font_has_are_left_out_with_a_sentence(no_system_fonts):
    font = ImageFont.load_default(14)
    with pytest.warns(UserWarning, match="no font") as caught:
        parts = [fonts.in_fonts(text, font) for text in ("猫 cat", "狗 猫", "\U0001fae0 cat")]
    assert ["".join(words for words, _ in own) for own in parts] == [" cat", " ", " cat"]
    assert len(caught) == 2  # one of letters, one of signs


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_charts_leave_them_out_too(no_system_fonts, form):
    def chart(title):
        with chart_style():
            figure = Figure((3, 2))
            axes = figure.subplots()
            axes.set_title(title)
            axes.set_yticks([0, 1], [f"{title} 1", "b"])
            return encode_figure(figure, form)

    with pytest.warns(UserWarning, match="no font"):
        figure = chart("猫 Кошка")
    assert figure == chart(" Кошка")


@pytest.fixture
def odd_videos(tmp_path):
    """Annotations of two videos of one name and one without frames, and results on them."""
    mask_HW = np.zeros((60, 96), bool)
    mask_HW[20:40, 8:40] = True
    [code] = encode_masks(mask_HW[None])
    lengths = {1: 2, 2: 0, 3: 2}
    content = {
        "videos": [
            {
                "id": key, "height": 60, "width": 96, "length": length,
                "file_names": [f"Видео/{t}.png" for t in range(length)],
            }
            for key, length in lengths.items()
        ],
        "categories": [{"id": 1, "name": "猫 é"}],
        "annotations": [
            {
                "id": key, "video_id": key, "category_id": 1, "iscrowd": 0,
                "segmentations": [code] * length,
            }
            for key, length in lengths.items()
        ],
    }  # fmt: skip
    tracks = [
        {"video_id": key, "category_id": 1, "score": key / 4, "segmentations": [code] * length}
        for key, length in lengths.items()
    ]
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "r.json").write_text(json.dumps(tracks))
    (tmp_path / "Видео").mkdir()
    for t in range(2):
        Image.new("RGB", (96, 60)).save(tmp_path / "Видео" / f"{t}.png")
    return tmp_path


@pytest.mark.filterwarnings("ignore:no font")
def test_videos_of_one_name_and_without_frames_are_drawn(odd_videos):
    truth, results = odd_videos / "gt.json", odd_videos / "r.json"
    with pytest.warns(UserWarning, match="1 video without frames"):
        paths = vis_bench.draw(results, odd_videos, odd_videos / "drawn", annotations=truth)
    assert len(set(paths)) == 4
    assert all(path.is_file() for path in paths)


@pytest.mark.filterwarnings("ignore:no font")
@pytest.mark.parametrize("with_frames", [True, False])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "crowds", "no objects", "short objects", "short tracks"])
def test_a_report_of_such_videos_is_a_page(odd_videos, number, with_frames, kind):
    """Also where all objects are crowds, or lists are shorter than their video."""
    truth, results = (odd_videos / name for name in ("gt.json", "r.json"))
    content, tracks = json.loads(truth.read_text()), json.loads(results.read_text())
    if kind == "no objects":
        content["annotations"] = []
    for entry in content["annotations"]:
        entry["iscrowd"] = int(kind == "crowds")
    for entry in {"short objects": content["annotations"], "short tracks": tracks}.get(kind, []):
        entry["segmentations"] = entry["segmentations"][:1]
    truth.write_text(json.dumps(content))
    results.write_text(json.dumps(tracks))
    page = vis_bench.report(
        *[odd_videos / "r.json"] * number,
        annotations=odd_videos / "gt.json",
        frames=odd_videos if with_frames else None,
        output=odd_videos / "page.html",
    )
    text = page.read_text()
    assert all(f"Видео (id {key})" in text for key in (1, 3))
    assert 'id="video-1"' in text
    assert 'id="video-2"' not in text
    words = {"crowds": "are crowds", "no objects": "no object to find", "plain": "without a pixel"}
    assert words.get(kind, "length" if kind == "short objects" else "fewer masks") in text
