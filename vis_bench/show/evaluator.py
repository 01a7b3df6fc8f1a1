"""Evaluation inside a training loop: tracks are added as a model predicts them, without a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vis_bench.arguments import THRESHOLD, optional_path, path_of
from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.rle import RLE, encode_masks
from vis_bench.metrics.ap import evaluate_results, read_truth
from vis_bench.show.evaluation import EvaluationReport
from vis_bench.text import count

_NAME = "the tracks that were added"


class Evaluator:
    """Computes AP and AR of the tracks that a training loop adds, as `evaluate` does of a file.

    Masks are encoded as they are added, so that memory grows with run lengths and not with pixels.

    Args:
        annotations, long_annotations, tracking_threshold, boundary, groups: as for `evaluate`.
    """

    def __init__(
        self,
        annotations: str | Path,
        *,
        long_annotations: str | Path | None = None,
        tracking_threshold: float | None = None,
        boundary: bool = False,
        groups: str | Path | None = None,
    ) -> None:
        if tracking_threshold is not None:
            THRESHOLD.check("tracking_threshold", tracking_threshold)
        self._truth = read_truth(
            path_of("annotations", annotations), optional_path("long_annotations", long_annotations)
        )
        self._videos = {video.id: video for video in self._truth.videos}
        self._tracking_threshold, self._boundary = tracking_threshold, boundary
        self._groups = optional_path("groups", groups)
        self._tracks: dict[int, list[Track]] = {}

    @property
    def videos(self) -> Sequence[Video]:
        """The videos of the annotations, in order of id."""
        return self._truth.videos

    @property
    def tracks(self) -> Mapping[int, Sequence[Track]]:
        """The tracks of each video that was added, by its id."""
        return MappingProxyType(self._tracks)

    def add(self, video_id: Any, scores: Any, category_ids: Any, masks: Any) -> None:
        """Add all tracks of a video.

        A video that is added again with the same tracks, as samplers do to fill a batch, counts
        once.

        Args:
            video_id: as in the annotations.
            scores: N numbers: a list, an array or a tensor.
            category_ids: N whole numbers, ids of the annotations' categories (not class indices).
            masks: what yields a track's masks N times: an array or tensor (N, T, H, W), bool or
                uint8, at the video's size, or a list or an iterator of arrays or tensors (T, H, W)
                or of lists with a compressed run-length code or None for each frame.

        Raises:
            InputError: for a video that the annotations do not list, or that was added with other
                tracks; for numbers of scores, categories and masks that differ; for masks of
                another shape.
        """
        video = self._listed(video_id)
        where = f"video {video.id}"
        numbers = _numbers(scores, Real, f"{where}: a score", "a number")
        ids = _numbers(category_ids, Integral, f"{where}: a category id", "a whole number")
        codes = [_codes(track, video, f"{where}, track {n}") for n, track in enumerate(masks)]
        if not len(numbers) == len(ids) == len(codes):
            raise InputError(
                f"{where} has {count(len(numbers), 'score')}, {len(ids)} category ids and masks of "
                f"{count(len(codes), 'track')}; expected one of each for every track"
            )
        tracks = [
            Track(video.id, int(category), float(score), masks_T)
            for score, category, masks_T in zip(numbers, ids, codes, strict=True)
        ]
        if self._tracks.setdefault(video.id, tracks) != tracks:
            raise InputError(
                f"{where} was added before, with other tracks; expected all tracks of a video in "
                "one call, and reset() before the next epoch"
            )

    def merge(self, tracks: Mapping[int, Sequence[Track]]) -> None:
        """Add the `tracks` of another evaluator, such as another process's.

        Of a video that both have, the tracks that are here count.

        Raises:
            InputError: for a video that the annotations do not list.
        """
        for video_id, others in tracks.items():
            self._tracks.setdefault(self._listed(video_id).id, list(others))

    def gather(self) -> None:
        """Merge the tracks of all processes of `torch.distributed`, in each of them.

        Of a video that several have, those of the process of lowest rank count.
        """
        from torch import distributed

        if not (distributed.is_available() and distributed.is_initialized()):
            return
        gathered: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(gathered, self._tracks)
        self._tracks = {}
        for tracks in gathered:
            self.merge(tracks)

    def compute(self) -> EvaluationReport:
        """Evaluate what was added; equal to `evaluate` of the file that `write` writes.

        Videos that were not added count as videos without predictions, and a warning says so.

        Raises:
            InputError: as `evaluate`.
        """
        evaluation = evaluate_results(
            self._truth,
            Results.of(self._ordered(), _NAME),
            tracking_threshold=self._tracking_threshold,
            boundary=self._boundary,
            groups=self._groups,
        )
        missing = len(self._videos) - len(self._tracks)
        if missing:
            number = f"{missing} of {count(len(self._videos), 'video')} of {self._truth.name}"
            warning = f"not added, and counted as without predictions: {number}"
            evaluation = replace(evaluation, warnings=[*evaluation.warnings, warning])
        return EvaluationReport(evaluation)

    def reset(self) -> None:
        """Forget the tracks, as before every epoch."""
        self._tracks = {}

    def write(self, path: str | Path) -> None:
        """Write the tracks to a results file, which `compare`, `report` and `draw` take."""
        write_results(self._ordered(), path_of("path", path), of_images=self._truth.of_images)

    def _ordered(self) -> list[Track]:
        """The tracks in the order of the annotations' videos, whichever process added them."""
        return [track for video_id in self._videos for track in self._tracks.get(video_id, ())]

    def _listed(self, video_id: Any) -> Video:
        [number] = _numbers([video_id], Integral, "video_id", "the whole number of a video")
        if number not in self._videos:
            raise InputError(
                f"video_id is {number}; expected one of the {len(self._videos)} videos of "
                f"{self._truth.name}"
            )
        return self._videos[number]


def _numbers(values: Any, kind: type, what: str, expected: str) -> list[Any]:
    """Numbers of a list, an array or a tensor in plain types."""
    plain = values.tolist() if hasattr(values, "tolist") else values
    numbers = [value.item() if hasattr(value, "item") else value for value in plain]
    for number in numbers:
        if not isinstance(number, kind) or isinstance(number, bool):
            raise InputError(f"{what} is {shown(number)}; expected {expected}")
    return numbers


def _codes(masks: Any, video: Video, where: str) -> list[RLE | None]:
    """The run-length code of each frame of a track, None for a mask without pixels."""
    shape = getattr(masks, "shape", None)
    if shape is None:
        return list(masks)
    expected = (video.length, video.height, video.width)
    if tuple(shape) != expected or str(masks.dtype).removeprefix("torch.") not in ("bool", "uint8"):
        raise InputError(
            f"{where} has masks of shape {tuple(shape)} and dtype {masks.dtype}; expected "
            f"{expected}, frames at the video's size, of bool or uint8"
        )
    codes: list[RLE | None] = [None] * video.length
    if isinstance(masks, np.ndarray):
        filled = np.flatnonzero(masks.any((1, 2))).tolist()
        pairs: Iterable[tuple[int, RLE]] = zip(filled, encode_masks(masks[filled]), strict=True)
    else:
        from vis_bench.inference.encode import encode_filled

        pairs = encode_filled(masks.detach() != 0)
    for frame, code in pairs:
        codes[frame] = code
    return codes
