"""`python tests/support/stable_names.py` writes the names that docs/stable.md calls stable."""

import argparse
import dataclasses
import inspect
import json

import vis_bench
from paths import GOLDEN
from vis_bench import contract, method, video_method
from vis_bench.cli import COMMANDS, command_module
from vis_bench.commands.options import Options, Parser
from vis_bench.plugins import ENTRY_POINT_GROUP
from vis_bench.record.schema import Record, RegionFields, StreamFields, StreamPoint
from vis_bench.runs.config import Cell, DatasetConfig

FILE = GOLDEN / "stable.json"
RECORD = {"": Record, "regions": RegionFields, "streaming": StreamFields,
          "streaming_by_delay": StreamPoint}  # fmt: skip
CONFIG = {"": Cell, "dataset": DatasetConfig}
EXCHANGED = (method.FrameFeatures, method.ClipPrediction, method.Padding, method.InputFormat,
             method.TrackingRule, video_method.VideoInfo, video_method.TrackPrediction)  # fmt: skip
# Members that a plug-in calls or overrides.
MEMBERS = {
    method.VISMethod: (
        "backbone_name", "checkpoint_signs", "encode_frames", "input_format", "max_clip_length",
        "paper_protocol", "predict_clip", "prepare_for_inference", "tracking_rule",
        "weights_source",
    ),
    method.OnlineMethod: ("predict_next",),
    video_method.VideoMethod: ("check_resolution", "predict_video", "take_weights"),
}  # fmt: skip


def stable_names():
    """Sorted names by the rows of the page."""
    names = {
        "record": _keys(RECORD),
        "config": _keys(CONFIG),
        "command line": [word for name in COMMANDS for word in _words(name)],
        "Python": [
            f"{name} {argument}"
            for name in sorted({*vis_bench.__all__} - {"InputError"})
            for argument in inspect.signature(getattr(vis_bench, name)).parameters
        ],
        "plug-ins": [
            ENTRY_POINT_GROUP,
            contract.check_contract.__name__,
            *(
                f"{kind.__name__}.{field.name}"
                for kind in EXCHANGED
                for field in dataclasses.fields(kind)
            ),
            *(
                f"{kind.__name__}.{name}"
                for kind, members in MEMBERS.items()
                for name in members
                if hasattr(kind, name)
            ),
        ],
    }
    return {row: sorted(entries) for row, entries in names.items()}


def _keys(models):
    return [
        f"{name}.{key}".lstrip(".") for name, kind in models.items() for key in kind.model_fields
    ]


def _words(name):
    """A command's options, and those of its kinds."""
    parser = Parser(prog=name)
    command_module(name).add_arguments(Options(parser))
    parsers = [(name, parser)]
    while parsers:
        words, parser = parsers.pop()
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += [(f"{words} {kind}", part) for kind, part in action.choices.items()]
            else:
                yield f"{words} {(action.option_strings or [action.dest])[-1]}"


if __name__ == "__main__":
    FILE.write_text(json.dumps(stable_names(), indent=1) + "\n")
