"""The toy detectron2 project in `toy_detectron2`, and its removal from this process."""

import sys
from pathlib import Path

TOY = Path(__file__).parent / "toy_detectron2"
PACKAGES = {"colors", "detectron2", "MultiScaleDeformableAttention"}


def toy_spec(**changes):
    """What the driver opens."""
    return {
        "back_end": "detectron2",
        "project_path": str(TOY),
        "config_file": "configs/colors.yaml",
        "preset": "",
        "opts": [],
        "classes_key": "",
        "num_classes": 6,
        "device": "cpu",
        "adders": [
            "detectron2.projects.deeplab:add_deeplab_config",
            "colors:add_colors_config",
        ],
        "weights": None,
        "function": "",
        **changes,
    }


def forget_toy():
    """Takes the toy's modules and folder out of this process."""
    sys.path[:] = [path for path in sys.path if path != str(TOY)]
    for name in [*sys.modules]:
        if name.partition(".")[0] in PACKAGES:
            del sys.modules[name]
