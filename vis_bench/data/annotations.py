"""YouTube-VIS annotations, read and checked for evaluation.

What the official evaluator (youtubevos/cocoapi) turns into a number is accepted; what makes it
stop, count wrongly or crash is refused. What it silently leaves out becomes a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vis_bench.data.annotation_files import (
    OCCLUSION,
    PARTS_KEY,
    VideoEntry,
    as_videos,
    category_names,
    check_kind,
    crowd_flag,
    is_of_images,
    join_short_and_long,
    read_entries,
    video_entries,
)
from vis_bench.data.doubts import MOST_TRACKS, doubts, more_than_counted
from vis_bench.data.official import check_max_tracks, recognize
from vis_bench.data.video import Video, video_without_frames
from vis_bench.digests import PinnedFile
from vis_bench.errors import InputError
from vis_bench.files import integer_of, read_json, shown, value_of
from vis_bench.masks.polygons import check_polygons, from_polygons
from vis_bench.masks.rle import RLE, check_rle, check_run_lengths, from_run_lengths
from vis_bench.masks.tubes import MaskTubes, SparseTube, measure_tubes, without_absent

# OVIS's labels of a frame, and how the official evaluator (qjy981010/cocoapi, `OVISeval`) counts
# them (Qi et al., Occluded Video Instance Segmentation, arXiv 2102.01558).
NOT_HIDDEN, PARTLY_HIDDEN, MOSTLY_HIDDEN = "no_occlusion", "slight_occlusion", "severe_occlusion"
LABEL_SCORES: Mapping[str, float] = {NOT_HIDDEN: 0.0, PARTLY_HIDDEN: 0.25, MOSTLY_HIDDEN: 0.75}

# Keys of a video with a mask or null per frame, and with category ids (the latter as in TAO).
IGNORE_REGIONS, VOID_PIXELS = "ignore_regions", "void_pixels"
ABSENT, NOT_EXHAUSTIVE = "neg_category_ids", "not_exhaustive_category_ids"


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of a video. `average_area` is the mean of the file's `areas` that are not 0, or,
    without them, of the masks' pixels.

    `occlusion_score`: how hidden it is, 0 to 0.75; None where the file does not label it.
    """

    id: int
    video_id: int
    category_id: int
    is_crowd: bool
    average_area: float
    occlusion_score: float | None = None


@dataclass(frozen=True)
class Exclusions:
    """Pixels and categories of one video that tracks are not judged by; see `metrics.exclusions`.

    Attributes:
        regions: one tube, of regions to ignore, which belong to every category (MOTS).
        void: one tube, of pixels that belong to nobody (DAVIS, YouTube-VOS).
        absent: the categories that were verified to be absent; None where all others were (TAO).
        not_exhaustive: the categories of which some objects may not be annotated (TAO).
    """

    regions: MaskTubes
    void: MaskTubes
    absent: frozenset[int] | None
    not_exhaustive: frozenset[int]

    @classmethod
    def of(cls, entry: Mapping[str, Any], video: Video, where: str) -> Exclusions | None:
        """Check what a video's entry excludes; None if that is nothing."""
        regions, void = (_excluded_masks(entry.get(key), key, video, where) for key in PIXEL_KEYS)
        absent, not_exhaustive = (_ids(entry.get(key), key, where) for key in CATEGORY_KEYS)
        if absent is None and not not_exhaustive and not (regions.masks_P or void.masks_P):
            return None
        return cls(regions, void, absent, not_exhaustive or frozenset())


PIXEL_KEYS, CATEGORY_KEYS = (IGNORE_REGIONS, VOID_PIXELS), (ABSENT, NOT_EXHAUSTIVE)


