"""Small evaluation problems of every kind, for hypothesis: files' contents, and tubes of masks."""

import numpy as np
from hypothesis import strategies as st

import eval_reference
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.masks.rle import encode_masks

# Small frames whose objects still reach all area ranges, since areas come from the file.
AREAS = st.sampled_from([None, 0, 7, 128**2, 128**2 + 1, 20000.5, 256**2, 256**2 + 1])
LENGTHS = st.integers(1, 3)
SCORES = st.sampled_from([0.1, 0.25, 0.5, 0.5, 0.75, 0.9, 1, 0])


@st.composite
def compressed(draw, height, width):
    """A rectangle, so that overlaps, nestings and equal masks are likely; sometimes empty."""
    top, bottom = sorted(draw(st.tuples(*[st.integers(0, height)] * 2)))
    left, right = sorted(draw(st.tuples(*[st.integers(0, width)] * 2)))
    mask = np.zeros((1, height, width), bool)
    mask[0, top:bottom, left:right] = True
    return encode_masks(mask)[0]


@st.composite
def detection_masks(draw, video, followed):
    """One mask per frame, often those followed; the list may be too short or too long."""
    size, turned = (video["height"], video["width"]), (video["width"], video["height"])
    masks = []
    for frame in range(draw(st.integers(video["length"] - 1, video["length"] + 1))):
        kind = draw(st.sampled_from(["followed"] * 6 + ["other"] * 2 + ["turned", "absent"]))
        mask = followed[frame] if frame < len(followed) else None
        if kind == "followed" and isinstance(mask, dict) and isinstance(mask["counts"], str):
            masks.append(mask)
        elif kind == "absent":
            masks.append(draw(st.sampled_from([None, [], {}])))
        else:
            masks.append(draw(compressed(*(turned if kind == "turned" else size))))
    return masks


@st.composite
def annotated_mask(draw, video):
    mask = draw(compressed(video["height"], video["width"]))
    form = draw(st.sampled_from(["compressed"] * 5 + ["counts", "polygon", "absent"]))
    if form == "counts":
        return {"size": mask["size"], "counts": eval_reference.counts_of(mask["counts"])}
    if form == "polygon":
        numbers = st.lists(st.floats(-1, 9).map(lambda x: round(x, 1)), min_size=6, max_size=8)
        polygon = numbers.filter(lambda polygon: len(polygon) % 2 == 0)
        return draw(st.lists(polygon, min_size=1, max_size=2))
    return None if form == "absent" else mask


@st.composite
def annotation(draw, key, video, category_id, earlier):
    masks = [draw(annotated_mask(video)) for _ in range(video["length"])]
    if earlier and draw(st.booleans()):
        masks = draw(st.sampled_from(earlier))["segmentations"]
    return {
        "id": key,
        "video_id": video["id"],
        "category_id": category_id,
        "iscrowd": draw(st.sampled_from([0, 0, 0, 1])),
        "areas": draw(st.lists(AREAS, max_size=3)),
        "segmentations": masks[: draw(st.integers(video["length"] - 1, video["length"]))],
    }


@st.composite
def problems(draw):
    ids = draw(st.permutations([1, 2, 30]))[: draw(st.integers(1, 2))]
    videos = [
        {"id": key, "height": draw(st.integers(2, 5)), "width": 6, "length": draw(LENGTHS)}
        for key in ids
    ]
    category_ids = draw(st.permutations([1, 4]))[: draw(st.integers(1, 2))]
    annotations, predictions = [], []
    for video in videos:
        objects = []
        for _ in range(draw(st.integers(0, 4))):
            category_id = draw(st.sampled_from(category_ids))
            key = 90 - len(annotations) - len(objects)
            objects.append(draw(annotation(key, video, category_id, objects)))
        annotations += objects
        for _ in range(draw(st.integers(0, 5))):
            others = [{"category_id": key, "segmentations": []} for key in (*category_ids, 99)]
            thing = draw(st.sampled_from(objects * 3 + others))
            predictions.append(
                {
                    "video_id": video["id"],
                    "category_id": thing["category_id"],
                    "score": draw(SCORES),
                    "segmentations": draw(detection_masks(video, thing["segmentations"])),
                }
            )
    categories = [{"id": key, "name": f"kind {key}"} for key in category_ids]
    content = {"videos": videos, "categories": categories, "annotations": annotations}
    return content, draw(st.permutations(predictions))


def parsed(annotations, predictions):
    return GroundTruth.of(annotations), Results.of([Track(**entry) for entry in predictions])


@st.composite
def tubes_of_any_sizes(draw):
    """Tubes whose masks have one of two sizes, are empty or absent; up to 4 frames."""
    mask = st.sampled_from([(4, 6), (4, 6), (4, 6), (6, 4)]).flatmap(lambda size: compressed(*size))
    return draw(st.lists(st.lists(mask | st.none(), max_size=4), min_size=1, max_size=3))
