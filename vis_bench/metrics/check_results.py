"""Catches what users trip over when they evaluate: results that do not belong to the annotations.

What the official evaluator would silently count as zero becomes a warning where a correct file may
contain it, and an error where no correct file does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.masks.rle import PIXEL_LIMIT
from vis_bench.metrics.exclusions import left_out_warnings
from vis_bench.text import count


def check_results(ground_truth: GroundTruth, results: Results) -> list[str]:
    """Compare results with the annotations; return warnings, one sentence each.

    Raises:
        InputError: for a video that the annotations do not list; for category ids that count from
            0 where the annotations' count from 1, or of which the annotations list none; when not
            one mask has the size of its video's ground truth.
    """
    refuse_unknown_videos(ground_truth, results)
    _refuse_other_categories(ground_truth, results)
    warnings = []
    if not ground_truth.objects:
        warnings.append(f"{ground_truth.name}: no object to find, so no number is known")
    if not results.tracks:
        warnings.append(f"{results.name}: no predictions")
    objects = {thing.video_id for thing in ground_truth.objects if not thing.is_crowd}
    unit = "image" if ground_truth.of_images else "video"
    warnings += doubts(results, ground_truth.videos, () if unit == "image" else objects, unit)
    warnings += _score_warnings(results)
    warnings += _category_warnings(ground_truth, results)
    warnings += _size_warnings(ground_truth, results)
    warnings += left_out_warnings(ground_truth, results)
    warnings += _length_warnings({v.id: v.length for v in ground_truth.videos}, results)
    return warnings


def _entry(results: Results, index: int) -> str:
    return f"entry {index} (video {results.tracks[index].video_id})"


def refuse_unknown_videos(ground_truth: GroundTruth, results: Results) -> None:
    """Raise InputError for a track of a video that the annotations do not list, or of an image."""
    if not ground_truth.of_images:
        results.refuse_images()
    listed = [video.id for video in ground_truth.videos]
    known = set(listed)
    for index, track in enumerate(results.tracks):
        if track.video_id not in known:
            ids = f"{listed[0]} to {listed[-1]}" if listed else "none"
            raise InputError(
                f"{results.name}, entry {index} has video_id {track.video_id}; expected one of "
                f"the {len(listed)} videos of {ground_truth.name} (ids {ids})"
            )


def _refuse_other_categories(ground_truth: GroundTruth, results: Results) -> None:
    known = ground_truth.categories.keys()
    used = {track.category_id for track in results.tracks}
    if not known or not used:
        return
    from_zero = 0 in used and 0 not in known and {category + 1 for category in used} <= known
    if from_zero or not used & known:
        hint = " (was the class index written, which is one less?)" if from_zero else ""
        raise InputError(
            f"{results.name} has category ids from {min(used)} to {max(used)} where those of "
            f"{ground_truth.name} run from {min(known)} to {max(known)}; expected the latter{hint}"
        )


def doubts(
    results: Results, videos: Sequence[Video], with_objects: Collection[int], unit: str = "video"
) -> list[str]:
    """Warn of videos without any prediction, and of tracks that stand again.

    Args:
        videos: of the annotations.
        with_objects: ids of those that hold an object that is no crowd.
        unit: what messages call a video.
    """
    warnings = []
    found = results.added
    if found is None:
        found = {track.video_id for track in results.tracks}
        asked = set(with_objects) if results.tracks else set()
    else:
        asked = {video.id for video in videos}
    missing = [video for video in videos if video.id in asked and video.id not in found]
    if missing:
        total = count(len(videos), unit)
        warnings.append(
            f"{results.name}: predictions in {len(found)} of {total}; without any, {len(missing)} "
            f"of {total} (the first is {missing[0].name}), whose objects count as missed"
        )
    return warnings + _repetition_warnings(results)


def _repetition_warnings(results: Results) -> list[str]:
    """Find tracks that have the video, the category and every mask of an earlier track."""
    tubes, tracks = results.tubes, results.tracks
    area_N = np.bincount(tubes.tube_P, weights=tubes.areas_P, minlength=len(tubes)).tolist()
    alike: dict[tuple[int, int, float], list[int]] = defaultdict(list)
    for index, track in enumerate(tracks):
        if area_N[index]:
            alike[track.video_id, track.category_id, area_N[index]].append(index)
    times: Counter[tuple[object, ...]] = Counter()
    repeated: list[int] = []
    for key, indices in alike.items():
        for index in indices if len(indices) > 1 else ():
            own = slice(tubes.first_N1[index], tubes.first_N1[index + 1])
            codes = [mask["counts"] for mask in tubes.masks_P[own]]
            masks = key, tubes.frame_P[own].tobytes(), "".join(codes)
            times[masks] += 1
            repeated += [index] * (times[masks] > 1)
    if not repeated:
        return []
    each = set(times.values())
    every = len(each) == 1 and sum(times.values()) == sum(map(bool, area_N))
    word = {2: "twice"}.get(number := each.pop(), f"{number} times")
    what = f"every track stands {word}" if every else "tracks that repeat another"
    return [
        f"{results.name}: {what}, mask for mask in one video and category: {len(repeated)} of "
        f"{len(tracks)} (the first is {_entry(results, min(repeated))})"
    ]


def _score_warnings(results: Results) -> list[str]:
    scores = [track.score for track in results.tracks]
    others = [index for index, score in enumerate(scores) if not 0 <= score <= 1]
    if not others:
        return []
    return [
        f"{results.name}: scores outside 0 to 1, for which score thresholds mean nothing: "
        f"{len(others)} of {len(scores)} (the first is {_entry(results, others[0])} with score "
        f"{scores[others[0]]})"
    ]


def _category_warnings(ground_truth: GroundTruth, results: Results) -> list[str]:
    others = [
        index
        for index, track in enumerate(results.tracks)
        if track.category_id not in ground_truth.categories
    ]
    if not others:
        return []
    return [
        f"{results.name}: predictions left out because their category is not in "
        f"{ground_truth.name}: {len(others)} of {len(results.tracks)} (the first is "
        f"{_entry(results, others[0])} with category_id {results.tracks[others[0]].category_id})"
    ]


def _size_warnings(ground_truth: GroundTruth, results: Results) -> list[str]:
    """Find masks of another size than their video's ground truth, which overlap nothing."""
    sizes_of = _sizes_by_video(ground_truth)
    tubes = results.tubes
    sizes_P, tube_P = tubes.sizes_P, tubes.tube_P
    own_N = np.array([sizes_of[track.video_id][0] for track in results.tracks], np.int64)
    differs_P = sizes_P != own_N[tube_P]
    for place in np.flatnonzero(differs_P).tolist():
        video = results.tracks[tube_P[place]].video_id
        differs_P[place] = int(sizes_P[place]) not in sizes_of[video]
    if not differs_P.any():
        return []
    first = int(np.argmax(differs_P))
    index = int(tube_P[first])
    size = list(divmod(int(sizes_P[first]), PIXEL_LIMIT))
    wanted = list(divmod(sizes_of[results.tracks[index].video_id][0], PIXEL_LIMIT))
    where = f"{_entry(results, index)}, frame {tubes.frame_P[first]}"
    if differs_P.all():
        raise InputError(
            f"{results.name} holds no mask of its video's size: {where} has size {size}; expected "
            f"{wanted}, the size of the original frames"
        )
    return [
        f"{results.name}: masks that overlap nothing, since they differ in size from their video's "
        f"ground truth: {int(differs_P.sum())} (the first is {where} with {size} instead of "
        f"{wanted})"
    ]


def _sizes_by_video(ground_truth: GroundTruth) -> Mapping[int, list[int]]:
    """The sizes that masks of each video's ground truth have, the video's own first."""
    sizes = {
        video.id: {video.height * PIXEL_LIMIT + video.width: None} for video in ground_truth.videos
    }
    for index, thing in enumerate(ground_truth.objects):
        for height, width in ground_truth.tubes.sizes_of(index):
            sizes[thing.video_id][height * PIXEL_LIMIT + width] = None
    return {key: list(codes) for key, codes in sizes.items()}


def _length_warnings(length_of: Mapping[int, int], results: Results) -> list[str]:
    warnings = []
    lengths = results.tubes.lengths_N.tolist()
    wanted = [length_of[track.video_id] for track in results.tracks]
    for word, others in (
        ("fewer", [i for i, length in enumerate(lengths) if length < wanted[i]]),
        ("more", [i for i, length in enumerate(lengths) if length > wanted[i]]),
    ):
        if others:
            first = others[0]
            warnings.append(
                f"{results.name}: predictions with {word} masks than their video has frames, "
                f"where frames without a counterpart are ignored: {len(others)} (the first is "
                f"{_entry(results, first)} with {lengths[first]} for {wanted[first]})"
            )
    return warnings
