"""Time of `history` and `check --history` over 500 records (`--benchmark-only`)."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from paths import ROOT

NUM_CELLS, NUM_COMMITS = 5, 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Records as measured, of 5 cells at 100 commits, whose AP and FPS move now and then."""
    root = tmp_path_factory.mktemp("history")
    files = [
        path
        for path in sorted((ROOT / "results" / "clip_lengths").rglob("*.json"))
        if json.loads(path.read_text())["fps"]
    ]
    contents = [json.loads(path.read_text()) for path in files[:NUM_CELLS]]
    for number in range(NUM_COMMITS):
        place = root / f"{number:08x}abcdef"
        place.mkdir()
        time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        for n, content in enumerate(contents):
            moved = 0.9 ** (number // 20)
            speed = {name: {**r, "fps": r["fps"] * moved} for name, r in content["regions"].items()}
            changes = {
                "created_at": time.isoformat(),
                "ap": content["ap"] * moved,
                "fps": content["fps"] * moved,
                "regions": speed,
            }
            (place / f"{n}.json").write_text(json.dumps({**content, **changes}))
    return root


@pytest.mark.parametrize("form", ["markdown", "html", "csv"])
def test_history_of_500_records(benchmark, folder, form):
    """The whole process."""
    run(benchmark, ["history", folder, "--format", form], 0)


def test_check_with_a_history_of_500_records(benchmark, folder):
    current = max(folder.iterdir())
    run(benchmark, ["check", "--history", folder, "--current", current], 0)


def run(benchmark, arguments, code):
    command = [sys.executable, "run_bench.py", *map(str, arguments)]

    def once():
        done = subprocess.run(command, cwd=ROOT, capture_output=True)
        assert done.returncode == code, done.stderr
        assert done.stdout

    benchmark.pedantic(once, rounds=5, warmup_rounds=1)