@dataclass(frozen=True)
class GroundTruth:
    """The annotations that predictions are compared with.

    `videos` and `categories` (id to name) are sorted by id; `category_order` holds the ids of the
    categories in file order. `objects` are in file order and `tubes` are their masks. `warnings`
    are sentences about content that evaluation leaves out. `parts` are the ids of the videos of
    each part, by name, where AP is the mean over parts (see `read_short_and_long`). `partitions`:
    the `partition` of each category that has one, as in LV-VIS. `of_images`:
    the videos are single images, a frame each, of annotations in COCO's form. `exclusions`: by
    video id, of videos that have any. Frames of `videos` are gray. `max_tracks`: the best tracks of
    a category and video that AP counts; `known_as`: the data set whose categories these are.
    """

    name: str
    videos: Sequence[Video]
    categories: Mapping[int, str]
    category_order: Sequence[int]
    objects: Sequence[AnnotatedObject]
    tubes: MaskTubes
    warnings: Sequence[str]
    parts: Mapping[str, frozenset[int]]
    of_images: bool = False
    partitions: Mapping[int, Any] = field(default_factory=dict)
    exclusions: Mapping[int, Exclusions] = field(default_factory=dict)
    max_tracks: int = MOST_TRACKS
    known_as: str | None = None

    @classmethod
    def without_objects(
        cls, name: str, videos: Sequence[Video], categories: Mapping[int, str]
    ) -> GroundTruth:
        """Videos without annotations; `categories` as far as their names are known."""
        tubes = measure_tubes([], lambda n, t: name)
        return cls(name, videos, categories, list(categories), [], tubes, [], {})

    @classmethod
    def of(cls, content: Any, name: str = "the annotations") -> GroundTruth:
        """Check the content of an annotations file; `name` is its name in messages.

        Raises:
            InputError: naming the file and, where they are known, the annotation, the video and
                the frame (counted from 0) of the first thing that is wrong.
        """
        content = as_videos(content)
        check_kind(content, name)
        videos = {key: _video(entry) for key, entry in video_entries(content, name).items()}
        categories = category_names(content, name)
        entries, warnings = _listed(content, name, videos, categories)
        unit = "image" if is_of_images(content) else "video"
        places = [f"{name}, annotation {e['id']} ({unit} {e['video_id']})" for e in entries]
        sequences = [
            _masks(entry, videos[entry["video_id"]], place)
            for entry, place in zip(entries, places, strict=True)
        ]
        tubes = measure_tubes(sequences, lambda n, t: f"{places[n]}, frame {t}: the mask")
        averages = tubes.average_areas_N().tolist()
        objects = [_object(*row) for row in zip(entries, places, averages, strict=True)]
        exclusions = {
            entry["id"]: found
            for entry in content["videos"]
            for place in [f"{name}, video {entry['id']}"]
            if (found := Exclusions.of(entry, videos[entry["id"]], place)) is not None
        }
        warnings += [*_length_warnings(entries, videos), *_occlusion_warnings(entries, objects)]
        truth = cls(
            name,
            [videos[key] for key in sorted(videos)],
            dict(sorted(categories.items())),
            list(categories),
            objects,
            tubes,
            [f"{name}: {warning}" for warning in warnings],
            _parts(content, name, videos),
            is_of_images(content),
            {e["id"]: e["partition"] for e in content["categories"] if "partition" in e},
            exclusions,
            known_as=None if is_of_images(content) else recognize(content, Path(name))[0],
        )
        return replace(truth, warnings=[*truth.warnings, *truth.doubts()])

    def of_videos(self, videos: Sequence[Video]) -> GroundTruth:
        """The annotations of some of the videos."""
        ids = {video.id for video in videos}
        rows = [row for row, annotated in enumerate(self.objects) if annotated.video_id in ids]
        return replace(
            self,
            videos=videos,
            objects=[self.objects[row] for row in rows],
            tubes=self.tubes.chosen(rows),
        )

    def counting(self, max_tracks: int | None) -> GroundTruth:
        """The same with another limit of tracks, and what is to be said about it; None for this.

        Raises:
            InputError: for another limit than the official one on a public data set.
        """
        if max_tracks in (None, self.max_tracks):
            return self
        check_max_tracks(max_tracks, self.known_as)
        old, changed = self.doubts(), replace(self, max_tracks=max_tracks)
        others = [text for text in self.warnings if text not in old]
        return replace(changed, warnings=others + changed.doubts())

    def doubts(self) -> list[str]:
        """Sentences about objects that all are crowds, have no pixel or are more than AP counts,
        and about ids in `CATEGORY_KEYS` of no listed category.
        """
        tubes = self.tubes
        pixels_N = np.bincount(tubes.tube_P, weights=tubes.areas_P, minlength=len(tubes)).tolist()
        rows = zip(self.objects, pixels_N, strict=True)
        counted = Counter((o.video_id, o.category_id) for o in self.objects if not o.is_crowd)
        unlisted = [
            (key, video)
            for video, own in self.exclusions.items()
            for key in sorted((own.absent or frozenset()) | own.not_exhaustive)
            if key not in self.categories
        ]
        sentences = [
            *doubts([(o.category_id, o.is_crowd, n > 0) for o, n in rows], self.categories),
            *more_than_counted(counted, self.categories, self.max_tracks),
            *(
                f"ids in {' and '.join(CATEGORY_KEYS)} that are of no listed category: "
                f"{len(unlisted)} (the first is {key} in video {video})"
                for key, video in unlisted[:1]
            ),
        ]
        return [f"{self.name}: {sentence}" for sentence in sentences]


