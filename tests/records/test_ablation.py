"""What counts as an ablation, and what as a method as it is."""

from record_example import example_record
from vis_bench.records.ranking import split_ablations

MINI = {"backbone": "mini", "options": {"variant": "mini"}}


def test_a_training_label_makes_an_ablation():
    whole, part = example_record(), example_record(training="encoder afresh")
    assert split_ablations([part, whole]) == ([whole], [part])


def test_changed_options_make_an_ablation_of_the_method_they_change():
    plain = example_record(**MINI, resolved_options={"width": 64, "memory_tokens": 8})
    changed = example_record(
        backbone="mini", options={"variant": "mini", "memory_tokens": 2},
        resolved_options={"width": 64, "memory_tokens": 2},
    )  # fmt: skip
    spelled_out = example_record(
        backbone="mini", options={"backbone": "mini", "width": 64, "memory_tokens": 8},
        resolved_options={"memory_tokens": 8, "width": 64},
    )  # fmt: skip
    records = [plain, changed, spelled_out]
    assert split_ablations(records) == ([plain, spelled_out], [changed])


def test_options_without_a_plain_record_beside_them_are_the_method():
    """Such as a plug-in that has to be given an option."""
    records = [
        example_record(method="plug_in", options={"threshold": 0.5}),
        example_record(options={"variant": "r50"}),
        example_record(method="plug_in", backbone="r101"),
    ]
    assert split_ablations(records) == (records, [])
