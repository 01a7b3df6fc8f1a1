"""A project for the toy: finds colors, and prints wherever it can."""

import sys

from detectron2.config import CfgNode

from colors import model  # noqa: F401 - registers the class

sys.stdout.write("colors is imported\n")


def add_colors_config(cfg):
    cfg.MODEL.COLORS = CfgNode(TOLERANCE=0.0, ANSWER="lists", TASK="vis", ATTENTION=False)
    assert cfg.MODEL.SEM_SEG_HEAD.LOSS_TYPE == "hard_pixel_mining", "deeplab comes first"
