"""The data sets by the names that configs use: titles, categories, and which share videos.

YouTube-VIS: youtube-vos.org/dataset/vis (Yang et al., ICCV 2019; the 2021 version). The 2022
version has the categories of 2021 and adds long videos to the validation set; its AP is the mean of
short and long videos. OVIS: Qi et al., arXiv 2102.01558; its annotation files spell `Vehical`, its
page `Vehicle`. COCO: cocodataset.org (Lin et al., ECCV 2014); 80 categories whose ids, 1 to 90,
have gaps. `nominal` has the categories of YouTube-VIS 2019, whose models it times. LV-VIS (Wang et
al., arXiv 2304.01715), HQ-YTVIS (Ke et al., arXiv 2207.14012) and SA-Co/VEval (facebookresearch/
sam3) have up to 51,248 categories, which are read from their files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from vis_bench.errors import InputError

DATASETS = (
    "ytvis2019", "ytvis2021", "ytvis2022", "ovis", "lvvis", "hqytvis", "saco_veval", "coco",
    "synthetic", "synthetic_images", "nominal",
)  # fmt: skip
OF_IMAGES = ("coco", "synthetic_images")  # single images, in COCO's form
SHORT_AND_LONG = "ytvis2022"  # whose validation annotations are two files

TITLES: Mapping[str, str] = {
    "ytvis2019": "YouTube-VIS 2019",
    "ytvis2021": "YouTube-VIS 2021",
    "ytvis2022": "YouTube-VIS 2022",
    "ovis": "OVIS",
    "lvvis": "LV-VIS",
    "hqytvis": "HQ-YTVIS",
    "saco_veval": "SA-Co/VEval",
    "coco": "COCO",
    "synthetic": "synthetic set",
    "synthetic_images": "single frames of the synthetic set",
    "synthetic_plain": "plain synthetic set",
    "nominal": "made-up videos without annotations",
}

# Annotated frames per second, fewer than those of the footage (YouTube-VOS has all of its).
# Synthetic videos, which have no rate of their own, count as YouTube-VIS.
FRAME_RATES: Mapping[str, int] = {
    "ytvis2019": 6, "ytvis2021": 6, "ytvis2022": 6, "ovis": 6, "synthetic": 6,
}  # fmt: skip

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
# The first id of each run of successive ids, and the names from there on.
COCO = {
    1: "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant",
    13: "stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe",
    27: "backpack umbrella",
    31: "handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove "
    "skateboard surfboard tennis_racket bottle",
    46: "wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog "
    "pizza donut cake chair couch potted_plant bed",
    67: "dining_table",
    70: "toilet",
    72: "tv laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator",
    84: "book clock vase scissors teddy_bear hair_drier toothbrush",
}
SYNTHETIC = "striped_star checkered_star checkered_box dotted_box dotted_ellipse striped_ellipse"


def _numbered(names: str, start: int = 1) -> dict[int, str]:
    return dict(enumerate(names.split(), start=start))


CATEGORIES: Mapping[str, Mapping[int, str]] = {
    "ytvis2019": _numbered(YTVIS_2019),
    "ytvis2021": _numbered(YTVIS_2021),
    "ytvis2022": _numbered(YTVIS_2021),
    "ovis": _numbered(OVIS),
    "coco": {key: name for start in COCO for key, name in _numbered(COCO[start], start).items()},
    "synthetic": _numbered(SYNTHETIC),
    "synthetic_images": _numbered(SYNTHETIC),
    "nominal": _numbered(YTVIS_2019),
}


def dataset_title(name: str) -> str:
    """Title of a data set in tables; the name itself for an unknown one.

    Args:
        name: as a record has it, so also `synthetic_plain`.
    """
    return TITLES.get(name, name)


def unit(name: str) -> str:
    """The unit of a data set: `video` or `image`."""
    return "image" if name in OF_IMAGES else "video"


def check_dataset_name(name: str) -> None:
    """Refuse a name that is not a data set's."""
    if name not in DATASETS:
        raise InputError(f"unknown data set {name!r}; expected one of {', '.join(DATASETS)}")


def contradiction(name: str, categories: Mapping[int, str]) -> str | None:
    """Contradiction between a file's categories and a data set's, as a sentence, or None.

    A file may lack categories. Spelling counts up to case, spaces and underscores.

    Args:
        name: of the data set, one of `DATASETS`; of one whose categories come from its file
            nothing is a contradiction.
        categories: id -> name, from the file.
    """
    if name not in CATEGORIES:
        return None
    expected = CATEGORIES[name]
    wrong = [number for number in categories if not _same(categories[number], expected.get(number))]
    if not wrong:
        return None
    first = min(wrong)
    due = (
        f"{name} calls it {expected[first]!r}"
        if first in expected
        else f"{name} has no category {first}"
    )
    other = dataset_of(categories)
    hint = f"; these are the categories of {other} ({dataset_title(other)})" if other else ""
    return f"category {first} is {categories[first]!r}, but {due}{hint}"


def dataset_of(categories: Mapping[int, str], *, of_images: bool = False) -> str | None:
    """The first data set whose categories these are, with none missing; None if there is none.

    YouTube-VIS 2021 and 2022 have the same, so these are taken for 2021.

    Args:
        of_images: look only among those of single images.
    """
    for name, expected in CATEGORIES.items():
        if of_images and name not in OF_IMAGES:
            continue
        if categories.keys() == expected.keys() and all(
            _same(categories[number], expected[number]) for number in expected
        ):
            return name
    return None


def distinct_names(categories: Mapping[int, str]) -> dict[int, str]:
    """Names of categories by id, each with its id where names repeat."""
    names = dict(categories)
    while repeated := {name for name, number in Counter(names.values()).items() if number > 1}:
        names = {k: f"{name} (id {k})" if name in repeated else name for k, name in names.items()}
    return names


def _same(one: str, other: str | None) -> bool:
    return other is not None and folded_name(one) == folded_name(other)


def folded_name(name: str) -> str:
    """A category's name in the spelling by which names are compared."""
    return name.casefold().replace("_", " ").replace("vehical", "vehicle").strip()


HELD_OUT, REST = "heldout", "rest"
TRAINING_PARTS = (HELD_OUT, REST)

_TRAIN = "train"
_SAME_TRAINING = {"ytvis2019", "ytvis2021", "ytvis2022"}
_SAME_VALIDATION = {"ytvis2021", "ytvis2022"}
_VALIDATION = "val"
# All splits of HQ-YTVIS are videos of YouTube-VIS 2019's training split with refined masks.
_OF_TRAINING = {"hqytvis": "ytvis2019"}


def share_videos(one: str, other: str) -> bool:
    """True if two splits have videos in common.

    Args:
        one, other: full names.
    """
    data_set, _, split = one.partition("/")
    other_data_set, _, other_split = other.partition("/")
    splits = {split, other_split}
    if data_set != other_data_set:
        for key, source in _OF_TRAINING.items():
            if key in (data_set, other_data_set):
                rest = other if data_set == key else one
                return share_videos(f"{source}/{_TRAIN}", rest)
        data_sets = {data_set, other_data_set}
        if splits == {_VALIDATION}:
            return data_sets <= _SAME_VALIDATION
        return data_sets <= _SAME_TRAINING and splits <= {_TRAIN, *TRAINING_PARTS}
    return len(splits) == 1 or (_TRAIN in splits and splits <= {_TRAIN, *TRAINING_PARTS})
