"""Output of `eval`: official numbers, tracking metrics, and the metrics of phrases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vis_bench.data.categories import distinct_names
from vis_bench.data.doubts import limit_remarks
from vis_bench.metrics.ap import VIDEO_LENGTHS, Evaluation
from vis_bench.metrics.coco import ImageEvaluation
from vis_bench.metrics.groups import GroupMatches
from vis_bench.metrics.precision_recall import Curves
from vis_bench.metrics.scores import (
    BRIEF,
    IN_POINTS,
    Score,
    by_part,
    interval_fields,
    over_all,
)
from vis_bench.record.metrics import (
    ACCURACY_TITLES,
    ASKED_TRACKING,
    CONCEPT_TITLES,
    OBJECTS,
    TRACKING_TITLES,
    title_of,
)
from vis_bench.table import Part, as_markdown, to_notebook
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import (
    bracketed,
    interval_notes,
    number,
    points,
    points_entry,
    range_text,
)
from vis_bench.text import count

if TYPE_CHECKING:  # they import SciPy, which takes longer than evaluating a small file
    from vis_bench.metrics.concepts import ConceptEvaluation
    from vis_bench.metrics.tracking.evaluate import TrackingEvaluation

_NOT_FLAT = ("kind", "reason")  # texts about a group
_WAYS = {
    "det_averaged": "all detections",
    "class_averaged": "mean of classes",
    "class_agnostic": "without classes",
}
_HOTA = tuple(key for key in TRACKING_TITLES if key != "teta")
_TETA_TITLES = {"teta": "TETA", "loca": "LocA", "assoca": "AssocA", "clsa": "ClsA"}
_BY_RULE = ("cgf1", "cgf1_50", "cgf1_75", "il_mcc", "positive_micro_f1")
_CROWD_REMARK = (
    "Crowds punished: as SAM 3's evaluator, a track on a crowd is a false positive. Forgiven: such "
    "tracks are left out, and pairs with crowds alone."
)


class EvaluationReport:
    """AP and AR of a results file, and what else was asked for.

    Attributes:
        evaluation: everything behind it.
    """

    def __init__(self, evaluation: Evaluation | ImageEvaluation) -> None:
        self.evaluation = evaluation

    def __repr__(self) -> str:
        return f"<{self.finding()}>"

    def _repr_html_(self) -> str:
        """The finding and the main numbers, for a notebook."""
        numbers = _nulled(self.summary())
        cells = {title: points_entry(numbers[key]) for key, title in ACCURACY_TITLES.items()}
        cells["AP"] = points_entry(numbers["ap"], self.interval)
        tracked = self.tracking.headline() if self.tracking else {}
        for name, score in over_all(self.evaluation.scores, "tracking").items():
            cells[TRACKING_TITLES[name]] = points_entry(tracked.get(name), score.interval)
        table = Table.of([Column(title) for title in cells], [list(cells.values())])
        return to_notebook.write([self.finding(), *self.warnings], table)

    def finding(self) -> str:
        """AP with its interval, and HOTA where it was asked for, as a sentence."""
        videos = isinstance(self.evaluation, Evaluation)
        number = count(len(self.evaluation.videos), "video" if videos else "image")
        interval = bracketed(*(self.interval or (None, None)))
        tracked = f", HOTA {points(self.tracking.headline()['hota'])}" if self.tracking else ""
        return f"AP {_point(self.summary()['ap'])}{interval}{tracked} on {number}."

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences about probable mistakes."""
        return self.evaluation.warnings

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of AP; None without one, and of images."""
        return self.evaluation.interval

    @property
    def tracking(self) -> TrackingEvaluation | None:
        """HOTA, IDF1 and TETA; None where they were not asked for."""
        return self.evaluation.tracking

    @property
    def boundary(self) -> Evaluation | None:
        """AP and AR by masks and their boundaries; None where they were not asked for."""
        return self.evaluation.boundary

    @property
    def curves(self) -> Curves:
        """All curves by area and limit at once, which may take gigabytes."""
        return self.evaluation.curves

    def summary(self) -> dict[str, float]:
        """The official 12 numbers as fractions; -1 where there is no ground truth."""
        return self.evaluation.summary()

    def per_category(self) -> list[dict[str, int | str | float]]:
        """Per category that has an annotation or a track, in order of id: `id`, `name` and the same
        12 numbers.
        """
        return self.evaluation.per_category()

    def flat(self, prefix: str = "vis/") -> dict[str, float]:
        """Fractions by name for W&B, MLflow or TensorBoard: `vis/ap`, `vis/ap_low`, `vis/hota`...

        The names are those of a record's fields, and `vis/base/ap` and so on of groups; what the
        data set does not have is left out.
        """
        numbers: dict[str, Any] = dict(self.summary())
        if isinstance(self.evaluation, Evaluation):
            numbers = self.evaluation.record_numbers()
            for group, own in numbers.pop("groups").items():
                numbers |= {f"{group}/{k}": v for k, v in own.items() if k not in _NOT_FLAT}
        if self.boundary:
            narrow = self.boundary.summary()
            numbers |= {f"boundary_{name}": value for name, value in narrow.items()}
        return {
            f"{prefix}{name}": float(value)
            for name, value in numbers.items()
            if value is not None and value != -1
        }

    def as_json(self, *, per_category: bool = False) -> dict[str, Any]:
        """The 12 numbers as fractions, null without ground truth, and the warnings.

        Of videos also the 95 % interval of AP, and numbers by length and by level; of annotations
        in two files the 12 numbers are means, and `per_part` holds those of each; `tracking` where
        it was computed, with the intervals of `det_averaged` HOTA and IDF1 and of TETA.
        """
        evaluation = self.evaluation
        report: dict[str, Any] = {
            **_nulled(evaluation.summary()),
            "warnings": list(evaluation.warnings),
        }
        if per_category:
            rows = evaluation.per_category()
            report["per_category"] = [_nulled(row) for row in rows]
            report["categories_left_out"] = evaluation.num_categories - len(rows)
        if isinstance(evaluation, ImageEvaluation):
            return report
        whole = over_all(evaluation.scores, "overall")
        report |= {
            **evaluation.plain_numbers(),
            **interval_fields({key: whole[key] for key in ("ap", *evaluation.asked.plain)}),
            **_nulled(evaluation.level_aps()),
            "per_length": {k: _nulled(v) for k, v in evaluation.per_length().items()},
            "per_level": {k: _nulled(v) for k, v in evaluation.per_level().items()},
        }
        return {**report, **_optional_json(evaluation)}

    def as_text(self, *, per_category: bool = False) -> str:
        """The parts as Markdown."""
        return as_markdown(self.parts(per_category=per_category)).rstrip("\n")

    def parts(self, *, per_category: bool = False) -> list[Part]:
        """The finding, and tables in points; a dash without ground truth."""
        evaluation = self.evaluation
        per_category_pages = [_category_page(evaluation)] if per_category else []
        if isinstance(evaluation, ImageEvaluation):
            rows = [["all images", *_points(evaluation.summary(), ACCURACY_TITLES)]]
            return [Page("", (_accuracy_table("points (0..100)", rows),)), *per_category_pages]
        printed: list[Part] = [self.finding(), _main_page(evaluation), *_part_tables(evaluation)]
        if evaluation.per_group:
            printed.append(_groups_page(evaluation))
        printed += per_category_pages
        if self.tracking is not None:
            printed.append(_tracking_page(evaluation, self.tracking, per_category=per_category))
        return printed


def _optional_json(evaluation: Evaluation) -> dict[str, Any]:
    """The parts that exist only where they were asked for, or where the annotations allow them."""
    most = evaluation.asked.max_tracks
    report: dict[str, Any] = {"max_tracks": most} if most else {}
    scores = evaluation.scores
    if parts := evaluation.per_part():
        report["per_part"] = {
            name: {
                **_nulled(numbers),
                **interval_fields({"ap": scores["length", name, "ap"]}),
            }
            for name, numbers in parts.items()
        }
    if evaluation.per_group:
        report["groups"] = evaluation.groups_json()
    if (narrow := evaluation.boundary) is not None:
        interval = interval_fields({"ap": scores["overall", "", "boundary_ap"]})
        report["boundary"] = {**_nulled(narrow.summary()), **interval}
    if (tracking := evaluation.tracking) is not None:
        report["tracking"] = {
            "score_threshold": tracking.score_threshold,
            **interval_fields(over_all(scores, "tracking")),
            **tracking.summary(),
            "per_category": tracking.per_category(occurs=True),
        }
    return report


def _main_page(evaluation: Evaluation) -> Page:
    """All videos, those of each part, and boundaries instead of areas."""
    parts = evaluation.per_part()
    whole = f"mean of {' and '.join(parts)}" if parts else "all videos"
    lines: dict[str, Mapping[str, Any]]
    lines = {whole: {**evaluation.summary(), **evaluation.plain_numbers()}}
    lines |= {f"{name} videos": numbers for name, numbers in parts.items()}
    if evaluation.boundary:
        lines["boundaries"] = evaluation.boundary.summary()
    plain = evaluation.asked.plain
    keys, nothing = (*ACCURACY_TITLES, *plain), dict.fromkeys(plain)
    rows = [[name, *_points({**nothing, **numbers}, keys)] for name, numbers in lines.items()]
    table = _table(["points (0..100)", *map(title_of, keys)], rows)
    return Page(
        "",
        (table,),
        {},
        (*_interval_remarks(evaluation), *limit_remarks(evaluation.asked.max_tracks)),
    )


def _category_page(evaluation: Evaluation | ImageEvaluation) -> Page:
    """A row per category that occurs, and how many do not."""
    numbers = evaluation.per_category()
    names = _category_names(numbers)
    rows = [
        [name, *_points(row, ACCURACY_TITLES)] for name, row in zip(names, numbers, strict=True)
    ]
    left_out = evaluation.num_categories - len(rows)
    of_all = f"{left_out:,} of {evaluation.num_categories:,} listed categories"
    remark = f"Left out: {of_all}, which have neither an annotation nor a track."
    return Page("", (_accuracy_table("category", rows),), {}, (remark,) if left_out else ())


def _accuracy_table(title: str, rows: Sequence[Sequence[str]]) -> Table:
    return _table([title, *ACCURACY_TITLES.values()], rows)


def _tracking_page(
    evaluation: Evaluation, tracking: TrackingEvaluation, *, per_category: bool
) -> Page:
    tables = _tracking_tables(tracking, per_category=per_category)
    scores = {
        name: score.scaled(IN_POINTS.get(name, 1.0))
        for name, score in over_all(evaluation.scores, "tracking").items()
    }
    found = _intervals(scores, {name: title_of(name) for name in scores})
    return Page("", tuple(tables), {}, (f"Intervals: {found}.",) if found else ())


def _interval_remarks(evaluation: Evaluation) -> tuple[str, ...]:
    """The intervals of AP and of AP by boundaries in words; none without one."""
    shown = {s.field: s for s in evaluation.scores.values() if s.kind in ("overall", "length")}
    order = sorted(shown, key=lambda name: (name == "boundary_ap", shown[name].kind == "length"))
    titles = {name: title_of(name) for name in shown} | {"boundary_ap": "AP by boundaries"}
    found = _intervals({name: shown[name] for name in order}, titles)
    return (f"Interval: {found}.", *interval_notes([len(evaluation.videos)])) if found else ()


def _intervals(scores: Mapping[str, Score], titles: Mapping[str, str]) -> str:
    """Titles with their intervals, of those that have one."""
    ends = {titles[name]: score.interval for name, score in scores.items()}
    return ", ".join(f"{title} {range_text(*own)}" for title, own in ends.items() if own)


def _groups_page(evaluation: Evaluation) -> Page:
    """A row per group: AP, AP50, AP75 and AR100 with 95 % intervals, in points."""
    columns = [Column("group", numeric=False), Column("of", numeric=False)]
    columns += [Column(ACCURACY_TITLES[key], has_interval=True, interval_title="") for key in BRIEF]
    scores, rows = by_part(evaluation.scores, "group"), []
    for name, own in evaluation.per_group.items():
        numbers = own.numbers()
        cells = [points_entry(numbers[key], scores[name][key].interval) for key in BRIEF]
        rows.append([Entry(name), Entry(own.size), *cells])
    holding = [own["ap"].num_holding or 0 for own in scores.values() if own["ap"].interval]
    remarks = (*interval_notes(holding), *empty_remarks(evaluation.per_group))
    return Page("", (Table.of(columns, rows),), {}, remarks)


def empty_remarks(groups: Mapping[str, GroupMatches]) -> list[str]:
    """A sentence for each group without numbers."""
    return [f"Group {name}: {own.reason}." for name, own in groups.items() if own.reason]


def _part_tables(evaluation: Evaluation) -> list[Table]:
    """Tables by length of videos and by level of objects, without parts that have none."""
    short, medium, _ = (f"{longest:g}" for longest in VIDEO_LENGTHS.values())
    frames = [f"up to {short}", f"{int(short) + 1} to {medium}", f"{int(medium) + 1} and more"]
    lengths = dict(zip(VIDEO_LENGTHS, frames, strict=True))
    titles = [ACCURACY_TITLES[key] for key in BRIEF]
    tables = []
    for parts, labels, size, head in (
        (evaluation.per_length(), lengths, "num_videos", ["frames", "videos"]),
        (evaluation.per_level(), OBJECTS, "num_objects", ["level", "objects"]),
    ):
        rows = [
            [labels[name], str(numbers[size]), *_points(numbers, BRIEF)]
            for name, numbers in parts.items()
            if numbers[size]
        ]
        tables += [_table([*head, *titles], rows)] if rows or size == "num_videos" else []
    return tables


def _tracking_tables(evaluation: TrackingEvaluation, *, per_category: bool) -> list[Table]:
    summary = evaluation.summary()
    title = f"tracking, score above {evaluation.score_threshold:g}"
    hota = [[label, *_points(summary[way], _HOTA)] for way, label in _WAYS.items()]
    tables = [
        _table([title, *(TRACKING_TITLES[key] for key in _HOTA)], hota),
        _table(
            [title, *_TETA_TITLES.values()],
            [["mean of classes", *_points(summary["teta"], _TETA_TITLES)]],
        ),
    ]
    for name, (in_points, counts) in ASKED_TRACKING.items():
        if in_points.keys() <= summary["det_averaged"].keys():
            tables.append(_asked_table(f"{name} (points, counts)", in_points, counts, summary))
    if per_category:
        rows, found = [], evaluation.per_category(occurs=True)
        for name, row in zip(_category_names(found), found, strict=True):
            numbers = [ABSENT] * len(TRACKING_TITLES)
            if row["annotated"]:
                numbers = [*_points(row, _HOTA), *_points(row["teta"], ["teta"])]
            rows.append([name, *numbers])
        tables.append(_table([title, *TRACKING_TITLES.values()], rows))
    return tables


def _asked_table(
    heading: str,
    in_points: Mapping[str, str],
    counts: Mapping[str, str],
    summary: Mapping[str, Mapping[str, float | None]],
) -> Table:
    rows = []
    for way, label in _WAYS.items():
        numbers = summary[way]
        if in_points.keys() <= numbers.keys():
            whole = [number(numbers[key], 0) for key in counts]
            rows.append([label, *_points(numbers, in_points), *whole])
    return _table([heading, *in_points.values(), *counts.values()], rows)


def _category_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(distinct_names({row["id"]: str(row["name"]) for row in rows}).values())


def concepts_page(evaluation: ConceptEvaluation) -> Page:
    """The numbers in points by both rules for crowds, then phrase AP and pHOTA."""
    numbers = evaluation.numbers()
    forgiven = numbers["forgiven"]
    pairs = count(numbers["num_pairs"], "pair")
    remarks = [
        f"{pairs} of a video and a phrase, {numbers['num_positive']} with objects. {_CROWD_REMARK}"
    ]
    ends = {CONCEPT_TITLES[key]: _range(numbers, key) for key in ("cgf1", "phrase_ap", "phota")}
    ends[f"{CONCEPT_TITLES['cgf1']} (forgiven)"] = _range(forgiven, "cgf1")
    if any(ends.values()):
        intervals = ", ".join(f"{title} {text}" for title, text in ends.items() if text)
        remarks += [f"Intervals: {intervals}.", *interval_notes([evaluation.num_videos])]
    others = [key for key in CONCEPT_TITLES if key not in _BY_RULE]
    tables = (
        _concept_table(_BY_RULE, {"crowds punished": numbers, "crowds forgiven": forgiven}),
        _concept_table(others, {"all pairs": numbers}),
    )
    return Page("", tables, {}, tuple(remarks))


def _concept_table(keys: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> Table:
    lines = [[name, *(points(row[key]) for key in keys)] for name, row in rows.items()]
    return _table(["points", *(CONCEPT_TITLES[key] for key in keys)], lines)


def _range(numbers: Mapping[str, Any], key: str) -> str:
    return range_text(numbers[f"{key}_low"], numbers[f"{key}_high"])


def _point(number: float) -> str:
    return points(None if number == -1 else number)


def _points(numbers: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    return [_point(numbers[key]) for key in keys]


def _nulled(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if value == -1 else value for key, value in numbers.items()}


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    first, *others = headers
    return Table.of([Column(first, numeric=False), *map(Column, others)], rows)
