"""The verdict of a report: its title, and where, on which videos and at what speed AP is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.measures.comparison import Comparison
from vis_bench.measures.registry import MEASURES
from vis_bench.metrics.scores import Difference, with_holm
from vis_bench.metrics.tracking.score_threshold import caveat
from vis_bench.record.schema import Record, RegionFields
from vis_bench.show.compare import finding_text
from vis_bench.show.report.measurements import outcomes
from vis_bench.show.report.scores import TrackScores
from vis_bench.show.report.sides import Sides
from vis_bench.table.number_format import points, range_text

_SHOWN = 3
# Less than this prints as zero.
_LEAST = 0.0005


@dataclass(frozen=True)
class Line:
    """One line of the verdict: a title, a text, and names of videos with their ids behind it."""

    title: str
    text: str
    videos: Sequence[tuple[str, int]] = ()


def title_of(sides: Sides, names: Sequence[str]) -> str:
    """Return the finding: AP with its interval, or the difference of two."""
    if sides.compared is not None:
        return finding_text(sides.compared.overall["ap"], names)
    score = sides.samples[0].overall["ap"]
    ends = range_text(*(score.interval or (None, None)))
    return f"{names[0]}: AP {points(score.value)}" + (f" (95 %: {ends})" if ends else "")


def verdict(sides: Sides, records: Sequence[Record | None]) -> list[Line]:
    """Return the three lines below the title."""
    if sides.compared is None:
        lost, videos = _most_lost(sides.samples[0].errors.gains), _lowest(sides)
    else:
        lost, videos = _lost_beyond_noise(sides), _moved_videos(sides)
    return [Line("Where AP is lost", lost), videos, Line("Speed", speed_text(records))]


def _most_lost(gains: Mapping[str, float]) -> str:
    """The kinds of error that one side loses most to."""
    most = sorted(gains.items(), key=lambda pair: -pair[1])[:_SHOWN]
    parts = [f"{points(gain)} to {kind}" for kind, gain in most if gain > _LEAST]
    return f"{_listed(parts)}." if parts else "Nowhere."


def _lost_beyond_noise(sides: Sides) -> str:
    """The kinds of error that B loses significantly more or less to."""
    varying = {
        kind: row
        for kind, row in sides.lost.items()
        if row.p_value is not None and kind != "identity"  # its parts are there
    }
    tested = sorted(with_holm(varying).items(), key=lambda own: own[1].p_value or 0.0)
    moved = {
        kind: row
        for kind, row in tested
        if row.is_significant and abs(row.difference or 0.0) > _LEAST
    }
    return _more_and_fewer(moved) if moved else "No measurable difference in any kind of error."


def _more_and_fewer(moved: Mapping[str, Difference]) -> str:
    """Sentence on the errors that B loses more to, or fewer, and the largest one the other way."""
    change = {kind: row.difference or 0.0 for kind, row in moved.items()}
    sign, words = (1, ("more", "fewer")) if sum(change.values()) > 0 else (-1, ("fewer", "more"))
    order = sorted(change, key=lambda kind: -sign * change[kind])
    parts = [
        f"{points(abs(change[kind]))} to {kind} ({points(moved[kind].first)} in A, "
        f"{points(moved[kind].second)} in B)"
        for kind in order[:2]
        if sign * change[kind] > 0
    ]
    text = f"B loses {_listed(parts, words[0])}"
    most_against = order[-1]
    if sign * change[most_against] < 0:
        text += f"; {points(abs(change[most_against]))} {words[1]} to {most_against}"
    return f"{text}."


def _listed(parts: Sequence[str], word: str = "") -> str:
    """Join parts such as "10.2 to identity", with a word behind the first number."""
    number, rest = parts[0].split(" ", 1)
    parts = [" ".join(filter(None, (number, "points", word, rest))), *parts[1:]]
    return " and ".join(parts) if len(parts) < 3 else ", ".join(parts)


_NO_FPS = Comparison("FPS", (), change="no FPS by region", verdict="absent")
_ON_WHICH = "On which videos"
_FALLS, _RISES = ("lower", "higher", "loss"), ("higher", "lower", "gain")


def _lowest(sides: Sides) -> Line:
    videos, ap_V = sides.videos, sides.samples[0].by_video["ap"]
    order = [v for v in np.argsort(ap_V, kind="stable") if not np.isnan(ap_V[v])][:_SHOWN]
    shown = [(f"{videos[v].name} ({points(float(ap_V[v]))})", videos[v].id) for v in order]
    return Line(_ON_WHICH, "Lowest AP by itself:", shown)


def _moved_videos(sides: Sides) -> Line:
    """Number of videos that moved in the direction of AP, and those that make up half of it."""
    videos = sides.videos
    first, second = (own.overall["ap"].samples_S[0] for own in sides.samples)
    first_V, second_V = (own.by_video["ap"] for own in sides.samples)
    sign, words = (-1, _FALLS) if second < first else (1, _RISES)
    toward_V = sign * np.nan_to_num(second_V - first_V)
    order = np.argsort(-toward_V, kind="stable")
    toward = order[toward_V[order] > _LEAST].tolist()
    names = ", ".join(_outside_noise(sides))
    noise = f"Categories outside noise: {names}." if names else "No category is outside noise."
    if not toward:
        return Line(_ON_WHICH, f"The AP of no video differs. {noise}")
    total = np.cumsum(toward_V[toward])
    half = int(np.searchsorted(total, total[-1] / 2)) + 1
    against = int((toward_V < -_LEAST).sum())
    word, other, in_all = words
    text = (
        f"B is {word} on {len(toward)} of {len(videos)}, {other} on {against}. {noise} "
        f"Half of the {in_all} is on {half} of them:"
    )
    return Line(_ON_WHICH, text, [(videos[v].name, videos[v].id) for v in toward[: min(half, 5)]])


def _outside_noise(sides: Sides) -> list[str]:
    """Categories with a significant difference, the largest first."""
    moved = {
        own.title: own.moved.difference or 0.0
        for own in sides.by_category()
        if own.moved is not None and own.moved.is_significant
    }
    found = sorted(moved, key=lambda name: -abs(moved[name]))
    return [f"{name} {points(moved[name], signed=True)}" for name in found]


def speed_text(records: Sequence[Record | None]) -> str:
    """Time of a frame, of two records with their ratio where it can be compared."""
    timed = [record for record in records if record is not None and record.fps]
    if not timed:
        return "Not measured."
    if len(timed) < len(records):
        return "Measured for one of the two only."
    if len(timed) == 1:
        text = f"{_ms(timed[0]):.1f} ms a frame on {timed[0].device or 'an unknown device'}"
        return _mostly(text, _stages(timed[0]))
    return _speed_of_two(*timed)


def _speed_of_two(first: Record, second: Record) -> str:
    ends = f"{_ms(first):.1f} ms a frame in A, {_ms(second):.1f} in B"
    figures = "FPS", "FPS and memory", f"FPS ({first.timed_region})"
    found = outcomes(MEASURES["speed"], first, second)
    fps = next(c for c in [*found, _NO_FPS] if c.figure in figures)
    if fps.verdict not in ("same", "better", "worse"):
        return f"Not compared ({fps.change}): {ends}."
    if fps.verdict == "same":
        return f"The same within noise ({ends})."
    ratio = _ms(second) / _ms(first)
    factor, sign, word = (ratio, 1, "slower") if ratio > 1 else (1 / ratio, -1, "faster")
    stages_A, stages_B = _stages(first), _stages(second)
    shared = {s: sign * (stages_B[s] - stages_A[s]) for s in stages_A if s in stages_B}
    return _mostly(f"B is {factor:.1f} times {word} ({ends})", shared)


def _ms(record: Record) -> float:
    return 1000 / float(record.fps or 1)


def _mostly(text: str, stages: Mapping[str, float]) -> str:
    """The text with the stage that has most of it, if any has."""
    most = max(stages, key=lambda stage: stages[stage], default="")
    return f"{text}, most of it in {most}." if most and stages[most] > 0 else f"{text}."


def _stages(record: Record) -> Mapping[str, float]:
    region: RegionFields | None = (record.regions or {}).get(str(record.timed_region))
    return {} if region is None else region.stage_ms_per_frame or {}


def care(scores: Sequence[TrackScores], names: Sequence[str]) -> str:
    """Return how the score threshold moves HOTA, if it does; else nothing."""
    text = caveat(scores, names)
    return f'{text} Such videos are marked "no track".' if text else ""
