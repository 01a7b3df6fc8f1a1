"""Names, titles and categories of the data sets, and which splits share videos."""

import pytest

from vis_bench.data.categories import (
    CATEGORIES,
    DATASETS,
    TITLES,
    contradiction,
    dataset_of,
    dataset_title,
    share_videos,
)


class TestFacts:
    def test_categories_are_those_of_the_data_sets(self):
        first_last = {
            "ytvis2019": (40, "person", "tennis_racket"),
            "ytvis2021": (40, "airplane", "zebra"),
            "ytvis2022": (40, "airplane", "zebra"),
            "ovis": (25, "Person", "Vehical"),
            "synthetic": (6, "striped_star", "striped_ellipse"),
            "synthetic_images": (6, "striped_star", "striped_ellipse"),
            "coco": (80, "person", "toothbrush"),
            "nominal": (40, "person", "tennis_racket"),
        }
        assert CATEGORIES.keys() == first_last.keys()
        for name, (count, first, last) in first_last.items():
            categories = CATEGORIES[name]
            if name == "coco":  # whose ids have gaps
                assert (len(categories), max(categories)) == (count, 90)
            else:
                assert list(categories) == list(range(1, count + 1))
            assert (categories[1], categories[max(categories)]) == (first, last)
            assert len(set(categories.values())) == count

    def test_every_data_set_has_a_title_and_categories_or_a_file_with_them(self):
        assert set(DATASETS) - CATEGORIES.keys() == {"lvvis", "hqytvis", "saco_veval"}
        assert contradiction("lvvis", {7: "anything"}) is None
        assert TITLES.keys() == {*DATASETS, "synthetic_plain"}
        assert dataset_title("synthetic_plain") == "plain synthetic set"
        assert dataset_title("kitti_mots") == "kitti_mots"

    def test_categories_tell_the_data_set(self):
        same = {"ytvis2022": "ytvis2021", "synthetic_images": "synthetic", "nominal": "ytvis2019"}
        for name, categories in CATEGORIES.items():
            assert dataset_of(categories) == same.get(name, name)
            assert contradiction(name, categories) is None
            part = dict(list(categories.items())[2:5])
            assert contradiction(name, part) is None
        assert dataset_of({1: "person"}) is None
        assert contradiction("ytvis2019", {39: "Earless Seal"}) is None
        assert "YouTube-VIS 2021" in contradiction("ytvis2019", CATEGORIES["ytvis2021"])
        assert "no category" in contradiction("ovis", {26: "Tree"})
        assert contradiction("ovis", {25: "Vehicle"}) is None
        assert CATEGORIES["ytvis2022"] == CATEGORIES["ytvis2021"]
        assert dataset_of(CATEGORIES["synthetic"], of_images=True) == "synthetic_images"
        assert dataset_of(CATEGORIES["ovis"], of_images=True) is None


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
        ("ovis/train", "hqytvis/test", False),
        ("ytvis2019/train", "hqytvis/test", True),
        ("ytvis2021/heldout", "hqytvis/test", True),
        ("ytvis2019/val", "hqytvis/test", False),
        ("hqytvis/train", "hqytvis/test", False),
    ],
)
def test_training_splits_share_videos_with_their_parts(one, other, shared):
    assert share_videos(one, other) is shared
    assert share_videos(other, one) is shared
