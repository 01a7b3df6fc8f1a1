"""The videos of a report: a dot, a bar and numbers of each, and a player with timelines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from vis_bench.data.video import Video
from vis_bench.metrics.compare import Analysis
from vis_bench.metrics.tracking.evaluate import Counts
from vis_bench.progress import Advance
from vis_bench.record.metrics import title_of
from vis_bench.runs.sources import Sources
from vis_bench.show.overlay.frame import Row, VideoPictures
from vis_bench.show.overlay.painting import color_of
from vis_bench.show.overlay.rows import hidden_matches, rows_of
from vis_bench.show.overlay.timelines import ObjectTimeline, object_timelines
from vis_bench.show.overlay.tracks import objects_of, outcomes, tracks_of
from vis_bench.show.report.player import Player, make_player
from vis_bench.show.report.scores import TrackScores
from vis_bench.show.report.sides import LETTERS, Sides
from vis_bench.show.report.table import points, whole, words
from vis_bench.table.model import ABSENT, Column, Entry, Table
from vis_bench.text import count

TRUTH = "ground truth"
# An IoU of 1 in units of the timelines' SVG.
HEIGHT = 20
MANY = 40  # videos from which on their table is folded
_NEAR = 10  # points of AP between two sides that count as near
# Faults that an identity switch counts as where CLEAR was asked for.
_SWITCH = 10**6


@dataclass(frozen=True)
class ShownVideo:
    """A video with its player; `first_shown` is the frame that it opens with.

    `is_printed`: its strip is printed, and the first one of these is open.
    """

    video: Video
    summary: str
    player: Player
    objects: Sequence[Mapping[str, Any]]
    first_shown: int
    is_printed: bool


def by_change(sides: Sides) -> list[int]:
    """Return all videos by rising AP, or by rising change of it; those without objects last."""
    return np.argsort(_moved_ap(sides), kind="stable").tolist()


def by_interest(sides: Sides, most: int | None) -> list[int]:
    """Return the most telling videos with frames first: the worst, or those that changed most.

    Of two sides the first is the one that changed most in the direction of the verdict. Where CLEAR
    was asked for, videos with more identity switches are before all others.

    Args:
        most: number of videos; None for all.
    """
    lengths_V = np.array([video.length for video in sides.videos])
    rank_V = _moved_ap(sides)
    if sides.is_pair:
        first, second = (own.overall["ap"].samples_S[0] for own in sides.samples)
        toward_V = np.nan_to_num(-rank_V if second < first else rank_V)
        rank_V = -abs(rank_V)
        rank_V[toward_V.argmax()] = -np.inf
    order = np.lexsort((rank_V, -np.sum([*map(_switches_V, sides.samples)], 0)))
    return order[lengths_V[order] > 0].tolist()[:most]


def _switches_V(side: Analysis) -> np.ndarray:
    """Identity switches of every video as CLEAR counts them, (V,); 0 where it was not asked for."""
    tracking = side.evaluation.tracking
    assert tracking is not None, "a report asks for tracking metrics"
    counts = [Counts.total(video.sequences.values()).clear for video in tracking.videos]
    return np.array([0 if clear is None else clear.idsw for clear in counts])


def _moved_ap(sides: Sides) -> np.ndarray:
    """AP of every video, (V,), or the change of it."""
    first, *second = (own.by_video["ap"] for own in sides.samples)
    return second[0] - first if second else first


_PRINTED = 4


def show_videos(
    inputs: Sources,
    sides: Sides,
    scores: Sequence[TrackScores],
    order: Sequence[int],
    *,
    side: int,
    min_score: float,
    num_bytes: int,
    advance: Advance,
) -> tuple[list[ShownVideo], list[str], list[str]]:
    """Encode the videos, the most telling first, as long as there is room.

    Args:
        order: places of the videos in the annotations.
        side: longest side of a frame, in pixels.
        min_score: tracks with lower scores are left out.
        num_bytes: room for all of them.

    Returns:
        what is shown, names of videos without room, and sentences about frames that cannot be
        read.
    """
    warnings: dict[str, None] = {}
    shown: list[ShownVideo] = []
    too_large = []
    room, smallest = num_bytes, 0
    for place in order:
        video = inputs.videos[place]
        if room < smallest:
            too_large.append(video.name)
            advance()
            continue
        rows = _rows(inputs, video, min_score)
        pictures = VideoPictures(video, rows, lambda text: warnings.update({text: None}))
        player = make_player(pictures, side)
        advance()
        smallest = min(smallest or player.num_bytes, player.num_bytes)
        if player.num_bytes > room:
            too_large.append(video.name)
            continue
        room -= player.num_bytes
        weight = _SWITCH if sides.samples[0].evaluation.asked.clear else 1
        worse = _worse_side(sides, place)
        objects, first = _objects(inputs, video, rows[-1], min_score, weight, worse)
        summary = _summary(len(objects), sides, scores, place)
        is_printed = len(shown) < _PRINTED
        shown.append(ShownVideo(video, summary, player, objects, first, is_printed))
    return shown, too_large, list(warnings)


def video_map(sides: Sides, scores: Sequence[TrackScores], shown: Set[int]) -> list[dict[str, Any]]:
    """Return the places in the charts of all videos, in the order of `by_change`; none for those
    without objects.

    Args:
        shown: ids of videos that can be opened.
    """
    counts, moved_V = _num_objects(sides), 100 * _moved_ap(sides)
    drawn = [place for place in by_change(sides) if not np.isnan(moved_V[place])]
    found = []
    for place in drawn:
        video, moved = sides.videos[place], float(moved_V[place])
        ends = [100 * float(own.by_video["ap"][place]) for own in sides.samples]
        is_near = sides.is_pair and abs(moved) <= _NEAR
        found.append(
            {
                "text": f"{video.name}: {_summary(counts[video.id], sides, scores, place)}",
                "link": f"#video-{video.id}" if video.id in shown else "",
                "looks": f"{LETTERS[sides.is_pair and moved > 0]}{' near' * is_near}",
                "at": (ends[0], ends[-1]),
                "moved": moved,
                "radius": 3 + 1.5 * counts[video.id] ** 0.5,
            }
        )
    return found


def _num_objects(sides: Sides) -> Counter[int]:
    return Counter(annotated.video_id for annotated in sides.samples[0].truth.objects)


def video_table(sides: Sides, scores: Sequence[TrackScores], shown: Set[int]) -> Table:
    """Return a table with a row per video; arguments as for `video_map`."""
    counts = _num_objects(sides)
    columns = [
        Column("Video", numeric=False),
        *(
            Column(f"{title} {part}".strip())
            for title in ("AP", "HOTA")
            for part in (*["B - A"] * sides.is_pair, *sides.letters)
        ),
        Column("Frames"),
        Column("Objects"),
    ]
    rows = []
    for place, video in enumerate(sides.videos):
        link = f"#video-{video.id}" if video.id in shown else ""
        cells = _by_itself(sides, "ap", place, [False] * len(scores))
        cells += _by_itself(sides, "hota", place, _unseen(scores, place))
        row = [words(video.name, link), *cells, whole(video.length), whole(counts[video.id])]
        rows.append(row)
    return Table.of(columns, rows, "AP and HOTA of every video by itself, in points")


def _unseen(scores: Sequence[TrackScores], place: int) -> list[bool]:
    """True for each side that has no track above its score threshold."""
    return [bool(own.unseen_V[place]) for own in scores]


def _by_itself(sides: Sides, key: str, place: int, unseen: Sequence[bool]) -> list[Entry]:
    """Entries of a video's value for each side, behind its change."""
    values = [float(own.by_video[key][place]) for own in sides.samples]
    cells = [
        Entry("no track", order=value) if is_unseen else points(value)
        for value, is_unseen in zip(values, unseen, strict=True)
    ]
    if sides.is_pair:
        moved = (
            Entry(ABSENT) if any(unseen) else points(values[1] - values[0], signed=True, contrast=1)
        )
        cells.insert(0, moved)
    return cells


