"""The rules of the official YouTube-VIS evaluator, written out one by one and slowly.

Masks are decoded to pixels character by character, and every loop is a loop. Written from the
rules (their numbers are given), not from the package's code, of which nothing is used here.
"""

import numpy as np
from pycocotools import mask as coco_mask

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0, 1, 101)
AREA_RANGES = [(0, 1e10), (0, 128**2), (128**2, 256**2), (256**2, 1e10)]
MAX_DETECTIONS = [1, 10, 100]


def text_of(numbers):
    """Characters of numbers, as many as each needs."""
    text = ""
    for number in numbers:
        more = True
        while more:
            group, number = number & 31, number >> 5
            more = number != (-1 if group & 16 else 0)
            text += chr(48 + group + 32 * more)
    return text


def compressed_text(lengths):
    pairs = enumerate(lengths)
    return text_of([length - (lengths[i - 2] if i > 2 else 0) for i, length in pairs])


def counts_of(text):
    """Run lengths of a compressed RLE, one character after the other."""
    counts, value, shift = [], 0, 0
    for character in text:
        group = ord(character) - 48
        value += (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return counts


def pixels_of_counts(counts, size):
    flat = np.concatenate([np.full(count, i % 2, bool) for i, count in enumerate(counts)])
    return flat.reshape(size[1], size[0]).T


def pixels_of(mask, video):
    """A mask as a bool array, or None where absent (rules 2 and 3)."""
    if not mask:
        return None
    if isinstance(mask, list):
        parts = [pixels_of_polygon(part, video) for part in mask]
        return np.logical_or.reduce(parts)
    counts = mask["counts"] if isinstance(mask["counts"], list) else counts_of(mask["counts"])
    return pixels_of_counts(counts, mask["size"])


def pixels_of_polygon(polygon, video):
    (rle,) = coco_mask.frPyObjects([polygon], video["height"], video["width"])
    return pixels_of_counts(counts_of(rle["counts"].decode()), rle["size"])


def space_time_iou(detection, thing):
    """Rules 6 to 9, for two lists of pixel arrays or None."""
    intersection = union = 0.0
    for a, b in zip(detection, thing):  # noqa: B905 (the longer list is cut off)
        if a is not None and b is not None:
            if a.shape == b.shape:
                intersection += int((a & b).sum())
                union += int((a | b).sum())
        elif a is not None or b is not None:
            union += int((a if a is not None else b).sum())
    return intersection / union if union > 0 else 0.0


def average_area(areas):
    """Rule 5."""
    truthy = [area for area in areas if area]
    return np.array(truthy).mean() if truthy else 0


def arrays(ground_truth, predictions):
    """Precision (T, R, K, A, M), recall (T, K, A, M) and scores (T, R, K, A, M)."""
    video_ids = sorted({video["id"] for video in ground_truth["videos"]})
    category_ids = sorted({category["id"] for category in ground_truth["categories"]})
    videos = {video["id"]: video for video in ground_truth["videos"]}
    things = [prepared_thing(a, videos) for a in ground_truth["annotations"]]
    detections = [prepared_detection(p, n + 1, videos) for n, p in enumerate(predictions)]
    shape = (len(category_ids), len(AREA_RANGES), len(MAX_DETECTIONS))
    precision, scores = (-np.ones((10, 101, *shape)) for _ in range(2))
    recall = -np.ones((10, *shape))
    for k, category_id in enumerate(category_ids):
        groups = []
        for video_id in video_ids:
            own, others = (
                [e for e in entries if e["video"] == video_id and e["category"] == category_id]
                for entries in (detections, things)
            )
            if own or others:
                groups.append((best_hundred(own), others))
        ious = [
            [[space_time_iou(d["masks"], g["masks"]) for g in gs] for d in ds] for ds, gs in groups
        ]
        for a, area_range in enumerate(AREA_RANGES):
            matched = [
                match(*group, iou, area_range) for group, iou in zip(groups, ious, strict=True)
            ]
            for m, limit in enumerate(MAX_DETECTIONS):
                cell = accumulate(matched, limit)
                if cell:
                    precision[:, :, k, a, m], recall[:, k, a, m], scores[:, :, k, a, m] = cell
    return precision, recall, scores


def prepared_thing(annotation, videos):
    video = videos[annotation["video_id"]]
    return {
        "video": annotation["video_id"],
        "category": annotation["category_id"],
        "id": annotation["id"],
        "crowd": bool(annotation["iscrowd"]),
        "area": average_area(annotation["areas"]),  # rule 4
        "masks": [pixels_of(mask, video) for mask in annotation["segmentations"]],
    }


def prepared_detection(prediction, number, videos):
    masks = [pixels_of(m, videos[prediction["video_id"]]) for m in prediction["segmentations"]]
    return {
        "video": prediction["video_id"],
        "category": prediction["category_id"],
        "id": number,
        "score": prediction["score"],
        "area": average_area([0 if mask is None else int(mask.sum()) for mask in masks]),
        "masks": masks,
    }


def best_hundred(detections):
    """Rule 10; Python's sort is stable."""
    return sorted(detections, key=lambda detection: -detection["score"])[:100]


def match(detections, things, ious, area_range):
    """Rules 9 to 13: per threshold, (score, is matched, is ignored) of each detection."""
    low, high = area_range
    ignored = [thing["crowd"] or not low <= thing["area"] <= high for thing in things]
    order = [g for g in range(len(things)) if not ignored[g]]
    order += [g for g in range(len(things)) if ignored[g]]
    rows = []
    for threshold in IOU_THRESHOLDS:
        taken = set()
        row = []
        for d, detection in enumerate(detections):
            best, chosen = min(threshold, 1 - 1e-10), None
            for g in order:
                if g in taken and not things[g]["crowd"]:
                    continue
                if chosen is not None and not ignored[chosen] and ignored[g]:
                    break
                if ious[d][g] >= best:
                    best, chosen = ious[d][g], g
            if chosen is None:
                row.append((detection["score"], False, not low <= detection["area"] <= high))
            else:
                taken.add(chosen)
                row.append((detection["score"], True, ignored[chosen]))
        rows.append(row)
    return rows, ignored.count(False)


def accumulate(matched, limit):
    """Rules 14 to 16: precision, recall and scores of one cell, or None without ground truth."""
    total = sum(count for _, count in matched)
    if not total:
        return None
    precision, scores = np.zeros((10, 101)), np.zeros((10, 101))
    recall = np.zeros(10)
    for t in range(10):
        detections = [entry for rows, _ in matched for entry in rows[t][:limit]]
        detections.sort(key=lambda entry: -entry[0])
        points, hits, misses = [], 0, 0
        for score, is_matched, is_ignored in detections:
            hits += is_matched and not is_ignored
            misses += not is_matched and not is_ignored
            points.append((hits / total, hits / (misses + hits + np.spacing(1)), score))
        recall[t] = points[-1][0] if points else 0
        for r, wanted in enumerate(RECALL_THRESHOLDS):
            reached = [i for i, point in enumerate(points) if point[0] >= wanted]
            if reached:
                precision[t, r] = max(point[1] for point in points[reached[0] :])
                scores[t, r] = points[reached[0]][2]
    return precision, recall, scores


def mean(values):
    counted = values[values > -1]
    return np.mean(counted) if counted.size else -1.0


def summary(precision, recall):
    """Rule 17."""
    return {
        "ap": mean(precision[..., 0, 2]),
        "ap50": mean(precision[0, ..., 0, 2]),
        "ap75": mean(precision[5, ..., 0, 2]),
        "ap_s": mean(precision[..., 1, 2]),
        "ap_m": mean(precision[..., 2, 2]),
        "ap_l": mean(precision[..., 3, 2]),
        "ar1": mean(recall[..., 0, 0]),
        "ar10": mean(recall[..., 0, 1]),
        "ar100": mean(recall[..., 0, 2]),
        "ar_s": mean(recall[..., 1, 2]),
        "ar_m": mean(recall[..., 2, 2]),
        "ar_l": mean(recall[..., 3, 2]),
    }
