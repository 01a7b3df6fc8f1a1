"""A strip of one video with a row for each method, predicted on the spot.

After figure 4 of SeqFormer (Wu et al., ECCV 2022): methods below each other, to see which is
stable over time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PIL import Image

from vis_bench.data.results_file import Results
from vis_bench.drawing.figure_page import PAGE_WIDTH
from vis_bench.drawing.frame_files import video_frames
from vis_bench.drawing.panel_grid import GAP, MARKS
from vis_bench.drawing.rows import NamedResults, rows_of
from vis_bench.drawing.strip import draw_strip
from vis_bench.drawing.video_pictures import VideoPictures
from vis_bench.errors import InputError
from vis_bench.inference.loop import track_video
from vis_bench.runs.video_subject import VideoSubject


def draw_method_strip(
    subjects: Mapping[str, VideoSubject],
    *,
    columns: int,
    min_score: float,
    advance: Callable[[], object],
) -> Image.Image:
    """Predicts the video, clip by clip as each config says, and draws it.

    Args:
        subjects: at least one, by the name of its row, all with the same video.
        columns: frames that are drawn.
        min_score: tracks with lower scores are not drawn.
        advance: called after each method.

    Raises:
        InputError: for a frame that cannot be read.
    """
    sources = []
    for name, subject in subjects.items():
        tracks = track_video(subject.method, subject.video, subject.plan, list(subject.categories))
        title = f"{name} (reconstruction)" if subject.method.reconstruction else name
        sources.append(NamedResults(title, Results.of(tracks, name)))
        advance()
    first = next(iter(subjects.values()))
    truth = first.ground_truth([first.video])
    video = video_frames(first.video)
    pictures = VideoPictures(
        video, rows_of(video, sources, truth, first.categories, min_score), _refuse
    )
    width = (PAGE_WIDTH + GAP) // columns - GAP
    return draw_strip(pictures, columns, width, () if truth is None else MARKS)


def _refuse(message: str) -> None:
    """A frame that was read for the prediction must be readable now."""
    raise InputError(message)
