"""YouTube-VIS annotations, and results files with their annotations, to and from videos."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from pycocotools import mask as coco_mask

from vis_bench.data.annotation_files import OCCLUSION, as_videos, is_of_images, video_entries
from vis_bench.data.annotations import CATEGORY_KEYS, PIXEL_KEYS, GroundTruth
from vis_bench.data.convert.labelled import (
    SCORES,
    Instance,
    LabelledVideo,
    LabelledVideos,
    Losses,
)
from vis_bench.data.results_file import results_of
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import read_json
from vis_bench.masks.rle import area, check_rle
from vis_bench.masks.tubes import MaskTubes


def read_ytvis(content: Any, name: str) -> LabelledVideos:
    """Videos of the content of an annotations file; its own areas and boxes are not kept."""
    content = as_videos(content)
    truth = GroundTruth.of(content, name)
    losses: Losses = Counter()
    labelled = sum(OCCLUSION in entry for entry in content["annotations"])
    if labelled:
        losses["occlusion labels of instances"] += labelled
    instances = defaultdict(list)
    for index, thing in enumerate(truth.objects):
        masks = _masks(truth.tubes, index)
        instances[thing.video_id].append(
            Instance(thing.id, thing.category_id, masks, thing.is_crowd)
        )
    if left_out := len(content["annotations"]) - len(truth.objects):
        losses["annotations of unlisted videos or categories"] += left_out
    return _of_truth(content, truth, instances, losses)


def read_predictions(
    entries: Any, name: str, annotations: Path, min_score: float
) -> LabelledVideos:
    """Tracks of a results file as instances, of the videos that its annotations list."""
    content = as_videos(read_json(annotations))
    truth = GroundTruth.of({**content, "annotations": []}, str(annotations))
    results = results_of(entries, name)
    instances = defaultdict(list)
    losses: Losses = Counter()
    for index, track in enumerate(results.tracks):
        if track.category_id not in truth.categories:
            losses["tracks of unlisted categories"] += 1
            continue
        if track.score < min_score:
            losses[f"tracks with a score below {min_score:g}"] += 1
            continue
        masks = _masks(results.tubes, index)
        instances[track.video_id].append(
            Instance(index + 1, track.category_id, masks, score=track.score)
        )
    unknown = sorted(instances.keys() - {video.id for video in truth.videos})
    if unknown:
        raise InputError(f"{name} predicts video {unknown[0]}, which {annotations} does not list")
    return _of_truth(content, replace(truth, exclusions={}), instances, losses)


def _of_truth(
    content: Any, truth: GroundTruth, instances: dict[int, list[Instance]], losses: Losses
) -> LabelledVideos:
    entries = video_entries(content, truth.name)
    of_images = is_of_images(content)
    keys = {
        entry["id"]: {key: entry[key] for key in CATEGORY_KEYS if entry.get(key) is not None}
        for entry in content["videos"]
    }

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
                _masks(excluded.regions, 0) if excluded else {},
                _masks(excluded.void, 0) if excluded else {},
                keys.get(video.id, {}),
            )

    return LabelledVideos(truth.name, dict(truth.categories), len(truth.videos), videos(), losses)


def _fitted(instance: Instance, video: Video, losses: Losses) -> Instance:
    """The instance without masks behind the video's end, which evaluation leaves out as well."""
    masks = {t: mask for t, mask in instance.masks.items() if t < video.length}
    if len(masks) < len(instance.masks):
        losses["masks behind the end of their video"] += len(instance.masks) - len(masks)
    for t, mask in masks.items():
        check_rle(mask, video.height, video.width, f"video {video.name}, frame {t}: the mask")
    return replace(instance, masks=masks)


def _masks(tubes: MaskTubes, index: int) -> dict[int, Any]:
    own = slice(tubes.first_N1[index], tubes.first_N1[index + 1])
    masks = zip(tubes.frame_P[own].tolist(), tubes.masks_P[own], tubes.areas_P[own], strict=True)
    return {t: mask for t, mask, pixels in masks if pixels}


def ytvis_file(source: LabelledVideos, losses: Losses) -> Iterator[bytes]:
    """An annotations file piece by piece; areas and boxes are those of the masks."""
    videos = []
    separator = b'{"annotations":['
    for video in source.videos:
        videos.append(
            {
                "id": video.id,
                "height": video.height,
                "width": video.width,
                "length": video.length,
                "file_names": list(video.file_names),
                **{
                    key: [masks.get(t) for t in range(video.length)]
                    for key, masks in zip(PIXEL_KEYS, (video.regions, video.void), strict=True)
                    if masks
                },
                **video.keys,
            }
        )
        for instance in video.instances:
            if instance.score is not None:
                losses[SCORES] += 1
            yield separator + orjson.dumps(_entry(instance, video))
            separator = b","
    categories = [{"id": key, "name": name} for key, name in source.categories.items()]
    yield separator if separator != b"," else b""
    yield b'],"videos":' + orjson.dumps(videos)
    yield b',"categories":' + orjson.dumps(categories) + b"}"


def _entry(instance: Instance, video: LabelledVideo) -> dict[str, Any]:
    masks = [instance.masks.get(t) for t in range(video.length)]
    return {
        "id": instance.id,
        "video_id": video.id,
        "category_id": instance.category_id,
        "iscrowd": int(instance.is_crowd),
        "height": video.height,
        "width": video.width,
        "length": video.length,
        "segmentations": masks,
        "areas": [area(mask) if mask else None for mask in masks],
        "bboxes": [box(mask) if mask else None for mask in masks],
    }


def box(mask: Any) -> list[float]:
    """Box of a mask: x, y, width, height in pixels."""
    return coco_mask.toBbox(mask).tolist()
