"""AP and AR of instances of single images: pycocotools' COCOeval, and its own 12 numbers.

Areas differ from those of videos: small is up to 32^2 pixels, medium up to 96^2. The areas of
detections are those of their masks, since results hold no boxes.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.metrics.check_results import check_results
from vis_bench.metrics.exclusions import not_applied
from vis_bench.metrics.precision_recall import Curves, summarize
from vis_bench.metrics.scores import Scores

if TYPE_CHECKING:  # it imports urllib, which videos need not wait for
    from pycocotools.coco import COCO


@dataclass(frozen=True)
class ImageEvaluation:
    """Evaluation of instances of single images; `warnings` as in `ap.Evaluation`.

    `occurring`: categories with an annotation or an instance.
    """

    ground_truth: GroundTruth
    curves: Curves
    warnings: Sequence[str]
    occurring: Set[int]
    # What only videos have.
    tracking = boundary = interval = None
    scores: ClassVar[Scores] = {}

    @property
    def videos(self) -> Sequence[Video]:
        """The images, each a video of one frame."""
        return self.ground_truth.videos

    @property
    def num_categories(self) -> int:
        """The number of listed categories."""
        return len(self.ground_truth.categories)

    def summary(self) -> dict[str, float]:
        """COCOeval's 12 numbers as fractions, by the names of `ap.Evaluation.summary`; -1 where
        there is no ground truth.
        """
        return summarize(self.curves)

    def record_numbers(self) -> dict[str, Any]:
        """Values of a record: the 12 numbers."""
        return self.summary()

    def per_category(self) -> list[dict[str, int | str | float]]:
        """Per category that has an annotation or an instance, in order of id: `id`, `name` and the
        same 12 numbers.
        """
        return [
            {"id": key, "name": name, **summarize(self.curves, slice(k, k + 1))}
            for k, (key, name) in enumerate(self.ground_truth.categories.items())
            if key in self.occurring
        ]


def evaluate_images(ground_truth: GroundTruth, results: Results) -> ImageEvaluation:
    """Evaluate instances of single images by pycocotools.

    Args:
        ground_truth: of images, each a video of one frame.
        results: tracks of one frame each.

    Raises:
        InputError: for a track with other than one frame, and as `check_results`.
    """
    from pycocotools.cocoeval import COCOeval

    warnings = [*ground_truth.warnings, *check_results(ground_truth, results)]
    warnings += not_applied(ground_truth, "COCOeval")
    for index, track in enumerate(results.tracks):
        if len(track.segmentations) != 1:
            raise InputError(
                f"{results.name}, entry {index} has {len(track.segmentations)} masks; expected "
                "one, since the annotations are of single images"
            )
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        evaluator = COCOeval(_truth(ground_truth), _detections(ground_truth, results), "segm")
        evaluator.evaluate()
        evaluator.accumulate()
    found = evaluator.eval
    return ImageEvaluation(
        ground_truth,
        Curves(found["precision"], found["recall"], found["scores"]),
        warnings,
        {thing.category_id for thing in ground_truth.objects}
        | {track.category_id for track in results.tracks},
    )


def _truth(ground_truth: GroundTruth) -> COCO:
    masks = [ground_truth.tubes.tube(n)[0] for n in range(len(ground_truth.objects))]
    return _indexed(
        ground_truth,
        [
            {
                "id": thing.id,
                "image_id": thing.video_id,
                "category_id": thing.category_id,
                "iscrowd": int(thing.is_crowd),
                "area": thing.average_area,
                "segmentation": masks[n],
            }
            for n, thing in enumerate(ground_truth.objects)
            if masks[n]
        ],
    )


def _detections(ground_truth: GroundTruth, results: Results) -> COCO:
    """As `COCO.loadRes` makes them of a file without boxes."""
    detections = [
        {
            "image_id": track.video_id,
            "category_id": track.category_id,
            "score": track.score,
            "segmentation": track.segmentations[0],
        }
        for track in results.tracks
        if track.segmentations[0]
    ]
    empty = _indexed(ground_truth, [])
    return empty.loadRes(detections) if detections else empty


def _indexed(ground_truth: GroundTruth, annotations: list[dict[str, Any]]) -> COCO:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [
            {"id": image.id, "height": image.height, "width": image.width}
            for image in ground_truth.videos
        ],
        "categories": [{"id": key, "name": n} for key, n in ground_truth.categories.items()],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco
