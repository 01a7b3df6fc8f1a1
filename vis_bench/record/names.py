"""Names of measured cells, caveats of their records, and eligibility for rankings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple, Protocol

from vis_bench.checkouts import DIRTY_ENDING
from vis_bench.data.doubts import MOST_TRACKS
from vis_bench.errors import InputError
from vis_bench.record.fields import Role, fields_with
from vis_bench.record.schema import IdentityFields, Record
from vis_bench.text import count
from vis_bench.yaml_text import read_yaml

DIRTY = "uncommitted changes"
RECONSTRUCTION = "reconstruction"
OTHER_CODE = "other code"
COST_MARKS = (RECONSTRUCTION, OTHER_CODE)

# Options that choose one of a method's published sizes.
_SIZES = ("backbone", "variant")
_COMPILED: Mapping[str, str] = {"default": "compiled", "cuda_graphs": "CUDA graphs"}
# Options that only say where something lies, of records before `place_options`.
_EARLIER_PLACES = ("project_path", "python")
_OF_VIDEOS = fields_with(Record, Role.DATA)
_CODE = {"git_commit", "vis_bench_version"}
# A file name has at most 255 bytes; endings and temporary names need the rest.
_STEM_BYTES = 180


class Clipped(Protocol):
    """Clips; a record and a config's cell have them."""

    @property
    def clip_length(self) -> int | str | None: ...
    @property
    def clip_stride(self) -> int | None: ...


def arithmetic_words(record: Record) -> list[str]:
    """Differences from uncompiled float32 without TF32, in words.

    Records without `compile` were not compiled.
    """
    precision, mode = record.precision, record.compile
    words = [] if precision in (None, "float32") else [str(precision)]
    words += ["TF32"] if record.tf32 else []
    words += [] if mode in (None, "none") else [_COMPILED.get(str(mode), str(mode))]
    return words


def arithmetic_name(record: Record) -> str:
    """The number format and other differences from the default: `float32, TF32`."""
    is_float32 = record.precision in (None, "float32")
    return ", ".join([*(["float32"] if is_float32 else []), *arithmetic_words(record)])


def clip_name(cell: Clipped) -> str:
    """Clip length and stride: `T=5 S=3`, `T=whole`; empty for results without clips."""
    if cell.clip_length is None:
        return ""
    stride = _stride(cell)
    return f"T={cell.clip_length}" + ("" if stride is None else f" S={stride}")


def clip_order(cell: Clipped) -> tuple[bool, int, int]:
    """Sort key: short clips first, whole videos last."""
    length = cell.clip_length
    return length == "whole", length if isinstance(length, int) else 0, cell.clip_stride or 0


def identifying_options(cell: IdentityFields) -> dict[str, Any]:
    """The options without those that only say where something lies."""
    places = _EARLIER_PLACES if cell.place_options is None else cell.place_options
    return {key: value for key, value in cell.options.items() if key not in places}


def named_options(cell: IdentityFields) -> dict[str, Any]:
    """The identifying options without the backbone, which has its own column, and its variant."""
    shown = {key: value for key, value in identifying_options(cell).items() if key != "backbone"}
    if "variant" in shown and shown["variant"] == cell.backbone:
        del shown["variant"]
    return shown


def file_stem(record: Record) -> str:
    """The record's file name without ending: the settings, then the config's checksum.

    Absent settings are left out: results of other code have no clips and no resolution.
    """
    parts = [
        record.method,
        record.backbone,
        record.dataset,
        record.split,
        clip_name(record).replace("=", "").replace(" ", "") or None,
        record.resolution,
    ]
    words = (_file_word(str(part)) for part in parts if part is not None)
    subject = "_".join(word for word in words if word)
    short = subject.encode()[:_STEM_BYTES].decode(errors="ignore")
    return f"{short}_{_file_word(record.config_sha256[:10])}".lstrip("_")


def unmarked_names(records: Sequence[Record]) -> list[str]:
    """Row labels as papers write them: the method, the options in which it differs from other rows,
    note and arithmetic: `IFC, no communication`.
    """
    return list(map(name_with_options, records, _differing_options(records)))


def name_with_options(record: Record, options: Iterable[tuple[str, Any]]) -> str:
    """The config's label, or else the method as papers write it, with these options, the note and
    the arithmetic.
    """
    words = [
        _label(record) or method_title(record.method),
        *(option_words(key, value) for key, value in options),
    ]
    return ", ".join(words) + noted(record) + "".join(f", {x}" for x in arithmetic_words(record))


def marks_text(record: Record, wanted: Collection[str] | None = None) -> str:
    """The record's caveats, or those of them that are wanted, in brackets; empty without any."""
    marks = [mark for mark in _marks(record) if wanted is None or mark in wanted]
    return f" ({', '.join(marks)})" if marks else ""


def method_title(method: str) -> str:
    """The method's name as papers write it."""
    return _titles()["methods"].get(method, method)


def backbone_title(backbone: str | None) -> str:
    """The backbone's name as papers write it; a dash where it is unknown, empty where none is."""
    return "-" if backbone is None else _titles()["backbones"].get(backbone, backbone)


def option_words(key: str, value: Any) -> str:
    """An option, or the label of the training, in words: `no communication`.

    One that holds others by name is those others: `{max_num_objects: 5}` is `5 objects at most`.
    """
    if key == "training":
        training, comma, seed = str(value).partition(", seed ")
        return _titles()["training"].get(training, training) + comma + seed
    if isinstance(value, Mapping) and value:
        return ", ".join(option_words(inner, value[inner]) for inner in sorted(value))
    words = _titles()["options"].get(key, {})
    known = words.get(str(value).lower(), words.get("any"))
    return f"{key}={value}" if known is None else known.format(value)


@cache
def _titles() -> Mapping[str, Any]:
    return read_yaml(Path(__file__).with_name("titles.yaml"))


def with_marks(label: str, record: Record) -> str:
    """A label with the record's caveats but uncommitted changes."""
    return label + marks_text(record, [mark for mark in _marks(record) if mark != DIRTY])


def _marks(record: Record) -> list[str]:
    return [*caveats(record), *([OTHER_CODE] if record.external else [])]


def noted(record: Record) -> str:
    """The record's note and its own limit of tracks as the end of a label; empty without them."""
    limit = "" if record.max_tracks is None else f", AP of the best {record.max_tracks} tracks"
    return ("" if record.note is None else f", {record.note}") + limit


def caveats(record: Record) -> list[str]:
    """Reasons to keep a record out of a ranking; empty for a plain measurement.

    A record without a commit comes from an installed package, and counts by its version.
    """
    marks = {
        RECONSTRUCTION: record.reconstruction,
        **_of_weights_and_videos(record),
        DIRTY: bool(record.git_dirty or measured_code(record).is_dirty),
        "unknown version": not (record.git_commit or record.vis_bench_version or record.external),
    }
    return [mark for mark, applies in marks.items() if applies]


def measured_again(record: Record) -> str:
    """Measurements that are later than the record, at another commit or on another machine, in
    words: `speed at 1a2b3c4d, other device`; empty for none.
    """
    texts, code = [], _code_words(record.model_dump(include=_CODE))
    for name, made in record.measured_again.items():
        words = [name] if (at := _code_words(made)) == code else [f"{name} at {at}"]
        words += [f"other {key}" for key in made.get("machine_before") or ()]
        if words != [name]:
            texts.append(", ".join(words))
        elif made.get("git_dirty") and not record.git_dirty:
            texts.append(f"{name} with {DIRTY}")
    return "; ".join(texts)


def _code_words(made: Mapping[str, Any]) -> str:
    """The commit, shortened, or else the version, of a measurement."""
    return str(made.get("git_commit") or "")[:8] or f"version {made.get('vis_bench_version')}"


class MeasuredCode(NamedTuple):
    """Name of the code that was measured, and whether its files differed from the named commit."""

    name: str | None
    is_dirty: bool

    @property
    def label(self) -> str:
        """The name, a commit shortened, and whether files differed from it."""
        name = self.name or ""
        return (name if " " in name else name[:8]) + (" (dirty)" if self.is_dirty else "")


def measured_code(record: Record) -> MeasuredCode:
    """The code of a record's method: its commit, or else the version of its package.

    Of a plug-in or another project these are of the checkout or the package that holds it, or else
    the digest of its sources; of built-in methods this project's commit.
    """
    source = record.method_source or {}
    commit, dirty, _ = (source.get("git_commit") or "").partition(DIRTY_ENDING)
    if commit:
        return MeasuredCode(commit, bool(dirty))
    if source.get("distribution"):
        return MeasuredCode(f"{source['distribution']} {source.get('version')}", is_dirty=False)
    if sources := source.get("sha256"):
        return MeasuredCode(f"sources {sources[:8]}", is_dirty=False)
    return MeasuredCode(record.git_commit, bool(record.git_dirty))


def is_ranked(record: Record) -> bool:
    """True if a record may take a rank: published method, trained weights, known source, and all
    videos of its split, none of which the weights were trained on.
    """
    return not caveats(record)


def is_comparable(record: Record) -> bool:
    """True if published values of the same split may stand beside the record's: trained weights,
    and all videos of the split, none of which they were trained on.
    """
    return not any(_of_weights_and_videos(record).values())


def split_ablations(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Separate published methods from ablations; both in the order given.

    A record belongs to an ablation if it has a `training` label, or if its options go beyond those
    of another record of the same method and backbone that leaves them to the variant. Options
    spelled out with the variant's own values change nothing.
    """
    plain: dict[tuple[str, str | None], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record.training is None and not _changed_options(record):
            plain[record.method, record.backbone].append(record.resolved_options)
    methods, ablations = list[Record](), list[Record]()
    for record in records:
        published = plain[record.method, record.backbone]
        changed = bool(published and _changed_options(record))
        same = bool(record.resolved_options) and record.resolved_options in published
        is_ablation = record.training is not None or (changed and not same)
        (ablations if is_ablation else methods).append(record)
    return methods, ablations


def tie_break(record: Record) -> str:
    """Text that is unique to a record; the last key of every sort of records."""
    return repr(sorted(record.model_dump().items()))


def measured_videos(record: Record) -> tuple[Hashable, ...]:
    """Equal for records of the same videos: number of videos, checksum of the annotations."""
    return tuple(getattr(record, name) for name in _OF_VIDEOS)


def shared_max_tracks(records: Sequence[Record]) -> int | None:
    """The limit of tracks that records share; None for the official one.

    Raises:
        InputError: for records of several, whose AP is not compared.
    """
    limits = [record.max_tracks or MOST_TRACKS for record in records]
    if len({*limits}) > 1:
        raise InputError(
            f"the records count the {' and '.join(map(str, limits))} best tracks of a category and "
            "video; expected --max-tracks with one limit for all"
        )
    return records[0].max_tracks if records else None


def measured_at(record: Record) -> datetime:
    """Time of a measurement; the earliest of all for a record without a valid one."""
    try:
        time = datetime.fromisoformat((record.created_at or "").replace("Z", "+00:00"))
        return time.astimezone(timezone.utc) if time.tzinfo else time.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=timezone.utc)


def _differing_options(records: Sequence[Record]) -> list[list[tuple[str, Any]]]:
    """The options of each record that not all records of its method, backbone and label share."""
    options = list(map(_label_options, records))
    subjects = [(_label(record), record.method, record.backbone) for record in records]
    first: dict[Hashable, dict[str, Any]] = {}
    differing: dict[Hashable, set[str]] = defaultdict(set)
    for subject, own in zip(subjects, options, strict=True):
        one = first.setdefault(subject, own)
        differing[subject] |= {key for key in one.keys() | own if own.get(key) != one.get(key)}
    return [
        [item for item in sorted(own.items()) if item[0] in differing[subject]]
        for subject, own in zip(subjects, options, strict=True)
    ]


def _label(record: Record) -> str:
    """The label of the record's config; empty without one."""
    return str(record.config.get("label") or "")


def _label_options(record: Record) -> dict[str, Any]:
    options = named_options(record)
    places = record.options.keys() - identifying_options(record).keys()
    options |= {key: PurePath(str(record.options[key])).name for key in sorted(places)}
    return options if record.training is None else {**options, "training": record.training}


def _file_word(text: str) -> str:
    """A text as part of a file name on any system: letters, digits, `_`, `.`, `+` and `-`."""
    return re.sub(r"[^\w.+-]+", "-", text)[:60].strip(".-")


def _stride(cell: Clipped) -> int | None:
    return None if cell.clip_length == "whole" else cell.clip_stride


def _of_weights_and_videos(record: Record) -> dict[str, bool]:
    few = "" if record.num_videos is None else f" to {count(record.num_videos, 'video')}"
    return {
        "random weights": record.weights_source == "random",
        "trained on these videos": record.contaminated,
        f"limited{few}": record.limited,
    }


def _changed_options(record: Record) -> dict[str, Any]:
    options = identifying_options(record).items()
    return {key: value for key, value in options if key not in _SIZES}