def _rows(inputs: Sources, video: Video, min_score: float) -> list[Row]:
    """Return a row per side, named by letters if there are two, then the ground truth's."""
    truth, *rest = rows_of(video, inputs.sides, inputs.truth, inputs.truth.categories, min_score)
    names = LETTERS if len(inputs.sides) == 2 else [side.name for side in inputs.sides]
    rows = [Row(name, r.instances, r.remark) for name, r in zip(names, rest, strict=False)]
    return [*rows, Row(TRUTH, truth.instances)]


def _objects(
    inputs: Sources, video: Video, truth: Row, min_score: float, weight: int, worse: int | None
) -> tuple[list[dict[str, Any]], int]:
    """Return the annotated objects with a timeline per side, and the most telling frame.

    Args:
        worse: place of the side whose faults the frame shows; None for those of all sides.
    """
    objects = objects_of(inputs.truth, video)
    letters = LETTERS if len(inputs.sides) == 2 else ("",)
    lines, unmatched = [], []
    for side in inputs.sides:
        tracks = tracks_of(side.results, video, min_score)
        outcome = outcomes(tracks, objects)
        lines.append(object_timelines(tracks, objects, video.length))
        unmatched.append(outcome.unmatched | hidden_matches(side, video, objects, outcome))
    timed = [
        {
            "name": truth.instances[m].texts[0],
            "color": "#{:02x}{:02x}{:02x}".format(*color_of(m)),
            "lines": [
                timeline(x, own[m], words.get(m, ""))
                for x, own, words in zip(letters, lines, unmatched, strict=True)
            ],
        }
        for m in range(len(objects))
    ]
    if worse is None:
        return timed, telling_frame([line for own in lines for line in own], video.length, weight)
    return timed, telling_frame(lines[worse], video.length, weight, better=lines[1 - worse])


