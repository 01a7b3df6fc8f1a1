"""A complete record to build test cases from."""

from vis_bench.data.datasets import load_dataset
from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.data.synthetic import generate
from vis_bench.metrics.ap import evaluate
from vis_bench.record.schema import MemoryPoint, Record, StreamFields, StreamPoint
from vis_bench.record.store import RecordStore


def example_record(**changes):
    """A measured cell of a committed tree; keyword arguments replace fields."""
    values: dict[str, object] = {
        "created_at": "2026-01-02T03:04:05+00:00", "command": "run_bench.py run c.yaml",
        "method": "ifc", "options": {}, "backbone": "r50", "reconstruction": False,
        "dataset": "synthetic", "split": "val", "num_videos": 24, "num_frames": 700,
        "clip_length": 5, "clip_stride": 1, "resolution": 360, "config": {},
        "config_sha256": "ab" * 32, "weights_source": "w.pth", "weights_sha256": "cd" * 32,
        "ap": 0.5, "ap50": 0.7, "ap75": 0.6, "ap_s": -1.0, "ap_m": 0.5, "ap_l": 0.6,
        "ar1": 0.4, "ar10": 0.55, "ar100": 0.55, "num_params": 39_148_009,
        "precision": "float32", "device": "a CPU", "torch": "2.13.0", "python": "3.11.7",
        "num_threads": 2, "git_commit": "0123456789abcdef", "git_dirty": False, "seed": 0,
    }  # fmt: skip
    return Record(**{**values, **changes})


def streaming_fields(aps=(0.0, 0.2, 0.5), rate=6.0, **changes):
    """Fields of a streaming measurement at one rate: no delay, a frame, and an infinite one."""
    delays = (0.0, 1000 / rate, None)
    figures = {
        "ap_low": 0.1,
        "ap_high": 0.6,
        "ap_pass_low": 0.1,
        "ap_pass_high": 0.3,
        "frame_latency_ms_mean": 300.0,
        "frame_latency_ms_p50": 290.0,
        "frame_latency_ms_p90": 400.0,
        "frame_latency_ms_p99": 500.0,
        "frame_latency_ms_max": 600.0,
        "frame_latency_spread": 0.1,
        "fill_ms": 200.0,
        "queue_ms": 20.0,
        "compute_ms": 80.0,
        "last_queue_ms": 30.0,
        "first_mask_ms": 900.0,
        "throughput": 9.0,
        "keeps_up": True,
        "share_computed": 1.0,
        "share_served": 0.8,
        "age_frames": 1.5,
        "age_frames_max": 3,
        "age_ms": 250.0,
        "delay_95_ms": 500.0,
        "closest_ms": 1.0,
        "num_clips": 100,
        **changes,
    }
    points = [
        StreamPoint(rate=rate, delay_ms=delay, ap=ap)
        for delay, ap in zip((*delays[:2], 500.0), aps, strict=True)
    ]
    return {
        "streaming": tuple(
            StreamFields(rate=rate, delay_ms=delay, ap=ap, predictions="s.results.json", **figures)
            for delay, ap in zip(delays, aps, strict=True)
        ),
        "streaming_by_delay": tuple(points),
        "streaming_by_rate": tuple(
            StreamPoint(rate=r, delay_ms=1000 / r, ap=aps[1] and aps[1] / r)
            for r in (1.0, rate, 30.0)
        ),
        "streaming_policy": "all",
        "streaming_trace": "t.trace.jsonl",
        "streaming_runs": 3,
        "streaming_trace_sha256": "ef" * 32,
        "streaming_device": "a CPU",
    }


def memory_fields(slope=3.0, lengths=(16, 32, 48, 64), **changes):
    """Fields of memory over length: 100 MiB and `slope` MiB per frame, on a GPU of 24 GiB."""
    mebibyte = 1 << 20
    return {
        "memory_points": tuple(
            MemoryPoint(
                num_frames=n,
                num_tracks=10,
                start_bytes=100 * mebibyte,
                peak_bytes=int((100 + slope * n) * mebibyte),
                device_bytes=900 * mebibyte,
            )
            for n in lengths
        ),
        "memory_of": "allocator",
        "memory_over": "clip",
        "memory_video_size": (720, 1280),
        "memory_input_size": (360, 640),
        "memory_growth": "line",
        "memory_coefficients": (100.0 * mebibyte, slope * mebibyte),
        "memory_curve_from": lengths[0],
        "memory_bytes_per_frame": slope * mebibyte,
        "memory_error_bytes": 0.0,
        "memory_limit_bytes": 24 << 30,
        "memory_longest": 640,
        "memory_longest_extrapolated": True,
        "memory_longest_is_bound": True,
        **changes,
    }


def perfect_tracks(num_videos):
    """The objects of the first plain synthetic videos as tracks."""
    content = generate("val", plain=True, num_videos=num_videos).annotations()
    return [
        Track(a["video_id"], a["category_id"], 0.9, a["segmentations"])
        for a in content["annotations"]
    ]


def synthetic_record(folder, method, tracks, num_videos, **changes):
    """Writes a record on the first plain synthetic videos, with its predictions beside it."""
    dataset = load_dataset("synthetic", "val", plain=True)
    truth = dataset.ground_truth(dataset.videos[:num_videos])
    values = {
        **evaluate(truth, Results.of(tracks)).summary(),
        "method": method,
        "dataset": "synthetic_plain",
        "num_videos": num_videos,
        "config_sha256": method[0] * 64,
        "annotations_sha256": dataset.annotations_sha256,
        "predictions": f"{method}.results.json",
        "config": {"dataset": {"name": "synthetic", "split": "val", "plain": True}},
        **changes,
    }
    folder.mkdir(exist_ok=True)
    write_results(tracks, folder / f"{method}.results.json")
    return RecordStore(folder).write(example_record(**values))
