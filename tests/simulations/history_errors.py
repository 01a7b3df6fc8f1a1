"""`tests/simulations/history_errors.py [NUM_HISTORIES]` prints the tables of docs/gate.md about
FPS: how often `history` and `check --history` are right.

A history has a record for each of 20 commits on one machine; from the 11th on FPS may be lower. The
logarithms of a process's FPS have a normal error, and those of its runs one more, so that a record
has the mean of its runs and their spread.
"""

import sys
from dataclasses import dataclass

import numpy as np

from markdown_rows import percent, write_row
from vis_bench.measures.comparison import beyond_noise
from vis_bench.measures.speed.facts import SPEED
from vis_bench.show.gate.levels import leaves_level, level_starts

NUM_COMMITS, CHANGED = 20, 10
NOISES = (0.03, 0.08, 0.15)
NOISE_OF_RUNS, NUM_RUNS = 0.03, 5  # in a process
RATIOS = (0.9, 0.7)


@dataclass(frozen=True)
class HistoryShares:
    """Shares of histories: that name any move, the changed commit alone, and it or a neighbor."""

    moved: float
    right: float
    near: float


@dataclass(frozen=True)
class GateShares:
    """Shares of histories in which `check` finds the next record unlike the level of several
    records, or unlike the last one by the spread of both.
    """

    by_level: float
    by_spread: float


def histories(noise, ratio, num):
    """FPS of each commit, (num, NUM_COMMITS), with a change in the middle."""
    changed = np.where(np.arange(NUM_COMMITS) < CHANGED, 1.0, ratio)
    return [changed * measured(noise, NUM_COMMITS, seed)[0] for seed in range(num)]


def measured(noise, num_records, seed):
    """FPS of unchanged records, and the spread of the runs of each."""
    draw = np.random.default_rng([num_records, seed])
    runs = noise * draw.normal(size=(num_records, 1))
    runs = np.exp(runs + NOISE_OF_RUNS * draw.normal(size=(num_records, NUM_RUNS)))
    return runs.mean(1), np.ptp(runs, axis=1) / runs.mean(1)


def shares_of_history(values):
    """What `history` names in each."""
    starts = [level_starts(fps.tolist(), SPEED) for fps in values]
    return HistoryShares(
        float(np.mean([bool(found) for found in starts])),
        float(np.mean([found == [CHANGED] for found in starts])),
        float(np.mean([len(found) == 1 and abs(found[0] - CHANGED) <= 1 for found in starts])),
    )


def shares_of_gate(noise, num_records, ratio, num):
    """What `check --history` finds in a record after so many of a level."""
    by_level, by_spread = [], []
    for seed in range(num):
        fps, spreads = measured(noise, num_records + 1, seed)
        level, new = fps[:-1].tolist(), float(fps[-1]) * ratio
        by_level.append(leaves_level(level, new, SPEED))
        by_spread.append(bool(beyond_noise(new / level[-1], SPEED, spreads[-2:].tolist())))
    return GateShares(float(np.mean(by_level)), float(np.mean(by_spread)))


def main(num):
    """Write both tables."""
    write_row(
        "Spread of processes",
        "Unchanged: a move is named",
        *(
            f"{percent(ratio - 1)}: {what}"
            for ratio in RATIOS
            for what in ("a move is named", "the right commit", "it or a neighbor")
        ),
    )
    write_row(*8 * ["--:"])
    for noise in NOISES:
        changed = [shares_of_history(histories(noise, ratio, num)) for ratio in RATIOS]
        shares = [share for s in changed for share in (s.moved, s.right, s.near)]
        same = shares_of_history(histories(noise, 1.0, num))
        write_row(f"{noise:g}", *map(percent, (same.moved, *shares)))
    sys.stdout.write("\n")
    write_row(
        "Spread of processes",
        "Records of the level",
        *(
            f"{'Unchanged' if ratio == 1 else percent(ratio - 1)}: by {what}"
            for ratio in (1.0, *RATIOS)
            for what in ("level", "last record")
        ),
    )
    write_row(*8 * ["--:"])
    for noise in NOISES:
        for num_records in (3, 6, 10, 20):
            found = [shares_of_gate(noise, num_records, ratio, num) for ratio in (1.0, *RATIOS)]
            shares = [share for s in found for share in (s.by_level, s.by_spread)]
            write_row(f"{noise:g}", str(num_records), *map(percent, shares))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
