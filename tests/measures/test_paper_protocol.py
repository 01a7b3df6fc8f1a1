"""A cell that claims to be timed as its paper was is set as the authors state."""

import pytest
import torch

from methods import build_method, method_names
from vis_bench.errors import InputError
from vis_bench.measures.speed.settings import check_protocol
from vis_bench.runs.config import Cell, cell_digest

SPEED = {"protocol": "paper", "regions": "model"}


def cell(**settings):
    vistr = {"method": "vistr", "dataset": {"name": "nominal"}, "clip_length": 36, "speed": SPEED}
    return Cell.model_validate({**vistr, **settings})


def protocol(name):
    with torch.device("meta"):
        return build_method(name, num_classes=2).paper_protocol


def test_the_authors_settings_are_accepted():
    check_protocol(cell(), protocol("vistr"))


@pytest.mark.parametrize(
    ("settings", "key", "value", "expected"),
    [
        ({"clip_length": 18}, "clip_length", "18", "36"),
        ({"precision": "bfloat16"}, "precision", "bfloat16", "float32"),
        ({"tf32": True}, "tf32", "true", "false"),
        ({"compile": "default"}, "compile", "default", "none"),
        ({"speed": {"protocol": "paper"}}, "speed.regions", r"\[model\+tracker\]", r"\[model\]"),
    ],
)
def test_other_settings_are_refused(settings, key, value, expected):
    with pytest.raises(InputError, match=f"{key} is {value}; expected {expected}"):
        check_protocol(cell(**settings), protocol("vistr"))


def test_ifc_is_timed_until_its_results_are_final():
    """Its author counts all time, of any clip length (sukjunhwang/IFC, issue 4)."""
    whole = {"speed": {"protocol": "paper", "regions": "end_to_end"}, "method": "ifc"}
    for length in (5, 36):
        check_protocol(cell(**whole, clip_length=length), protocol("ifc"))
    with pytest.raises(InputError, match=r"speed.regions is \[model\]; expected \[end_to_end\]"):
        check_protocol(cell(method="ifc"), protocol("ifc"))


def test_a_method_without_a_stated_protocol_is_refused():
    with pytest.raises(InputError, match="seqformer"):
        check_protocol(cell(method="seqformer"), protocol("seqformer"))


def test_it_is_another_measurement():
    ours = cell(speed={"regions": "model"})
    assert cell_digest(cell()) != cell_digest(ours)
    assert cell_digest(ours) == cell_digest(cell(speed={**SPEED, "protocol": "bench"}))


def test_every_stated_protocol_can_be_written_in_a_config():
    for name in method_names():
        try:
            stated = protocol(name)
        except InputError:  # its extra is not installed
            continue
        if stated is not None:
            settings = {key: value for key, value in stated.items() if key != "speed.regions"}
            speed = {"protocol": "paper", "regions": stated["speed.regions"]}
            check_protocol(cell(method=name, speed=speed, **settings), stated)
