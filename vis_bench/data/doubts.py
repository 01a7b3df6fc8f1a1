"""Sentences about annotations that every evaluator takes, and that few people mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from vis_bench.arguments import MAX_TRACKS

# Of an object: its category, whether it is a crowd, and has pixels.
ObjectFacts = tuple[int, bool, bool]
# Best tracks of a category in a video or image that AP counts (COCOeval, YTVISeval).
MOST_TRACKS = MAX_TRACKS.low
_RECALLS = [n / 100 for n in range(101)]  # at which AP is read


def doubts(rows: Iterable[ObjectFacts], names: Mapping[int, str]) -> list[str]:
    """Sentences about objects that are all crowds, and about those without a pixel.

    Args:
        rows: an entry per object.
        names: of the categories.
    """
    rows = list(rows)
    total = Counter(category for category, _, _ in rows)
    crowds = Counter(category for category, is_crowd, _ in rows if is_crowd)
    empty = Counter(category for category, _, has_pixels in rows if not has_pixels)
    only_crowds, all_empty = (
        {key: n for key, n in counts.items() if n == total[key]} for counts in (crowds, empty)
    )
    sentences = []
    if only_crowds and len(only_crowds) == len(total):
        each = (
            f"all {len(rows)} objects are crowds" if len(rows) > 1 else "the only object is a crowd"
        )
        sentences.append(
            f"{each} (iscrowd): AP ignores them, HOTA counts them; "
            "CVAT, datumaro and supervision write iscrowd 1 for masks that are not polygons"
        )
    elif only_crowds:
        sentences.append(
            "categories whose objects are all crowds (iscrowd), so that AP has none to find: "
            f"{len(only_crowds)} of {len(total)} ({_by_name(only_crowds, names)})"
        )
    if empty:
        whole = f", among them all of {_by_name(all_empty, names)}" if all_empty else ""
        sentences.append(
            "objects without a pixel in any frame, which can only be missed: "
            f"{empty.total()} of {len(rows)}{whole}; outlines are in pixels, not in 0 to 1"
        )
    return sentences


def limit_remarks(max_tracks: int | None) -> list[str]:
    """A sentence about a limit of tracks that is not the official one."""
    rule = f"where the official rule counts {MOST_TRACKS}."
    text = f"AP counts the {max_tracks} best tracks of a category and video, {rule}"
    return [] if max_tracks in (None, MOST_TRACKS) else [text]


def more_than_counted(
    objects: Counter[tuple[int, int]], names: Mapping[int, str], most: int = MOST_TRACKS
) -> list[str]:
    """A sentence about videos with more objects of a category than tracks that AP counts.

    It gives the highest AP that any tracks can have: recall, and with it the precision that AP is
    the mean of, ends where the counted tracks do.

    Args:
        objects: their number by video and category, without crowds.
        names: of the categories.
        most: tracks that AP counts.
    """
    crowded = Counter({key: n for key, n in objects.items() if n > most})
    if not crowded:
        return []
    total, counted = Counter[int](), Counter[int]()
    for (_, category), n in objects.items():
        total[category] += n
        counted[category] += min(n, most)
    highest = sum(
        sum(recall <= counted[key] / total[key] for recall in _RECALLS) / len(_RECALLS)
        for key in total
    ) / len(total)
    largest = crowded.most_common(3)
    some = ", ".join(f"id {video} ({n} of {names.get(k, k)})" for (video, k), n in largest)
    more = f" and {len(crowded) - 3} more" if len(crowded) > 3 else ""
    return [
        f"AP counts the {most} best tracks of a category in a video or image, but there are more "
        f"objects of one in {some}{more}, so AP cannot exceed {100 * highest:.1f}"
    ]


def _by_name(counts: Mapping[int, int], names: Mapping[int, str]) -> str:
    some = ", ".join(f"{names.get(key, key)}: {n}" for key, n in list(counts.items())[:3])
    return some + ", .." * (len(counts) > 3)
