"""`run CONFIG`: measures every cell of a config."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.arguments import RECORDS
from vis_bench.charts import draw
from vis_bench.commands.options import Options
from vis_bench.commands.output import print_parts
from vis_bench.commands.values import count, positive, whole_number
from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.measures.registry import MEASURES
from vis_bench.progress import Bars
from vis_bench.record.environment import pick_device
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore
from vis_bench.runs.ray.cluster import ClusterSettings, check_ray
from vis_bench.show.curves import cost_curves, curves_panels, has_curves
from vis_bench.show.measured import cell_page, measured_page
from vis_bench.show.sweep import sweep_of_run, sweep_page

if TYPE_CHECKING:
    from vis_bench.runs.measure_config import MeasureReport

# Takes jobs, the store of their records and progress bars; returns an `Outcome`.
MeasureJobs = Callable[..., Any]


def add_arguments(options: Options) -> None:
    options.config()
    options.measuring(RECORDS)
    options.value(
        "--workers",
        "N",
        "infer in N processes, here or on the cluster; needs Ray",
        count,
        unless_given="in this process; with --ray as many as fit",
    )
    options.value(
        "--ray",
        "ADDRESS",
        "run on an existing Ray cluster: auto, or HOST:PORT of its head; anyone who reaches "
        "its ports or has its token can run code there",
        str,
    )
    options.value(
        "--gpus-per-worker",
        "F",
        "GPUs of a worker; a fraction shares one",
        positive,
        unless_given="1 on a GPU",
    )
    options.value("--threads-per-worker", "N", "CPU threads of a worker", count, default=1)
    options.value(
        "--retries",
        "N",
        "retries of a video whose worker dies",
        whole_number(0, 100),
        default=2,
    )
    options.value(
        "--shard",
        "I/N",
        "infer part I of N, while other processes infer the others; auto reads torchrun's or "
        "a Slurm array's variables",
        str,
    )

    options.choice(
        "--again",
        [name for name, measure in MEASURES.items() if "tracks" not in measure.needs],
        "measure this again in existing records, and keep their other values",
    )
    options.value(
        "--trace",
        "FILE",
        "schedule streaming by the clip times in this trace, a file next to a record of any "
        "machine",
        unless_given="those of this machine",
    )


def run(options: argparse.Namespace) -> int:
    """Measure into the folder of records."""
    from vis_bench.runs.measure_config import measure_config

    bars = Bars(tracebacks=options.traceback)
    arguments = asked(options, RECORDS, options.trace)
    return show(options, measure_config(**arguments, bars=bars, measure_all=_way(options)), bars)


def _way(options: argparse.Namespace) -> MeasureJobs | None:
    """The function that measures one shard, or by workers; None without such an option."""
    from vis_bench.runs.again import measure_again
    from vis_bench.runs.ray.ray_run import run_on_ray
    from vis_bench.runs.run_shard import ShardOption, run_shard

    if options.again is not None:
        others = {"--shard": options.shard, "--workers": options.workers, "--ray": options.ray}
        for name, value in (others | {"--resume": options.resume or None}).items():
            if value is not None:
                raise InputError(f"--again excludes {name}; give one of them")
        return partial(measure_again, name=options.again)
    on_cluster = options.workers is not None or options.ray is not None
    if options.shard is not None:
        if on_cluster:
            raise InputError("--shard cannot be combined with --workers or --ray; give one of them")
        return partial(run_shard, option=ShardOption.parse(options.shard))
    if not on_cluster:
        return None
    check_ray()
    return partial(run_on_ray, settings=_cluster(options), resume=options.resume)


def _cluster(options: argparse.Namespace) -> ClusterSettings:
    on_gpu = pick_device(options.device).type == "cuda"
    gpus = options.gpus_per_worker
    return ClusterSettings(
        address=options.ray,
        workers=options.workers,
        gpus_per_worker=(1.0 if gpus is None else gpus) if on_gpu else 0.0,
        threads=options.threads_per_worker,
        retries=options.retries,
    )


def asked(
    options: argparse.Namespace, records_folder: Path, trace: Path | None = None
) -> dict[str, Any]:
    """Arguments of `measure_config` that the options of `Options.measuring` give."""
    from methods import build_method
    from vis_bench.runs.jobs import RunSettings

    run = RunSettings(
        options.command_line,
        pick_device(options.device),
        options.data_root,
        options.weights,
        options.limit,
        options.verify_frames,
        trace,
    )
    return {
        "config": options.config,
        "overrides": options.overrides,
        "run": run,
        "build": build_method,
        "output": options.output,
        "default_output": records_folder,
        "resume": options.resume,
    }


def show(options: argparse.Namespace, outcome: MeasureReport, bars: Bars) -> int:
    """Print the records and draw their charts; 1 if anything failed."""
    records = outcome.records
    store = RecordStore(outcome.folder)
    for record in records:
        bars.say(f"record: {store.path_of(record)}")
    pages = [measured_page(records)] if records else []
    pages += [sweep_page(sweep)] if (sweep := sweep_of_run(records)) else []
    pages += [page for measure in MEASURES.values() if (page := measure.shown(records))]
    pages = [cell_page(records[0], pages)] if len(records) == 1 else pages
    print_parts(options, records, pages)
    _write_charts(records, outcome.folder, bars)
    return 1 if outcome.failures else 0


def _write_charts(records: Sequence[Record], folder: Path, bars: Bars) -> None:
    """Draw the chart of each measurement, and the curves of a sweep."""
    charts = {name: measure.charted(records) for name, measure in MEASURES.items()}
    charts["curves"] = curves_panels(cost_curves(records)) if has_curves(records) else []
    for name, panels in charts.items():
        if panels:
            picture = folder / f"{name}.svg"
            write_atomically(picture, draw(panels, "svg"))
            bars.say(f"{name}: {picture}")