def read_annotations(path: Path) -> GroundTruth:
    """Read and check an annotations file in YouTube-VIS form, or in COCO's.

    While the file is read, memory grows with its nulls, one for each frame that an object is absent
    in, since JSON is parsed as a whole; the result grows with the masks alone.
    """
    return GroundTruth.of(read_json(Path(path)), str(path))


def read_short_and_long(short: Path, long: Path) -> GroundTruth:
    """Read and check the two files of a data set; see `join_short_and_long`."""
    try:
        return GroundTruth.of(
            join_short_and_long(PinnedFile(short), PinnedFile(long)), f"{short} and {long}"
        )
    except InputError:
        for path in (short, long):  # alone, the file at fault names its own annotations
            read_annotations(path)
        raise


def read_videos(path: Path) -> dict[int, Video]:
    """The videos that a file lists, by id; annotations may be missing, as in valid.json."""
    content = as_videos(read_json(path))
    check_kind(content, str(path), needs_annotations=False)
    return {key: _video(entry) for key, entry in video_entries(content, str(path)).items()}


def occlusion_score(labels: Any, where: str) -> float | None:
    """The mean over the more hidden half of an object's labelled frames; None without a label.

    Args:
        labels: a label per frame, or None where the object is not seen; None where the object has
            none at all.
        where: what messages call the object.
    """
    if labels is None:
        return None
    if not isinstance(labels, list):
        raise InputError(
            f"{where} has occlusion {shown(labels)}; expected a list with one label or null per "
            "frame"
        )
    for frame in unknown_labels(labels):
        raise InputError(f"{where}, frame {frame} {label_problem(labels[frame])}")
    scores = sorted(LABEL_SCORES[label] for label in labels if label is not None)
    half = scores[len(scores) // 2 :]
    return sum(half) / len(half) if half else None


def unknown_labels(labels: Sequence[Any]) -> list[int]:
    """The frames whose occlusion label is neither null nor one of the three."""
    return [
        frame
        for frame, label in enumerate(labels)
        if label is not None and not (isinstance(label, str) and label in LABEL_SCORES)
    ]


def label_problem(label: Any) -> str:
    """The message about an unknown occlusion label."""
    return f"has occlusion {shown(label)}; expected one of {', '.join(LABEL_SCORES)} or null"


def compressed_mask(mask: Any, height: int, width: int, where: str) -> RLE | Any:
    """A mask of any of COCO's three forms as compressed RLE.

    Polygons and uncompressed run lengths are checked; anything else is returned as it is.
    """
    if isinstance(mask, list) and mask:
        check_polygons(mask, height, width, where)
        return from_polygons(mask, height, width)
    if isinstance(mask, dict) and isinstance(mask.get("counts"), list):
        check_run_lengths(mask, where)
        return from_run_lengths(mask["counts"], *mask["size"])
    return mask


def _video(entry: VideoEntry) -> Video:
    assert entry.size_HW is not None, "refused if malformed"
    assert entry.length is not None, "refused if malformed"
    return video_without_frames(entry.id, entry.name, *entry.size_HW, entry.length)


def _excluded_masks(masks: Any, key: str, video: Video, where: str) -> MaskTubes:
    """A tube of a mask or null per frame, at the video's size; without a mask for None."""
    if masks is not None and not (isinstance(masks, list) and len(masks) == video.length):
        raise InputError(
            f"{where} has {key} {shown(masks)}; expected a list with a mask or null for each of "
            f"its {video.length} frames"
        )

    def place(frame: int) -> str:
        return f"{where}, frame {frame}: the mask of {key}"

    codes = {
        frame: compressed_mask(mask, video.height, video.width, place(frame))
        for frame, mask in enumerate(masks or ())
        if mask not in (None, [], {})  # 0 and an empty text are no masks
    }
    for frame, mask in codes.items():
        check_rle(mask, video.height, video.width, place(frame))
    return measure_tubes([SparseTube(video.length, codes)], lambda _, frame: place(frame))


def _ids(ids: Any, key: str, where: str) -> frozenset[int] | None:
    if ids is not None and not _is_id_list(ids):
        raise InputError(f"{where} has {key} {shown(ids)}; expected a list of category ids")
    return None if ids is None else frozenset(ids)


def _parts(
    content: dict[str, Any], name: str, videos: Mapping[int, object]
) -> dict[str, frozenset[int]]:
    """The listed videos of each part; parts without any are left out."""
    info = content.get("info")
    parts = info.get(PARTS_KEY) if isinstance(info, dict) else None
    if parts is None:
        return {}
    if not isinstance(parts, dict) or not all(map(_is_id_list, parts.values())):
        raise InputError(f"{name} has parts {shown(parts)}; expected lists of video ids by name")
    listed = {part: frozenset(videos.keys() & set(ids)) for part, ids in parts.items()}
    return {part: ids for part, ids in listed.items() if ids}


def _is_id_list(value: object) -> bool:
    return isinstance(value, list) and all(type(key) is int for key in value)


def _listed(
    content: dict[str, Any],
    name: str,
    videos: Mapping[int, object],
    categories: Mapping[int, object],
) -> tuple[list[dict[str, Any]], list[str]]:
    """The annotations of listed videos and categories, and warnings about the others."""
    entries = read_entries(content, "annotations", name)
    for index, entry in enumerate(entries):
        integer_of(entry, "video_id", f"{name}, annotations[{index}]")
        integer_of(entry, "category_id", f"{name}, annotations[{index}]")
    warnings = []
    for key, known in (("video_id", videos), ("category_id", categories)):
        others = [entry for entry in entries if entry[key] not in known]
        if others:
            warnings.append(
                f"annotations left out because their {key} is not listed: {len(others)} (the "
                f"first is annotation {others[0]['id']} with {key} {others[0][key]})"
            )
    kept = [e for e in entries if e["video_id"] in videos and e["category_id"] in categories]
    return kept, warnings


def _object(entry: dict[str, Any], where: str, average: float) -> AnnotatedObject:
    """An annotation; `average` is the mean area of its masks."""
    is_crowd = crowd_flag(entry, where)
    if entry.get("areas") is not None:
        average = _average_area(entry["areas"], where)
    hidden = occlusion_score(entry.get(OCCLUSION), where)
    return AnnotatedObject(
        entry["id"], entry["video_id"], entry["category_id"], is_crowd, average, hidden
    )


def _average_area(areas: Any, where: str) -> float:
    """The mean of the areas that are neither null nor 0; 0 where there is none."""
    if not isinstance(areas, list):
        raise InputError(f"{where} has areas {shown(areas)}; expected a list of pixel counts")
    for frame, area in enumerate(areas):
        is_number = isinstance(area, float) or type(area) is int
        if area is not None and not (is_number and 0 <= area < 1 << 53):
            raise InputError(
                f"{where}, frame {frame} has area {shown(area)}; expected a number of pixels or "
                "null"
            )
    given = [float(area) for area in areas if area]
    return float(np.mean(given)) if given else 0.0


def _masks(entry: dict[str, Any], video: Video, where: str) -> Sequence[Any]:
    """The masks as compressed RLE. Those that are in this form already are not yet checked."""
    segmentations = value_of(entry, "segmentations", where)
    if not isinstance(segmentations, list):
        raise InputError(
            f"{where} has segmentations {shown(segmentations)}; expected a list with one mask "
            "or null per frame"
        )

    def compressed(frame: int, mask: Any) -> Any:
        place = f"{where}, frame {frame}: the mask"
        return compressed_mask(mask, video.height, video.width, place)

    stored = without_absent(segmentations)
    if isinstance(stored, SparseTube):
        given = zip(stored.frames, stored.masks, strict=True)
        return SparseTube(len(stored), {frame: compressed(frame, mask) for frame, mask in given})
    return [compressed(frame, mask) for frame, mask in enumerate(stored)]


def _length_warnings(entries: list[dict[str, Any]], videos: Mapping[int, Video]) -> list[str]:
    warnings = []
    for key in ("segmentations", "areas", OCCLUSION):
        given = [e for e in entries if key == "segmentations" or e.get(key)]
        others = [e for e in given if len(e[key]) != videos[e["video_id"]].length]
        if others:
            first = others[0]
            warnings.append(
                f"annotations whose {key} differ in length from their video: {len(others)} (the "
                f"first is annotation {first['id']}: {len(first[key])} of "
                f"{videos[first['video_id']].length} frames)"
            )
    return warnings


def _occlusion_warnings(
    entries: list[dict[str, Any]], objects: Sequence[AnnotatedObject]
) -> list[str]:
    """Count the objects without a label in a file that labels occlusion."""
    unlabelled = [thing for thing in objects if thing.occlusion_score is None]
    if not unlabelled or not any(OCCLUSION in entry for entry in entries):
        return []
    return [
        "annotations without an occlusion label, which count in none of the occlusion levels: "
        f"{len(unlabelled)} of {len(objects)} (the first is annotation {unlabelled[0].id})"
    ]
