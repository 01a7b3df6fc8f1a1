"""Evaluation inside a training loop: tracks are added as a model predicts them, without a file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vis_bench.arguments import THRESHOLD, optional_path, path_of, speaks_of_arguments
from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.rle import RLE, check_run_lengths, encode_masks, from_run_lengths
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics.ap import checked, evaluate_results, read_truth
from vis_bench.metrics.scores import Asked
from vis_bench.show.evaluation import EvaluationReport
from vis_bench.text import count

_NAME = "the tracks that were added"
_MASK = "an array (H, W), lists of true and false or of 1 and 0, a run-length code, or None"
_LARGEST = sys.float_info.max


class Evaluator:
    """Computes AP and AR of the tracks that a training loop adds, as `evaluate` does of a file.

    Masks are encoded as they are added, so that memory grows with run lengths and not with pixels.

    Args:
        annotations, long_annotations, tracking_threshold, boundary, groups, clear, max_tracks: as
            for `evaluate`.
    """

    @speaks_of_arguments
    def __init__(
        self,
        annotations: str | Path,
        *,
        long_annotations: str | Path | None = None,
        tracking_threshold: float | None = None,
        boundary: bool = False,
        groups: str | Path | None = None,
        clear: bool = False,
        max_tracks: int | None = None,
    ) -> None:
        if tracking_threshold is not None:
            THRESHOLD.check("tracking_threshold", tracking_threshold)
        self._truth = read_truth(
            path_of("annotations", annotations), optional_path("long_annotations", long_annotations)
        )
        self._videos = {video.id: video for video in self._truth.videos}
        chosen = optional_path("groups", groups)
        asked = Asked(tracking_threshold, boundary, chosen, clear=clear, max_tracks=max_tracks)
        self._asked = checked(self._truth, asked)
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
                or of lists with one mask per frame: an array, tensor or nested lists (H, W), a
                run-length code (COCO's, compressed or not), or None.

        Raises:
            InputError: for a video or category that the annotations do not list, a video that was
                added with other tracks, numbers of scores, categories and masks that differ, and
                scores and masks that cannot be evaluated; nothing is added then.
        """
        tracks = self._checked(video_id, scores, category_ids, masks)
        video = self._listed(video_id)
        if self._tracks.setdefault(video.id, tracks) != tracks:
            raise InputError(
                f"video {video.id} was added before, with other tracks; expected all tracks of a "
                "video in one call, and reset() before the next epoch"
            )

    def _checked(self, video_id: Any, scores: Any, category_ids: Any, masks: Any) -> list[Track]:
        """The tracks of one video, with codes of their own that can be evaluated."""
        video = self._listed(video_id)
        where = f"video {video.id}"
        numbers = _numbers(scores, Real, f"{where}: a score", "a number")
        ids = _numbers(category_ids, Integral, f"{where}: a category id", "a whole number")
        known = self._truth.categories
        for number in ids:
            if number not in known:
                raise InputError(
                    f"{where}: a category id is {number}; expected one of the {len(known)} of "
                    f"{self._truth.name}, {min(known, default=0)} to {max(known, default=0)} (ids, "
                    "not class indices)"
                )
        each = _each(masks, f"{where}: masks", "the masks of each track")
        codes = [_codes(track, video, f"{where}, track {n}") for n, track in enumerate(each)]
        if not len(numbers) == len(ids) == len(codes):
            raise InputError(
                f"{where} has {count(len(numbers), 'score')}, {len(ids)} category ids and masks of "
                f"{count(len(codes), 'track')}; expected one of each for every track"
            )
        return [
            Track(video.id, int(category), float(score), masks_T)
            for score, category, masks_T in zip(numbers, ids, codes, strict=True)
        ]

    def merge(self, tracks: Mapping[int, Sequence[Track]]) -> None:
        """Add the `tracks` of another evaluator, such as another process's.

        Of a video that both have, the tracks that are here count.

        Raises:
            InputError: for what `add` refuses.
        """
        for video_id, others in tracks.items():
            checked = self._checked(
                video_id,
                [own.score for own in others],
                [own.category_id for own in others],
                [own.segmentations for own in others],
            )
            self._tracks.setdefault(self._listed(video_id).id, checked)

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

        Videos that were not added count as videos without predictions. What looks mistaken is in
        the report's `warnings`, each a Python warning, too.
        """
        results = Results.of(self._ordered(), _NAME, added=self._tracks)
        report = EvaluationReport(evaluate_results(self._truth, results, self._asked))
        for warning in report.warnings:
            warnings.warn(warning, stacklevel=2)
        return report

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
    """Finite numbers of a list, an array or a tensor in plain types."""
    each = _each(_plain(values), what, f"{expected} for each track, in a list")
    numbers: list[Any] = []
    for value in map(_plain, each):
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(f"{what} is {shown(value)}; expected {expected}")
        numbers.append(value)
        if not -_LARGEST <= numbers[-1] <= _LARGEST:
            raise InputError(f"{what} is {shown(value)}; expected a finite number")
    return numbers


def _each(values: Any, what: str, expected: str) -> Iterator[Any]:
    """Iterate over a list or anything like it."""
    try:
        if not isinstance(values, (str, bytes, Mapping)):
            return iter(values)
    except TypeError:
        pass
    raise InputError(f"{what} is {shown(values)}; expected {expected}")


def _plain(value: Any) -> Any:
    """An array or tensor as lists, or a number of theirs, in plain types."""
    return value.tolist() if hasattr(value, "tolist") else value


def _codes(masks: Any, video: Video, where: str) -> list[RLE | None]:
    """The run-length code of each frame of a track, None for a mask without pixels."""
    if _is_dense(masks):
        return _encoded(masks, (video.length, video.height, video.width), where)
    frames = [*_each(masks, where, "an array (T, H, W), or a list with a mask or None per frame")]
    if len(frames) != video.length:
        raise InputError(
            f"{where} has {count(len(frames), 'mask')}; expected {video.length}, one or None for "
            "each frame of the video"
        )
    codes: list[Any] = [
        _code(mask, (video.height, video.width), f"{where}, frame {t}: the mask")
        for t, mask in enumerate(frames)
    ]
    tubes = measure_tubes([codes], lambda _, t: f"{where}, frame {t}: the mask")
    for height, width in tubes.sizes_of(0):
        if (height, width) != (video.height, video.width):
            raise InputError(
                f"{where} has a mask of size {[height, width]}; expected "
                f"{[video.height, video.width]}, the size of the video's frames"
            )
    return codes


def _is_dense(masks: Any) -> bool:
    """True of an array or tensor of numbers; one of objects is read as a list."""
    return hasattr(masks, "shape") and str(getattr(masks, "dtype", "")) != "object"


def _code(mask: Any, size_HW: tuple[int, int], where: str) -> RLE | None:
    """A frame's mask as a compressed code of its own, not yet checked; None without pixels."""
    if mask is None or (isinstance(mask, (list, Mapping)) and not mask):
        return None
    if isinstance(mask, Mapping):
        return _own_code(mask, where)
    if not _is_dense(mask):
        mask = _of_lists(mask, where)
    return _encoded(mask[None], (1, *size_HW), where)[0]


