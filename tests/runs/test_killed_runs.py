"""A run that is killed while it writes leaves whole records, and the next run goes on there."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from paths import ROOT
from vis_bench.cli import main
from vis_bench.data.results_file import read_results
from vis_bench.record.store import RecordStore

CONFIG = """
method: color_key
dataset: {name: synthetic, plain: true}
resolution: 40
clip_length: [10, 30]
clip_stride: 10
measure: [accuracy]
"""

# Runs a command in a child that is killed at its n-th call to the operating system that a write
# makes: before it, or half of the bytes into it.
KILLED = """
import io, os, signal, sys
from pathlib import Path
import torch
from vis_bench.cli import main

config, output, *moments = sys.argv[1:]
calls = 0

def die_at(moment, name, call):
    def counted(*arguments, **options):
        global calls
        calls += 1
        if calls == moment:
            if name == "fsync":  # half of the file is on the disk
                os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return counted

torch.set_num_threads(1)
for moment in map(int, moments):
    child = os.fork()
    if child == 0:
        for module, name in ((os, "open"), (os, "fsync"), (os, "replace"), (os, "chmod")):
            setattr(module, name, die_at(moment, name, getattr(module, name)))
        Path.replace = die_at(moment, "replace", Path.replace)
        os._exit(main(["run", config, "--limit", "1", "--device", "cpu", "--resume",
                       "--output", f"{output}/{moment}"]))
    print(moment, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def files(folder):
    """Names of files; temporary ones, which begin with a dot, are removed after a day."""
    return {path.name for path in folder.glob("[!.]*") if path.is_file()}


def without_times(path):
    values = json.loads(path.read_text())
    differing = ("created_at", "command", "num_threads")
    return {key: value for key, value in values.items() if key not in differing}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("num_kills", [4, pytest.param(15, marks=pytest.mark.slow)])
def test_only_whole_records_are_left_and_the_next_run_ends_the_work(tmp_path, num_kills):
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG)
    arguments = ["run", str(config), "--limit", "1", "--device", "cpu", "--resume", "--output"]
    assert main([*arguments, str(tmp_path / "whole")]) == 0
    expected = {path.name: without_times(path) for path in RecordStore(tmp_path / "whole").paths()}
    assert len(expected) == 2
    draw = random.Random(num_kills)
    moments = draw.sample(range(1, 17), num_kills)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(config), str(tmp_path), *map(str, moments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    codes = dict(
        tuple(map(int, line.split()))
        for line in done.stdout.splitlines()
        if line.replace("-", "").replace(" ", "").isdigit()
    )
    killed = [moment for moment in moments if codes[moment] == -signal.SIGKILL]
    assert len(killed) >= num_kills // 2, done.stdout
    assert all(codes[moment] == 0 for moment in moments if moment not in killed)
    for moment in moments:
        folder = tmp_path / str(moment)
        if not folder.exists():
            continue
        stored = RecordStore(folder).readable()
        assert stored.problems == ()
        for path in folder.glob("[!.]*.results.json"):
            read_results(path)
        for path in RecordStore(folder).paths():
            assert without_times(path) == expected[path.name]
        assert main([*arguments, str(folder)]) == 0
        left = {path.name: without_times(path) for path in RecordStore(folder).paths()}
        assert left == expected
        assert files(folder) == files(tmp_path / "whole")
