"""YouTube-VIS annotations, and results files with their annotations, to and from videos."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data.annotation_files import (
    OF_IMAGES,
    as_videos,
    category_keys,
    is_of_images,
    other_keys,
    video_entries,
)
from vis_bench.data.annotations import PIXEL_KEYS, GroundTruth
from vis_bench.data.convert.labelled import (
    NO_PIXEL,
    SCORES,
    Labelled,
    LabelledVideo,
    LabelledVideos,
    Lost,
    count_measures,
)
from vis_bench.data.results_file import results_of
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import read_json
from vis_bench.masks.rle import area, box, check_rle
from vis_bench.masks.tubes import MaskTubes

# Keys of the file, its videos and its objects that `LabelledVideos` has fields for.
LISTS = ("videos", "categories", "annotations")
EXTENT = ("height", "width", "length")
VIDEO_KEYS = ("id", *EXTENT, "file_names", *PIXEL_KEYS)
OBJECT_KEYS = (
    *("id", "video_id", "category_id", "iscrowd", *EXTENT),
    *("segmentations", "areas", "bboxes"),
)


def read_ytvis(content: Any, name: str) -> LabelledVideos:
    """Videos of the content of an annotations file; areas and boxes become those of its masks."""
    content = as_videos(content)
    losses: Lost = Counter()
    content = _without_id_0(content, losses)
    truth = GroundTruth.of(content, name)
    instances = defaultdict(list)
    entry_of = {entry["id"]: entry for entry in content["annotations"]}
    video_of = {video.id: video for video in truth.videos}
    for index, thing in enumerate(truth.objects):
        entry, masks = entry_of[thing.id], _masks(truth.tubes, index, losses)
        _count_contradictions(entry, video_of[thing.video_id], masks, losses)
        instances[thing.video_id].append(
            Labelled(
                *(thing.id, thing.category_id, masks, thing.is_crowd),
                keys=other_keys(entry, OBJECT_KEYS),
            )
        )
    if left_out := len(content["annotations"]) - len(truth.objects):
        losses["annotations of unlisted videos or categories"] += left_out
    return _of_truth(content, truth, instances, losses)


def _without_id_0(content: Any, losses: Lost) -> Any:
    """The content with an id of its own for annotation 0, which evaluation refuses."""
    entries = content.get("annotations") if isinstance(content, dict) else None
    listed = entries if isinstance(entries, list) else []
    ids: list[Any] = [entry.get("id") for entry in listed if isinstance(entry, dict)]
    if 0 not in ids or not all(type(number) is int for number in ids):
        return content
    losses["annotation ids of 0, which evaluators read as none"] += ids.count(0)
    free = max(ids) + 1
    changed = [{**e, "id": free} if e["id"] == 0 else e for e in listed]
    return {**content, "annotations": changed}


def _count_contradictions(
    entry: Mapping[str, Any], video: Video, masks: Mapping[int, Any], losses: Lost
) -> None:
    """Count what an annotation says otherwise than its video and its masks."""
    short = len(entry["segmentations"]) < video.length
    losses["annotations that end before their video, now filled with null"] += short
    extent = {"height": video.height, "width": video.width, "length": video.length}
    contradicts = any(entry.get(key) not in (None, value) for key, value in extent.items())
    losses["sizes and lengths of annotations that are not their video's"] += contradicts
    lists = [v if isinstance(v, list) else [] for v in map(entry.get, ("areas", "bboxes"))]
    for t, (measured, given_box) in enumerate(zip_longest(*lists)):
        count_measures(masks.get(t), measured, given_box, losses)


def read_predictions(
    entries: Any, name: str, annotations: Path, min_score: float
) -> LabelledVideos:
    """Tracks of a results file as instances, of the videos that its annotations list."""
    content = as_videos(read_json(annotations))
    truth = GroundTruth.of({**content, "annotations": []}, str(annotations))
    results = results_of(entries, name)
    if not truth.of_images:
        results.refuse_images()
    instances = defaultdict(list)
    losses: Lost = Counter()
    for index, track in enumerate(results.tracks):
        if track.category_id not in truth.categories:
            losses["tracks of unlisted categories"] += 1
            continue
        if track.score < min_score:
            losses[f"tracks with a score below {min_score:g}"] += 1
            continue
        masks = _masks(results.tubes, index, losses)
        instances[track.video_id].append(
            Labelled(index + 1, track.category_id, masks, score=track.score)
        )
    unknown = sorted(instances.keys() - {video.id for video in truth.videos})
    if unknown:
        raise InputError(f"{name} predicts video {unknown[0]}, which {annotations} does not list")
    return _of_truth(content, replace(truth, exclusions={}), instances, losses)


def _of_truth(
    content: Any, truth: GroundTruth, instances: dict[int, list[Labelled]], losses: Lost
) -> LabelledVideos:
    entries = video_entries(content, truth.name)
    of_images = is_of_images(content)
    listed = {entry["id"]: entry for entry in content["videos"]}

    def videos() -> Iterator[LabelledVideo]:
        for video in truth.videos:
            own = instances.pop(video.id, [])
            given = entries[video.id].file_names
            names = (
                [str(name) for name in given]
                if len(given) == video.length
                else [f"{video.name}/{t:05d}.jpg" for t in range(video.length)]
            )
            own = [_fitted(instance, video, losses) for instance in own]
            title = str(video.id) if of_images else video.name
            excluded = truth.exclusions.get(video.id)
            yield LabelledVideo(
                *(video.id, title, video.height, video.width, names, own),
                _masks(excluded.regions, 0, losses) if excluded else {},
                _masks(excluded.void, 0, losses) if excluded else {},
                other_keys(listed[video.id], VIDEO_KEYS),
            )

    return LabelledVideos(
        *(truth.name, dict(truth.categories), len(truth.videos), videos(), losses),
        other_keys(content, (*LISTS, OF_IMAGES)),
        category_keys(content),
    )


def _fitted(instance: Labelled, video: Video, losses: Lost) -> Labelled:
    """The instance without masks behind the video's end, which evaluation leaves out as well."""
    masks = {t: mask for t, mask in instance.masks.items() if t < video.length}
    if len(masks) < len(instance.masks):
        losses["masks beyond the end of their video"] += len(instance.masks) - len(masks)
    for t, mask in masks.items():
        check_rle(mask, video.height, video.width, f"video {video.name}, frame {t}: the mask")
    return replace(instance, masks=masks)


