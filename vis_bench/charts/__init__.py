"""Charts as data, one function that draws them, and one place for labels in all pictures."""

from vis_bench.charts.chart import Chart, css_colors, draw_each_inline, draw_inline
from vis_bench.charts.draw import add_legend, draw, draw_twins
from vis_bench.charts.encode import chart_style, encode_figure, encode_picture, picture_format
from vis_bench.charts.labels import Placed, label_points, place_labels
from vis_bench.charts.looks import DARK, LIGHT, PAPER, Look, Theme, look_of
from vis_bench.charts.panels import Panel, Series, digest, digest_of_svg
from vis_bench.charts.series import MOST_SERIES

__all__ = [
    "DARK", "LIGHT", "MOST_SERIES", "PAPER", "Chart", "Look", "Panel", "Placed", "Series", "Theme",
    "add_legend", "chart_style", "css_colors", "digest", "digest_of_svg", "draw",
    "draw_each_inline", "draw_inline", "draw_twins", "encode_figure", "encode_picture",
    "label_points", "look_of", "picture_format", "place_labels",
]  # fmt: skip
