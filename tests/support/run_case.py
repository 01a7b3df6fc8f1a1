"""Jobs of a config that is given as text, and bars that keep what they are told."""

from dataclasses import replace
from types import SimpleNamespace

import torch

from methods import build_method
from vis_bench.progress import Bars
from vis_bench.runs import jobs as jobs_module
from vis_bench.runs.build import Recipe
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


def bare(loaded):
    """A loaded method without its guard, for tests that call it for long."""
    with loaded.calling() as method:
        return method


def bare_on_meta(cell):
    """The cell's method on the meta device, without its guard."""
    return bare(Recipe.without_data(build_method, cell).on_meta())


def named_job(digest):
    """What shard files need of a job that nobody measures."""
    return SimpleNamespace(digest=digest, sources_sha256="0" * 64, frames_sha256=lambda ids: None)


def of_code(jobs, digest, monkeypatch):
    """The jobs as code of other sources resolves them."""
    monkeypatch.setattr(jobs_module, "sources_sha256", lambda plug_in=None: digest)
    return [replace(job, sources_sha256=digest) for job in jobs]


class Heard(Bars):
    def __init__(self):
        super().__init__(quiet=True)
        self.said = []

    def say(self, message):
        self.said.append(message)
