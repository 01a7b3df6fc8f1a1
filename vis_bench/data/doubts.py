"""Sentences about annotations that every evaluator takes, and that few people mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

Row = tuple[int, bool, bool]  # of an object: its category, whether it is a crowd, and has pixels


def doubts(rows: Iterable[Row], names: Mapping[int, str]) -> list[str]:
    """Sentences about objects that are all crowds, and about those without a pixel.

    Args:
        rows: an entry per object.
        names: of the categories.
    """
    total: Counter[int] = Counter()
    crowds: Counter[int] = Counter()
    empty: Counter[int] = Counter()
    for category, is_crowd, has_pixels in rows:
        total[category] += 1
        crowds[category] += is_crowd
        empty[category] += not has_pixels
    sentences = []
    only_crowds = {key: n for key, n in crowds.items() if n == total[key]}
    if only_crowds and len(only_crowds) == len(total):
        sentences.append(
            f"all {total.total()} objects are crowds (iscrowd), so that AP and HOTA have none to "
            "find; CVAT, datumaro and supervision write iscrowd 1 for masks that are no polygon"
        )
    elif only_crowds:
        sentences.append(
            "categories whose objects are all crowds (iscrowd), so that AP has none to find: "
            f"{len(only_crowds)} of {len(total)} ({_by_name(only_crowds, names)})"
        )
    if empty.total():
        whole = {key: n for key, n in empty.items() if n == total[key]}
        sentences.append(
            f"objects without a pixel in any frame, which can only be missed: {empty.total()} of "
            f"{total.total()}"
            + (f", among them all of {_by_name(whole, names)}" if whole else "")
            + "; outlines are in pixels, not in 0 to 1, and count inside of their frame"
        )
    return sentences


def _by_name(counts: Mapping[int, int], names: Mapping[int, str]) -> str:
    some = ", ".join(f"{names.get(key, key)}: {n}" for key, n in list(counts.items())[:3])
    return some + ", .." * (len(counts) > 3)