def _masks(tubes: MaskTubes, index: int, losses: Lost) -> dict[int, Any]:
    own = slice(*tubes.first_N1[index : index + 2].tolist())
    masks = zip(tubes.frame_P[own].tolist(), tubes.masks_P[own], tubes.areas_P[own], strict=True)
    found = {t: mask for t, mask, pixels in masks if pixels}
    losses[NO_PIXEL] += own.stop - own.start - len(found)
    return found


def ytvis_file(source: LabelledVideos, losses: Lost) -> Iterator[bytes]:
    """An annotations file piece by piece; areas and boxes are those of the masks."""
    videos = []
    separator = b'{"annotations":['
    for video in source.videos:
        videos.append(
            {
                **video.keys,
                "id": video.id,
                "height": video.height,
                "width": video.width,
                "length": video.length,
                "file_names": list(video.file_names),
                **masks_of_frames(video),
            }
        )
        for instance in video.instances:
            if instance.score is not None:
                losses[SCORES] += 1
            yield separator + orjson.dumps(_entry(instance, video))
            separator = b","
    yield separator if separator != b"," else b""
    lists = {"videos": videos, "categories": source.category_entries()}
    for key, value in {**lists, **source.keys}.items():
        yield (b"]," if value is videos else b",") + orjson.dumps(key) + b":" + orjson.dumps(value)
    yield b"}"


def masks_of_frames(video: LabelledVideo) -> dict[str, Any]:
    """Regions to ignore and void pixels as a video's entry holds them."""
    return {
        key: [masks.get(t) for t in range(video.length)]
        for key, masks in zip(PIXEL_KEYS, (video.regions, video.void), strict=True)
        if masks
    }


def _entry(instance: Labelled, video: LabelledVideo) -> dict[str, Any]:
    masks = [instance.masks.get(t) for t in range(video.length)]
    return {
        **instance.keys,
        "id": instance.id,
        "video_id": video.id,
        "category_id": instance.category_id,
        "iscrowd": int(instance.is_crowd),
        "height": video.height,
        "width": video.width,
        "length": video.length,
        "segmentations": masks,
        "areas": [mask and area(mask) for mask in masks],
        "bboxes": [mask and box(mask) for mask in masks],
    }
