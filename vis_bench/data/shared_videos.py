"""Which splits have videos in common, as far as their names say.

A split's full name is `data set/split`, such as `ytvis2019/train`. `heldout` and `rest` are the two
parts that `split` cuts from `train`. The versions of YouTube-VIS are annotations of YouTube-VOS
(youtube-vos.org/dataset/vis), so their training videos are taken for shared; published
configurations take the training set of 2021 for that of 2022. The short validation videos of 2022
are the validation videos of 2021. OVIS has videos of its own.
"""

from __future__ import annotations

HELD_OUT, REST = "heldout", "rest"
TRAINING_PARTS = (HELD_OUT, REST)

_TRAIN = "train"
_SAME_TRAINING = {"ytvis2019", "ytvis2021", "ytvis2022"}
_SAME_VALIDATION = {"ytvis2021", "ytvis2022"}
_VALIDATION = "val"


def share_videos(one: str, other: str) -> bool:
    """Whether two splits have videos in common.

    Args:
        one, other: full names.
    """
    data_set, _, split = one.partition("/")
    other_data_set, _, other_split = other.partition("/")
    splits = {split, other_split}
    if data_set != other_data_set:
        data_sets = {data_set, other_data_set}
        if splits == {_VALIDATION}:
            return data_sets <= _SAME_VALIDATION
        return data_sets <= _SAME_TRAINING and splits <= {_TRAIN, *TRAINING_PARTS}
    return len(splits) == 1 or (_TRAIN in splits and splits <= {_TRAIN, *TRAINING_PARTS})
