"""Results files from predictions in the forms of other tools, for the videos of annotations.

Videos are matched by name, frames by name or number, categories by name or else by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import PurePath, PurePosixPath

from vis_bench.data.convert.labelled import (
    FRAME_KEYS,
    ONLY_CATEGORY,
    Labelled,
    LabelledVideo,
    LabelledVideos,
    number_of,
)
from vis_bench.data.results_file import Track
from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.tubes import SparseTube
from vis_bench.text import count

VideoPair = tuple[LabelledVideo, LabelledVideo]  # predicted, annotated
_NO_SCORE = 1.0


def predicted_tracks(
    source: LabelledVideos,
    truth: LabelledVideos,
    min_score: float,
    warn: Callable[[str], object],
) -> list[Track]:
    """The tracks of a results file, in the order of the annotated videos.

    Args:
        truth: the annotations.
        warn: called with sentences about scores and categories that the source does not have.

    Raises:
        InputError: where no video, or no frame of one, is the annotations', or masks have another
            size.
    """
    losses = source.losses
    pairs = _paired(source, [*truth.videos], truth.name)
    category_of = _categories(source, truth, any(known.instances for _, known in pairs), warn)
    tracks: list[Track] = []
    num_unscored = 0
    for (video, known), place_of in zip(pairs, _frames(source, pairs, warn), strict=True):
        losses["regions to ignore, which are no predictions"] += len(video.regions)
        for instance in video.instances:
            score = _score(instance)
            category = category_of(instance, known)
            if category is None:
                losses[f"tracks whose category {truth.name} does not have"] += 1
            elif score is not None and score < min_score:
                losses[f"tracks with a score below {min_score:g}"] += 1
            else:
                masks = {place_of[t]: m for t, m in instance.masks.items() if t in place_of}
                outside = len(instance.masks) - len(masks)
                losses[f"masks of frames that {truth.name} does not list"] += outside
                tube = SparseTube(known.length, masks)
                tracks.append(
                    Track(known.id, category, _NO_SCORE if score is None else score, tube)
                )
                num_unscored += score is None
    if num_unscored:
        warn(
            f"{source.name} has no score for {num_unscored} of {count(len(tracks), 'track')}, "
            f"which get {_NO_SCORE}; this lowers AP, which ranks tracks by score, but not HOTA"
        )
    return tracks


def _score(instance: Labelled) -> float | None:
    """The score of a prediction, or else the mean of those of its masks."""
    if instance.score is not None:
        return instance.score
    of_masks = [keys or {} for keys in instance.keys.get(FRAME_KEYS) or []]
    scores = [keys["score"] for keys in of_masks if keys.get("score") is not None]
    if not scores:
        return None
    if any(type(score) not in (int, float) for score in scores):
        raise InputError(f"track {instance.id} has scores {shown(scores)}; expected numbers")
    return sum(scores) / len(scores)


def _paired(
    source: LabelledVideos, known: Sequence[LabelledVideo], annotations: str
) -> list[VideoPair]:
    """Videos of one name, or of one last part of it where no whole name is shared."""
    predicted = [*source.videos]
    for part in (PurePosixPath, _last_part):
        times = Counter(part(video.name) for video in known)
        known_of = {part(v.name): v for v in known if times[part(v.name)] == 1}
        named = [(own, known_of.get(part(own.name))) for own in predicted]
        pairs = [(own, other) for own, other in named if other is not None]
        if pairs and len({other.id for _, other in pairs}) == len(pairs):
            break
    else:
        some = ", ".join(video.name for video in predicted[:2]) or "none"
        raise InputError(
            f"{source.name} has the videos {some}, of which {annotations} lists none by this name; "
            f"expected names such as {', '.join(video.name for video in known[:2])}"
        )
    _check_sizes(source, pairs, annotations)
    matched = {id(own) for own, _ in pairs}
    others = [own.name for own in predicted if id(own) not in matched]
    if others:
        source.losses[f"videos that {annotations} does not list ({others[0]} first)"] += len(others)
    place = {video.id: n for n, video in enumerate(known)}
    return sorted(pairs, key=lambda pair: place[pair[1].id])


def _check_sizes(source: LabelledVideos, pairs: Sequence[VideoPair], annotations: str) -> None:
    for own, other in pairs:
        if (own.height, own.width) != (other.height, other.width) and own.instances:
            raise InputError(
                f"{source.name}, video {own.name}, has masks of {own.height}x{own.width}; expected "
                f"{other.height}x{other.width}, the size in {annotations}"
            )


def _frames(
    source: LabelledVideos, pairs: Sequence[VideoPair], warn: Callable[[str], object]
) -> list[dict[int, int]]:
    """The annotated frame of each predicted one, by the first rule that fits all videos: names,
    numbers, or places, which come first where numbers count frames that are not all annotated.

    Where the first number was assumed, numbers fit if they do for all masks.
    """
    names, numbers = _by_key(pairs, attrgetter("stem")), _by_key(pairs, number_of)
    places = [{t: t for t in range(own.length)} for own, _ in pairs]
    longest = [own.length - known.length for own, known in pairs]
    rules = [(rule, all(map(_fits, rule, pairs))) for rule in (names, numbers)]
    if source.numbered and source.remarks and all(map(_holds_masks, numbers, pairs)):
        rules[1] = numbers, True
    rules.append((places, max(longest) <= 0 if source.numbered else not any(longest)))
    if source.numbered and not all(map(_is_dense, pairs)):
        rules.reverse()
    for rule, fits in rules:
        if fits:
            for sentence in source.remarks if rule is places or not source.numbered else ():
                warn(sentence)
            return rule
    own, known = next(
        pair for pair, rule in zip(pairs, numbers, strict=True) if not _fits(rule, pair)
    )
    raise InputError(
        f"{source.name}, video {own.name}, has {count(own.length, 'frame')} such as "
        f"{own.file_names[0]}; expected names or numbers of the {known.length} of the annotations, "
        f"such as {known.file_names[0]}"
    )


def _by_key(pairs: Sequence[VideoPair], key: Callable[[PurePath], object]) -> list[dict[int, int]]:
    """Frames of equal keys; none of a video whose annotated frames do not differ in theirs."""
    found = []
    for own, known in pairs:
        of_own, of_known = ([key(PurePosixPath(n)) for n in v.file_names] for v in (own, known))
        places = {name: t for t, name in enumerate(of_known)}
        if len(places) < known.length or None in places:
            places = {}
        found.append({t: places[name] for t, name in enumerate(of_own) if name in places})
    return found


def _fits(place_of: Mapping[int, int], pair: VideoPair) -> bool:
    """True where all predicted frames are annotated, or all annotated ones predicted."""
    return len(place_of) in (pair[0].length, pair[1].length)


def _holds_masks(place_of: Mapping[int, int], pair: VideoPair) -> bool:
    """True where all masks are of frames that are annotated, which count from 0 or 1."""
    own, known = pair
    starts = _is_dense(pair) and number_of(PurePosixPath(known.file_names[0])) in (0, 1)
    return starts and all(thing.masks.keys() <= place_of.keys() for thing in own.instances)


def _is_dense(pair: VideoPair) -> bool:
    """True where the annotated frames have numbers in a row."""
    first, *others = [number_of(PurePosixPath(name)) for name in pair[1].file_names] or [None]
    return first is not None and others == [*range(first + 1, first + pair[1].length)]


def _last_part(name: str) -> PurePosixPath:
    return PurePosixPath(PurePosixPath(name).name)


def _categories(
    source: LabelledVideos,
    truth: LabelledVideos,
    has_objects: bool,
    warn: Callable[[str], object],
) -> Callable[[Labelled, LabelledVideo], int | None]:
    """Give the annotations' category of an instance of a video; None where nothing tells it."""
    id_of = {name: key for key, name in truth.categories.items()}
    named = {key: id_of[name] for key, name in source.categories.items() if name in id_of}
    if named:
        return lambda instance, _: named.get(instance.category_id)
    if {*source.categories.values()} != {ONLY_CATEGORY}:
        warn(f"{source.name} has no name of a category of {truth.name}: its ids are taken")
        return lambda instance, _: (
            instance.category_id if instance.category_id in truth.categories else None
        )
    if len(truth.categories) > 1 and not has_objects:
        raise InputError(
            f"{source.name} has no categories, and {truth.name} has {len(truth.categories)} "
            "without annotations of these videos, which would tell whose object k is; expected "
            "meta.json beside the masks, or annotations"
        )
    if len(truth.categories) > 1:
        warn(
            f"{source.name} has no categories: object k of a video gets that of the video's k-th "
            f"annotation in {truth.name}, which is right if these prompted the objects"
        )
    return lambda instance, known: _of_place(instance.place, known, [*truth.categories])


def _of_place(place: int | None, known: LabelledVideo, categories: Sequence[int]) -> int | None:
    """The only category of all videos or of a video, or that of its k-th object."""
    own = [thing.category_id for thing in known.instances]
    for only in (categories, own):
        if len(set(only)) == 1:
            return only[0]
    return own[place - 1] if place is not None and place <= len(own) else None