def _own_code(code: Mapping[str, Any], where: str) -> Any:
    """A copy of a code with its counts as text and its size as a list, whatever they were."""
    size, counts = _plain(code.get("size")), code.get("counts")
    if isinstance(counts, memoryview) and counts.itemsize == 1:
        counts = bytes(counts)
    counts = _plain(counts)
    copied = {"size": [*map(_plain, size)] if isinstance(size, (list, tuple)) else size}
    if isinstance(counts, (bytes, bytearray)):
        counts = counts.decode("latin-1")  # what no code holds is refused as in text
    if isinstance(counts, (list, tuple)):
        copied["counts"] = [*map(_plain, counts)]
        check_run_lengths(copied, where)
        return from_run_lengths(copied["counts"], *copied["size"])
    return {**copied, "counts": counts}


def _of_lists(mask: Any, where: str) -> np.ndarray:
    """A mask of nested lists, whose values are true and false or 1 and 0."""
    try:
        mask_HW = np.asarray(list(_each(mask, where, _MASK)))
    except ValueError:  # rows of unequal lengths
        mask_HW = np.zeros(0)
    if mask_HW.dtype.kind not in "biu" or not np.isin(mask_HW, (0, 1)).all():
        raise InputError(f"{where} is {shown(mask)}; expected {_MASK}")
    return mask_HW.astype(bool)


def _encoded(masks: Any, expected: tuple[int, int, int], where: str) -> list[RLE | None]:
    """The codes of an array or tensor (T, H, W), None for a mask without pixels."""
    shape, dtype = tuple(masks.shape), str(masks.dtype).removeprefix("torch.")
    if shape != expected or dtype not in ("bool", "uint8"):
        raise InputError(
            f"{where} has masks of shape {shape} and dtype {masks.dtype}; expected {expected}, "
            "frames at the video's size, of bool or uint8"
        )
    codes: list[RLE | None] = [None] * len(masks)
    if hasattr(masks, "detach"):
        from vis_bench.inference.encode import encode_filled

        if masks.is_meta:
            raise InputError(f"{where} has masks on the meta device; expected masks with values")
        pairs: Iterable[tuple[int, RLE]] = encode_filled(masks.detach().to_dense() != 0)
    else:
        masks = np.asarray(masks)
        filled = np.flatnonzero(masks.any((1, 2))).tolist()
        pairs = zip(filled, encode_masks(masks[filled]), strict=True)
    for frame, code in pairs:
        codes[frame] = code
    return codes
