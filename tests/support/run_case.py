"""Jobs of a config that is given as text, and bars that keep what they are told."""

import torch

from methods import build_method
from vis_bench.progress import Bars
from vis_bench.runs.config import load_cells
from vis_bench.runs.jobs import RunSettings, resolve_jobs

QUIET = Bars(quiet=True)


def ignore(line):
    """Takes what nobody needs to hear."""


def jobs_of(folder, text, *, build=build_method, say=ignore, **settings):
    """The jobs of a config on the CPU; `settings` are those of `RunSettings`."""
    path = folder / "c.yaml"
    path.write_text(text)
    run = RunSettings("run", torch.device("cpu"), **settings)
    return resolve_jobs(load_cells(path), run, build, say)


class Heard(Bars):
    def __init__(self):
        super().__init__(quiet=True)
        self.said = []

    def say(self, message):
        self.said.append(message)