def _summary(num_objects: int, sides: Sides, scores: Sequence[TrackScores], place: int) -> str:
    video = sides.videos[place]
    parts = []
    for key, unseen in (("ap", [False] * len(scores)), ("hota", _unseen(scores, place))):
        texts = [cell.text for cell in _by_itself(sides, key, place, unseen)]
        if sides.is_pair:
            moved, first, second = texts
            texts = [f"{first} in A, {second} in B" + ("" if any(unseen) else f" ({moved})")]
        parts.append(f"{title_of(key)} {texts[0]}")
    size = f"{video.length} frames of {video.width}x{video.height}"
    return ", ".join([*parts, size, count(num_objects, "object")])


def _worse_side(sides: Sides, place: int) -> int | None:
    """The side of a pair with the lower AP in a video; None without one."""
    moved = _moved_ap(sides)[place] if sides.is_pair else 0.0
    return None if np.isnan(moved) or not moved else int(moved < 0)


def telling_frame(
    lines: Sequence[ObjectTimeline],
    length: int,
    weight: int = 1,
    better: Sequence[ObjectTimeline] = (),
) -> int:
    """Return the frame with most faults, then most objects, then nearest the middle.

    Args:
        weight: of an identity switch among the faults.
        better: lines of another side, whose faults count against a frame.
    """
    faults_T, present_T = np.zeros(length, int), np.zeros(length, int)
    for sign, line in [*((1, line) for line in lines), *((-1, line) for line in better)]:
        own_T = line.missed_T.astype(int) + line.wrong_class_T + weight * line.switched_T
        faults_T += sign * own_T
        present_T += line.present_T
    return max(range(length), key=lambda t: (faults_T[t], present_T[t], -abs(t - length // 2)))


def timeline(letter: str, line: ObjectTimeline, unmatched: str = "") -> dict[str, Any]:
    """Return the paths of an object's timeline for one side, in SVG, and its sentence.

    Paths are bars as high as the IoU: `found`, `wrong_class` (found as another category) and `near`
    (missed, the highest IoU with any track). `missed` has bars of full height, `switches` frames.

    Args:
        unmatched: words for an object that no track finds over the whole video.
    """
    return {
        "letter": letter,
        "found": _bars(line.iou_T, line.found_T & ~line.wrong_class_T),
        "wrong_class": _bars(line.iou_T, line.found_T & line.wrong_class_T),
        "near": _bars(line.iou_T, line.missed_T),
        "missed": _bars(np.ones(len(line.iou_T)), line.missed_T),
        "switches": np.flatnonzero(line.switched_T).tolist(),
        "text": _sentence(line) + (f"; over the video {unmatched}" if unmatched else ""),
    }


def _bars(height_T: np.ndarray, shown_T: np.ndarray) -> str:
    """Return a closed path of bars on the lower edge; neighboring frames join."""
    parts = []
    for t in np.flatnonzero(shown_T).tolist():
        top = f"{HEIGHT * (1 - height_T[t]):.3g}"
        joined = t > 0 and shown_T[t - 1]
        parts.append(f"V{top}h1" if joined else f"M{t} {HEIGHT}V{top}h1")
        if t + 1 == len(shown_T) or not shown_T[t + 1]:
            parts.append(f"V{HEIGHT}z")
    return "".join(parts)


def _sentence(line: ObjectTimeline) -> str:
    num_there, num_found = int(line.present_T.sum()), int(line.found_T.sum())
    parts = [f"found in {num_found} of {num_there} frames"]
    if num_found:
        parts.append(f"mean IoU {line.iou_T[line.found_T].mean():.2f}")
    if line.wrong_class_T.any():
        parts.append(f"wrong class in {int(line.wrong_class_T.sum())}")
    if line.switched_T.any():
        frames = ", ".join(map(str, np.flatnonzero(line.switched_T).tolist()[:4]))
        more = ", ..." if line.switched_T.sum() > 4 else ""
        parts.append(f"identity switch at {frames}{more}")
    return "; ".join(parts)
