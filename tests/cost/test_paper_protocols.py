"""What authors timed: a cell that claims it is set as they say."""

import pytest
import yaml

from vis_bench.cost.speed.paper_protocols import PAPER_PROTOCOLS
from vis_bench.errors import InputError
from vis_bench.runs.config import Cell, cell_digest, load_cells

VISTR = {
    "method": "vistr", "dataset": {"name": "nominal"}, "clip_length": 36,
    "speed": {"protocol": "paper", "regions": "model"}, "measure": "speed",
}  # fmt: skip


@pytest.fixture
def load(tmp_path):
    def load_one(**settings):
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump({**VISTR, **settings}))
        (cell,) = load_cells(path)
        return cell

    return load_one


def test_what_the_authors_timed_is_accepted(load):
    assert load().speed.protocol == "paper"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "ifc"}, "the authors of ifc do not say what they timed; expected bench, or"),
        ({"method": "ifc"}, "one of the methods videomt, vistr"),
        ({"clip_length": 18}, "clip_length is 18; expected 36, which the authors of vistr timed"),
        ({"precision": "bfloat16"}, "precision is bfloat16; expected float32"),
        ({"tf32": True}, "tf32 is true; expected false"),
        ({"compile": "default"}, "compile is default; expected none"),
        ({"speed": {"protocol": "paper"}}, r"regions is \[model\+tracker\]; expected \[model\]"),
    ],
)
def test_anything_else_is_refused(load, settings, message):
    with pytest.raises(InputError, match=message):
        load(**settings)


def test_it_is_another_measurement(load):
    ours = load(speed={"regions": "model"})
    assert cell_digest(load()) != cell_digest(ours)
    assert cell_digest(ours) == cell_digest(load(speed={"regions": "model", "protocol": "bench"}))


def test_every_protocol_can_be_written_down():
    for method, stated in PAPER_PROTOCOLS.items():
        Cell.model_validate(
            {
                "method": method, "dataset": {"name": "nominal"},
                "clip_length": stated.clip_length, "precision": stated.precision,
                "tf32": stated.tf32, "compile": stated.compile,
                "speed": {"protocol": "paper", "regions": stated.region},
            }
        )  # fmt: skip
