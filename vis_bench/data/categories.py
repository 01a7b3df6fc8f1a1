"""Categories and split sizes of the data sets, by the names that configs use.

YouTube-VIS: youtube-vos.org/dataset/vis (Yang et al., ICCV 2019; the 2021 version). OVIS: Qi et
al., arXiv 2102.01558; its annotation files spell `Vehical` so.
"""

from __future__ import annotations

from collections.abc import Mapping

from vis_bench.data.synthetic.classes import CLASSES

YTVIS_2019 = (
    "person giant_panda lizard parrot skateboard sedan ape dog snake monkey hand rabbit duck cat "
    "cow fish train horse turtle bear motorbike giraffe leopard fox deer owl surfboard airplane "
    "truck zebra tiger elephant snowboard boat shark mouse frog eagle earless_seal tennis_racket"
)
YTVIS_2021 = (
    "airplane bear bird boat car cat cow deer dog duck earless_seal elephant fish flying_disc fox "
    "frog giant_panda giraffe horse leopard lizard monkey motorbike mouse parrot person rabbit "
    "shark skateboard snake snowboard squirrel surfboard tennis_racket tiger train truck turtle "
    "whale zebra"
)
OVIS = (
    "Person Bird Cat Dog Horse Sheep Cow Elephant Bear Zebra Giraffe Poultry Giant_panda Lizard "
    "Parrot Monkey Rabbit Tiger Fish Turtle Bicycle Motorcycle Airplane Boat Vehical"
)


def _numbered(names: str) -> dict[int, str]:
    return dict(enumerate(names.split(), start=1))


CATEGORIES: Mapping[str, Mapping[int, str]] = {
    "ytvis2019": _numbered(YTVIS_2019),
    "ytvis2021": _numbered(YTVIS_2021),
    "ovis": _numbered(OVIS),
    "synthetic": {number: look.name for number, look in CLASSES.items()},
}

# Videos per split. The 2019 and 2021 versions of YouTube-VIS share most of their videos.
SPLIT_SIZES: Mapping[str, Mapping[str, int]] = {
    "ytvis2019": {"train": 2238, "val": 302, "test": 343},
    "ytvis2021": {"train": 2985, "val": 421, "test": 453},
    "ovis": {"train": 607, "val": 140, "test": 154},
}

TITLES: Mapping[str, str] = {
    "ytvis2019": "YouTube-VIS 2019",
    "ytvis2021": "YouTube-VIS 2021",
    "ovis": "OVIS",
    "synthetic": "the synthetic videos",
}


def contradiction(name: str, categories: Mapping[int, str]) -> str | None:
    """Says in words how a file's categories contradict those of a data set, or None.

    A file may lack categories. Spelling counts up to case, spaces and underscores.

    Args:
        name: a key of `CATEGORIES`.
        categories: id -> name, from the file.
    """
    expected = CATEGORIES[name]
    wrong = [number for number in categories if not _same(categories[number], expected.get(number))]
    if not wrong:
        return None
    first = min(wrong)
    said = f"category {first} is {categories[first]!r}"
    due = repr(expected[first]) if first in expected else "no category"
    other = dataset_of(categories)
    hint = f"; these are the categories of {TITLES[other]}" if other else ""
    return f"{said}, but {TITLES[name]} has {due} there{hint}"


def dataset_of(categories: Mapping[int, str]) -> str | None:
    """The one data set whose categories these are, with none missing; None if there is none."""
    for name, expected in CATEGORIES.items():
        if categories.keys() == expected.keys() and all(
            _same(categories[number], expected[number]) for number in expected
        ):
            return name
    return None


def _same(one: str, other: str | None) -> bool:
    return other is not None and _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").strip()
