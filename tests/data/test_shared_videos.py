"""Which splits have videos in common, by their names."""

import pytest

from vis_bench.data.categories import share_videos


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("ytvis2019/train", "ytvis2019/train", True),
        ("ytvis2019/train", "ytvis2019/heldout", True),
        ("ytvis2019/train", "ytvis2019/rest", True),
        ("ytvis2019/rest", "ytvis2019/rest", True),
        ("ytvis2019/rest", "ytvis2019/heldout", False),
        ("ytvis2019/train", "ytvis2019/val", False),
        ("ytvis2019/rest", "ytvis2019/test", False),
        ("mine/val", "mine/val", True),
        ("ytvis2019/train", "ytvis2021/heldout", True),
        ("ytvis2019/rest", "ytvis2021/heldout", True),
        ("ytvis2019/train", "ytvis2021/val", False),
        ("ytvis2019/train", "ovis/heldout", False),
        ("ytvis2022/train", "ytvis2021/train", True),
        ("ytvis2022/rest", "ytvis2019/heldout", True),
        ("ytvis2022/val", "ytvis2021/val", True),
        ("ytvis2022/val", "ytvis2019/val", False),
        ("ytvis2021/val", "ytvis2019/val", False),
        ("ytvis2022/val", "ytvis2021/train", False),
        ("ytvis2022/test", "ytvis2021/test", False),
        ("ytvis2022/train", "ytvis2022/heldout", True),
        ("ytvis2022/train", "ytvis2022/val", False),
        ("ovis/train", "ovis/rest", True),
        ("ovis/train", "ovis/val", False),
        ("ovis/val", "ovis/val", True),
        ("ovis/train", "ytvis2022/train", False),
        ("ovis/val", "ytvis2022/val", False),
        ("ovis/train", "mine/train", False),
    ],
)
def test_training_splits_share_videos_with_their_parts(one, other, shared):
    assert share_videos(one, other) is shared
    assert share_videos(other, one) is shared
