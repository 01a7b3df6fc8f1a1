"""Records of commits, and folders of them."""

from datetime import UTC, datetime, timedelta

from record_example import example_record
from vis_bench.record.store import record_json
from vis_bench.show.gate.history import history_of, read_points

START = datetime(2026, 1, 1, tzinfo=UTC)
REGION = "model+tracker"


def sha(number):
    """A commit whose order says nothing about its time."""
    return f"{(number * 7919 + 13) % 65536:04x}abcd{number:032x}"


def measured(number, **changes):
    """A timed record of the commit `number`; changes to speed reach its region."""
    values = {
        "ap_low": 0.45,
        "ap_high": 0.55,
        "fps": 40.0,
        "speed_spread": 0.04,
        "peak_memory_bytes": 2**30,
        "timed_region": REGION,
        "load_average": 0.5,
        "num_cpus": 2,
        "gflops_per_frame": 91.25,
        "git_commit": sha(number),
        "created_at": (START + timedelta(hours=number)).isoformat(),
        **changes,
    }
    region = {key: values[key] for key in ("fps", "speed_spread", "peak_memory_bytes")}
    return example_record(**{"regions": {REGION: region} if values["fps"] else {}, **values})


def write(folder, *records, place=""):
    """Records into a folder, or a folder each for their commit."""
    for record in records:
        parent = folder / (place or record.git_commit or "")
        parent.mkdir(parents=True, exist_ok=True)
        (parent / f"{len(list(parent.iterdir()))}.json").write_bytes(record_json(record))
    return folder


def moves(folder, **options):
    """Figures of a history that moved, with the numbers of their commits."""
    found = {}
    for history in history_of(read_points(folder)[0], **options):
        for move in history.moves:
            number = int(move.at.commit[8:], 16)
            found.setdefault(move.finding.figure, []).append((number, move.finding.verdict))
    return found
