"""Prediction without ground truth, and of the videos that figures show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vis_bench.attention import AttentionPart, RecordsAttention
from vis_bench.contract import unsigned_masks
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import OF_IMAGES
from vis_bench.data.datasets import Dataset, read_dataset
from vis_bench.data.frames import is_file
from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.data.video import Video, find_images, find_videos
from vis_bench.errors import InputError
from vis_bench.files import check_writable
from vis_bench.inference.attention import RecordedVideo, record_video
from vis_bench.inference.clips import check_clip_limit
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.metrics.time_weights import (
    AbsentFrames,
    VideoWeights,
    compare_absent_frames,
    found_objects,
)
from vis_bench.progress import Advance, Bars, silent
from vis_bench.runs.build import BuildMethod, GuardedMethod, Recipe
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import Cell, load_cell
from vis_bench.runs.jobs import inference_plan
from vis_bench.runs.sources import chosen_videos, config_categories, open_dataset
from vis_bench.runs.weights import find_weights
from vis_bench.text import count, one_line

_PARTS: Mapping[AttentionPart, str] = {
    "decoder": "deformable attention in its decoder",
    "memory": "memory tokens",
}


@dataclass(frozen=True)
class PredictInputs:
    """The videos to predict on; `categories`: id -> name, a column of class probabilities each.

    `of_images`: they are single images, and results are written in COCO's form.
    """

    videos: Sequence[Video]
    categories: Mapping[int, str]
    warnings: Sequence[str] = ()
    of_images: bool = False


@dataclass(frozen=True)
class LoadedMethod:
    """A config's method, ready to infer, and its videos.

    `video` is the one that a figure shows; `dataset` is None for a user's own frames.
    """

    cell: Cell
    method: GuardedMethod
    plan: InferencePlan
    videos: Sequence[Video]
    video: Video
    categories: Mapping[int, str]
    dataset: Dataset | None

    def ground_truth(self, videos: Sequence[Video]) -> GroundTruth | None:
        """The annotations of some videos; None where there are none."""
        if self.dataset is None or not self.dataset.has_annotations:
            return None
        return self.dataset.ground_truth(videos)

    def num_recorded_layers(
        self, part: AttentionPart, methods_recording: Callable[[AttentionPart], Sequence[str]]
    ) -> int:
        """The number of layers that record a part of the attention.

        Args:
            methods_recording: names the methods that do, for a message.
        """
        with self.method.calling() as method:
            layers = (
                method.recorded_layers.get(part) if isinstance(method, RecordsAttention) else None
            )
        if not layers:
            given = ", ".join(f"{key}={value}" for key, value in self.cell.options.items())
            built = f" with options {given}" if given else ""
            raise InputError(
                f"method {self.cell.method}{built} has no {_PARTS[part]} to record; methods that "
                f"have it: {', '.join(methods_recording(part)) or 'none'}"
            )
        return layers

    def record(self, video: Video, advance: Advance = silent) -> RecordedVideo:
        """Predict a video as one clip and record the attention."""
        with self.method.calling() as method:
            assert isinstance(method, RecordsAttention), "it has layers that record"
            return record_video(method, video, self.plan, list(self.categories), advance)


def find_inputs(
    cell: Cell, frames: Path, annotations: Path | None = None, limit: int | None = None
) -> PredictInputs:
    """The videos below `frames`, or those that an annotations file lists.

    Args:
        cell: its data set names the categories; where that consists of images, so do the frames.
        frames: a folder of frames or of videos, or a video file; with `annotations` the folder
            that their file names start from.
        annotations: a file in YouTube-VIS form or COCO's, such as a public valid.json; it may lack
            annotations. Videos get its ids. Without it ids are 1, 2, ... in the order of names.
        limit: only the first videos, this many.
    """
    if annotations is None:
        of_images = cell.dataset.name in OF_IMAGES
        videos, warnings = find_images(frames) if of_images else find_videos(frames)
        return PredictInputs(videos[:limit], config_categories(cell.dataset), warnings, of_images)
    if not frames.is_dir():
        raise InputError(
            f"--frames {frames} is not a folder; expected the one that the file names in "
            f"{annotations} start from"
        )
    dataset = read_dataset(cell.dataset.name, cell.dataset.split, annotations, frames)
    listed = dataset.videos[:limit]
    _check_frames_exist(listed, frames)
    warnings = dataset.check_frames(listed)
    return PredictInputs(listed, dataset.categories, warnings, dataset.of_images)


def load_predictor(
    build_method: BuildMethod,
    cell: Cell,
    categories: Sequence[str],
    device: torch.device,
    *,
    weights: Path | None = None,
    random_weights: bool = False,
) -> GuardedMethod:
    """The cell's method, ready to infer.

    Args:
        categories: their names, in the order of the columns.
        weights: a checkpoint instead of the one that the config names.
        random_weights: take random ones where neither names any.

    Raises:
        InputError: for a method with parameters that has no weights, unless random ones are asked
            for.
    """
    file = find_weights(cell, weights)
    loaded = Recipe(build_method, cell, categories, file).load(device)
    with loaded.calling() as method:
        trained = file is not None or method.weights_source is not None
        needs_weights = not trained and method.num_params != 0
    if needs_weights and not random_weights:
        raise InputError(
            f"the config names no weights for {cell.method}; expected --weights FILE or --set "
            "weights=FILE"
        )
    return loaded


def load_for_figure(
    build_method: BuildMethod,
    config: str,
    overrides: Sequence[str],
    device: torch.device,
    *,
    video: str | None = None,
    frames: Path | None = None,
    data_root: Path | None = None,
    weights: Path | None = None,
) -> LoadedMethod:
    """Find the videos of a config and load its method; nothing is predicted.

    Args:
        config: a path or a bundled config's name, of one cell.
        video: a name or an id; the first video if None.
        frames: a folder of frames, of such folders, or a video file instead of the data set.
        data_root: the folder with the data sets.
        weights: a checkpoint instead of the one that the config names.
    """
    cell = load_cell(find_config(config), overrides, "a figure")
    cell = cell.model_copy(update={"compile": "none"})
    dataset = open_dataset(cell.dataset, data_root) if frames is None else None
    inputs = dataset if frames is None else find_inputs(cell, frames)
    assert inputs is not None, "one of the two"
    source = f"--frames {frames}" if dataset is None else dataset.full_name
    wanted = None if video is None else [video]
    chosen = chosen_videos(inputs.videos, wanted, source, "video")[0]
    plan = inference_plan(cell, device)
    names = list(inputs.categories.values())
    method = load_predictor(build_method, cell, names, device, weights=weights)
    return LoadedMethod(cell, method, plan, inputs.videos, chosen, inputs.categories, dataset)


def load_rows(
    build_method: BuildMethod,
    configs: Sequence[str],
    overrides: Sequence[str],
    device: torch.device,
    **source: Any,
) -> dict[str, LoadedMethod]:
    """The methods of several configs by name, all with the same video.

    Args:
        configs: as `load_for_figure` takes them, or NAME=CONFIG.
        source: the keyword arguments of `load_for_figure`.
    """
    rows: dict[str, LoadedMethod] = {}
    for text in configs:
        name, separator, config = text.partition("=")
        if not separator or Path(text).exists():
            name, config = text, text
        if name in rows:
            raise InputError(f"two rows are called {name}; expected NAME=CONFIG with other names")
        rows[name] = load_for_figure(build_method, config, overrides, device, **source)
    if len({row.cell.dataset for row in rows.values()}) > 1:
        listed = ", ".join(f"{name}: {row.cell.dataset.name}" for name, row in rows.items())
        raise InputError(f"the configs have different data sets ({listed}); expected the same one")
    return rows


def predict_rows(rows: Mapping[str, LoadedMethod], advance: Advance) -> dict[str, Results]:
    """Predict the video of each row, clip by clip as its config says.

    Args:
        advance: is called with the number of frames that are done.

    Returns:
        Results by name; reconstructions are marked.
    """
    results = {}
    for name, row in rows.items():
        with row.method.calling() as method:
            tracks = track_video(method, row.video, row.plan, list(row.categories))
            title = f"{name} (reconstruction)" if method.reconstruction else name
        results[title] = Results.of(tracks, name)
        advance(row.video.length)
    return results


def weights_of_absent_frames(
    loaded: LoadedMethod,
    videos: Sequence[Video],
    truth: GroundTruth,
    known: RecordedVideo,
    advance: Advance,
) -> AbsentFrames:
    """Record each video as one clip, and compare its frames' weights with the annotations.

    Args:
        truth: of all these videos.
        known: a video that has been recorded already.
        advance: is called with the number of frames that are done.
    """
    found = []
    for video in videos:
        if video.id == known.video.id:
            recorded = known
            advance(video.length)
        else:
            recorded = loaded.record(video, advance)
        decoder = recorded.attention.decoder
        assert decoder is not None, "the method records its decoder"
        weights_LTQ = decoder.time_weights_LTQ.float().cpu().numpy()
        objects = found_objects(Results.of(recorded.tracks), truth, video.id)
        found.append(
            VideoWeights(
                [weights_LTQ[:, :, recorded.instances[item.track]] for item in objects],
                [item.present_T for item in objects],
            )
        )
    return compare_absent_frames(found)


def predict(
    loaded: GuardedMethod, inputs: PredictInputs, plan: InferencePlan, output: Path, bars: Bars
) -> dict[str, Any]:
    """Write the results file and return a summary of it.

    Returns:
        `output`, `of_images`, `num_videos`, `num_tracks`, `videos` (id -> name), and `categories`
        (id -> `name` and `num_tracks`).

    Raises:
        InputError: for clips that are longer than the method takes and an output that cannot be
            written, before anything is predicted, and for a method whose code fails.
    """
    with loaded.calling() as method:
        check_clip_limit(
            method.registered_name, method.max_clip_length, plan.clip_length, inputs.videos
        )
    check_writable(output)
    tracks: list[Track] = []
    with bars.bar("predict", sum(video.length for video in inputs.videos)) as advance:
        for video in inputs.videos:
            with loaded.calling() as method:
                tracks += track_video(method, video, plan, list(inputs.categories))
            advance(video.length)
    with loaded.calling() as method:
        if unsigned := unsigned_masks(method.registered_name, method.mask_range):
            bars.say(f"warning: {unsigned}")
    write_results(tracks, output, of_images=inputs.of_images)
    num_tracks = Counter(track.category_id for track in tracks)
    return {
        "output": str(output),
        "of_images": inputs.of_images,
        "num_videos": len(inputs.videos),
        "num_tracks": len(tracks),
        "videos": {video.id: video.name for video in inputs.videos},
        "categories": {
            number: {"name": name, "num_tracks": num_tracks[number]}
            for number, name in inputs.categories.items()
        },
    }


def summary_text(summary: Mapping[str, Any]) -> str:
    """A summary of `predict` in two lines."""
    found = [entry for entry in summary["categories"].values() if entry["num_tracks"]]
    found.sort(key=lambda entry: -entry["num_tracks"])
    counts = ", ".join(f"{entry['name']} {entry['num_tracks']}" for entry in found)
    things, unit = ("instances", "image") if summary["of_images"] else ("tracks", "video")
    units = count(summary["num_videos"], unit)
    first = one_line(f"{summary['num_tracks']} {things} in {units}: {summary['output']}")
    nothing = "nothing scores above the method's own minimum"
    second = one_line(f"{things} by category: {counts}") if found else nothing
    return f"{first}\n{second}\n"


def _check_frames_exist(videos: Sequence[Video], frames: Path) -> None:
    """Refuse what would be missed only after hours of inference."""
    files = [file for video in videos for file in video.files]
    missing = [file for file in files if not is_file(file)]
    if missing:
        raise InputError(
            f"--frames {frames} lacks {len(missing)} of {len(files)} frames; the first is "
            f"{missing[0]}"
        )
