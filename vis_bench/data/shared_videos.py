"""Which splits have videos in common, as far as their names say.

A split's full name is `data set/split`, such as `ytvis2019/train`. `heldout` and `rest` are the two
parts that `split` cuts from `train`. YouTube-VIS 2019 and 2021 are two annotations of YouTube-VOS
(youtube-vos.org/dataset/vis), so their training videos are taken for shared.
"""

from __future__ import annotations

HELD_OUT, REST = "heldout", "rest"
TRAINING_PARTS = (HELD_OUT, REST)

_TRAIN = "train"
_SAME_VIDEOS = {"ytvis2019", "ytvis2021"}


def share_videos(one: str, other: str) -> bool:
    """Whether two splits have videos in common.

    Args:
        one, other: full names.
    """
    data_set, _, split = one.partition("/")
    other_data_set, _, other_split = other.partition("/")
    splits = {split, other_split}
    if data_set != other_data_set:
        return {data_set, other_data_set} == _SAME_VIDEOS and splits <= {_TRAIN, *TRAINING_PARTS}
    return len(splits) == 1 or (_TRAIN in splits and splits <= {_TRAIN, *TRAINING_PARTS})
