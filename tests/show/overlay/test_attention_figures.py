"""Figures of attention: what was recorded is at its place, in its color, at its size."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from displayed import COLUMN, PHONE, smallest_letters
from drawing_case import LEFT, NOWHERE, RIGHT, H, T, W, truth, tube
from vis_bench.attention import ClipAttention, DecoderAttention
from vis_bench.data.results_file import Track
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.attention import RecordedVideo
from vis_bench.show.figures.memory_tokens import draw_memory_tokens
from vis_bench.show.figures.page import PAGE_WIDTH, PageStyle
from vis_bench.show.figures.sampling_points import draw_sampling_points
from vis_bench.show.figures.time_weights import draw_time_weights
from vis_bench.show.overlay.painting import color_of
from vis_bench.show.overlay.rows import shown_tracks

CATEGORIES = {1: "cat", 2: "dog"}
VIDEO = Video(1, "cats", H, W, [np.full((H, W, 3), 128, np.uint8)] * T)


def decoder(locations_LQ2, weights_LQ, time_LTQ=None):
    """Attention with two heads, one level and one point, the same in all frames."""
    locations = torch.tensor(locations_LQ2)[:, None, :, None, None, None, :]
    weights = torch.tensor(weights_LQ)[:, None, :, None, None, None]
    layers, queries = weights.shape[0], weights.shape[2]
    if time_LTQ is None:
        time_LTQ = torch.full((layers, T, queries), 1 / T)
    return ClipAttention(
        DecoderAttention(
            torch.arange(queries),
            locations.expand(-1, T, -1, 2, -1, -1, -1),
            weights.expand(-1, T, -1, 2, -1, -1),
            torch.as_tensor(time_LTQ),
        )
    )


def recorded(attention, *tracks):
    """A recorded video; tracks are (segmentations, category, score, instance)."""
    return RecordedVideo(
        VIDEO,
        [Track(1, category, score, masks) for masks, category, score, _ in tracks],
        [instance for *_, instance in tracks],
        attention,
    )


def pixels(page):
    """The page as an array of RGB, a pixel for each of its layout."""
    drawn = Image.open(io.BytesIO(page.encoded("png"))).convert("RGB")
    assert drawn.width == 2 * PAGE_WIDTH
    return np.asarray(drawn.reduce(2)).astype(int)


def spots(picture_HW3, color):
    """Rows and columns of the pixels that nearly have a color."""
    return np.nonzero(np.abs(picture_HW3 - np.array(color)).max(-1) <= 40)


def test_points_are_where_they_were_read_in_their_tracks_color():
    attention = decoder([[[0.25, 0.5], [0.75, 0.5]], [[0.5, 0.2], [0.75, 0.8]]], [[1.0, 1], [1, 1]])
    video = recorded(attention, (LEFT, 1, 0.9, 0), (RIGHT, 2, 0.8, 1))
    shown = shown_tracks(video, None, CATEGORIES, 2)
    picture = pixels(draw_sampling_points(video, shown, [0, 1], [0, 3]))
    assert picture.shape[1] == PAGE_WIDTH
    width = (PAGE_WIDTH - 24 - 4) / 2
    height = width * H / W
    for layer, query, wanted in [
        (0, 0, (0.25, 0.5)),
        (0, 1, (0.75, 0.5)),
        (1, 0, (0.5, 0.2)),
        (1, 1, (0.75, 0.8)),
    ]:
        for column in range(2):
            left, top = 24 + column * (width + 4), 24 + layer * (height + 4)
            panel = picture[int(top) : int(top + height), int(left) : int(left + width)]
            y, x = spots(panel, color_of(query))
            assert x.mean() / width == pytest.approx(wanted[0], abs=0.01)
            assert y.mean() / height == pytest.approx(wanted[1], abs=0.01)


def test_the_area_of_a_circle_is_its_weight():
    attention = decoder([[[0.25, 0.5], [0.75, 0.5]]], [[0.8, 0.2]])
    video = recorded(attention, (LEFT, 1, 0.9, 0), (RIGHT, 2, 0.8, 1))
    shown = shown_tracks(video, None, CATEGORIES, 2)
    picture = pixels(draw_sampling_points(video, shown, [0], [1]))[24:-40]
    large, small = (len(spots(picture, color_of(query))[0]) for query in (0, 1))
    assert large / small == pytest.approx(4, rel=0.15)


def test_bars_are_as_high_as_the_weights_and_pale_where_the_object_is_absent():
    weights = torch.tensor([[0.1], [0.2], [0.3], [0.4]])[None]
    gone = tube((20, 8), (20, 8), None, (20, 8))
    video = recorded(decoder([[[0.5, 0.5]]], [[1.0]], weights), (LEFT, 1, 0.9, 0))
    shown = shown_tracks(video, truth((gone, 1)), CATEGORIES, 1)
    assert shown[0].annotated
    assert shown[0].present_T.tolist() == [True, True, False, True]
    frames = list(range(T))
    picture = pixels(draw_time_weights(video, shown, 0, frames))
    width = (PAGE_WIDTH - 40 - 4 * 3) / 4
    below = int(22 + width * H / W + 24)
    heights = []
    for t in frames:
        middle = 40 + t * (width + 4) + width / 2
        strip = picture[below : below + 64, int(middle - 0.3 * width) : int(middle - 0.25 * width)]
        color = np.array(color_of(0)) if t != 2 else 0.3 * np.array(color_of(0)) + 0.7 * 255
        heights.append(len(np.unique(spots(strip, color)[0])))
    assert np.array(heights) / sum(heights) == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.03)


def test_letters_are_9_pixels_tall_in_a_column_and_on_a_phone_if_narrow():
    weights = torch.full((1, T, 1), 1 / T)
    video = recorded(decoder([[[0.5, 0.5]]], [[1.0]], weights), (LEFT, 1, 0.9, 0))
    shown = shown_tracks(video, None, CATEGORIES, 1)
    for style, room in ((PageStyle(), COLUMN), (PageStyle.of_column(3.7), PHONE)):
        for page in (
            draw_sampling_points(video, shown, [0], [0], style),
            draw_time_weights(video, shown, 0, [0], style),
        ):
            assert smallest_letters(page.encoded("svg").decode(), room) >= 9


def test_the_token_with_most_weight_goes_first_and_is_hot_where_it_looks():
    weights = torch.zeros(2, T, 1, 3, 2, 3)
    weights[1, :, 0, 1, 1, 2] = 0.5  # token 2 of 3: lower row, right column
    video = recorded(ClipAttention(memory_weights_LTMBhw=weights), (LEFT, 1, 0.9, 0))
    shown = shown_tracks(video, None, CATEGORIES, 1)
    page = draw_memory_tokens(video, [track.instance for track in shown], 1, [0])
    picture = pixels(page)
    width = (PAGE_WIDTH - 4) / 2
    height = width * H / W
    panel = picture[20 : int(20 + height), int(width + 4) :]
    y, x = np.nonzero((panel[..., 0] - panel[..., 2]) > 60)
    assert x.min() / width == pytest.approx(2 / 3, abs=0.02)
    assert x.max() / width == pytest.approx(1, abs=0.02)
    assert y.min() / height == pytest.approx(1 / 2, abs=0.02)
    assert y.max() / height == pytest.approx(1, abs=0.02)
    other = picture[int(20 + height + 20) : int(2 * (20 + height)), : int(width)]
    assert not (other[..., 0] - other[..., 2] > 20).any()


def test_tracks_that_find_objects_go_first_and_share_the_objects_color():
    """An instance is shown once, under its best class; colors are those of `draw`."""
    attention = decoder([[[0.5, 0.5]] * 3], [[1.0] * 3])
    video = recorded(
        attention,
        (NOWHERE, 1, 0.95, 0),
        (RIGHT, 1, 0.9, 1),
        (RIGHT, 2, 0.85, 1),
        (LEFT, 1, 0.8, 2),
    )
    shown = shown_tracks(video, truth((LEFT, 1), (RIGHT, 2)), CATEGORIES, 5)
    assert [track.title for track in shown] == ["dog 0.85", "cat #1, 0.80", "cat #2, 0.95"]
    assert [track.row for track in shown] == [1, 2, 0]
    assert [track.color for track in shown] == [color_of(1), color_of(0), color_of(2)]
    assert [track.title for track in shown_tracks(video, None, CATEGORIES, 2)] == [
        "cat #1, 0.95",
        "cat #2, 0.90",
    ]


def test_a_video_without_instances_is_refused():
    with pytest.raises(InputError, match="no instance in video cats"):
        shown_tracks(recorded(ClipAttention()), None, CATEGORIES, 3)


def test_svg_and_pdf_are_vectors_and_the_same_again():
    video = recorded(decoder([[[0.5, 0.5]]], [[1.0]]), (LEFT, 1, 0.9, 0))
    shown = shown_tracks(video, None, {1: "<$x$>"}, 1)
    page = draw_sampling_points(video, shown, [0], [0])
    svg = page.encoded("svg")
    assert svg == draw_sampling_points(video, shown, [0], [0]).encoded("svg")
    assert re.search(rb"<text[^>]*>&lt;\$x\$&gt; 0.90</text>", svg)
    assert page.encoded("pdf").startswith(b"%PDF")
    assert page.encoded("pdf") == draw_sampling_points(video, shown, [0], [0]).encoded("pdf")
