"""The paired difference of AP of two records, from the predictions beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.metrics.analyse import analyse
from vis_bench.metrics.compare import Difference, difference_of
from vis_bench.records.metrics import same_ap
from vis_bench.records.ranking import tie_break
from vis_bench.records.schema import Record
from vis_bench.records.store import StoredRecords, predictions_path
from vis_bench.runs.sources import find_annotations


class PairedAP:
    """Compares records of a folder, each evaluated once and on the same resamples of its videos.

    `problems` has a sentence for each record whose predictions are not those that it was measured
    with.
    """

    def __init__(
        self, stored: StoredRecords, annotations: Path | None = None, data_root: Path | None = None
    ) -> None:
        """Reads nothing yet.

        Args:
            stored: the records and their files.
            annotations: the ground truth of records whose data set is not at hand; used for those
                that were measured with this very file.
            data_root: where data sets lie.
        """
        self.problems: list[str] = []
        self._stored = stored
        self._annotations = annotations
        self._data_root = data_root
        self._path_of = {
            tie_break(record): path
            for record, path in zip(stored.records, stored.paths, strict=True)
        }
        self._ap_of: dict[str, np.ndarray | None] = {}
        self._truth_of: dict[tuple[str, int | None], GroundTruth | None] = {}

    def __call__(self, first: Record, second: Record) -> Difference | None:
        """AP of the second minus AP of the first, with its interval.

        None where the records are of different videos, or predictions or annotations are not at
        hand.
        """
        if _videos(first) != _videos(second):
            return None
        one, two = self._ap(first), self._ap(second)
        return None if one is None or two is None else difference_of(one, two)

    def _ap(self, record: Record) -> np.ndarray | None:
        """AP as observed, then in each resample, (1 + B,)."""
        key = tie_break(record)
        if key not in self._ap_of:
            try:
                self._ap_of[key] = self._resampled(record)
            except InputError:
                self._ap_of[key] = None
        return self._ap_of[key]

    def _resampled(self, record: Record) -> np.ndarray | None:
        path, truth = self._path_of.get(tie_break(record)), self._ground_truth(record)
        if path is None or truth is None or record.ap is None:
            return None
        ap_B = analyse(truth, read_results(predictions_path(record, path))).overall["ap"]
        if not same_ap(record.ap, float(ap_B[0])):
            self.problems.append(
                f"record {path} holds AP {100 * record.ap:.2f}, but the predictions beside it have "
                f"{100 * float(ap_B[0]):.2f}; expected those that it was measured with"
            )
            return None
        return ap_B

    def _ground_truth(self, record: Record) -> GroundTruth | None:
        """The annotations, from any record of the same videos that says where they are."""
        digest, num_videos = _videos(record)
        if digest is None:
            return None
        key = digest, num_videos
        if key not in self._truth_of:
            self._truth_of[key] = self._find_truth(record)
        return self._truth_of[key]

    def _find_truth(self, record: Record) -> GroundTruth | None:
        same = [other for other in self._stored.records if _videos(other) == _videos(record)]
        tried = []
        for other in same:
            dataset = other.config.get("dataset")
            if dataset not in tried:
                tried.append(dataset)
                for annotations in dict.fromkeys((self._annotations, None)):
                    try:
                        return find_annotations([other], annotations, self._data_root)[0]
                    except InputError:
                        continue
        return None


def _videos(record: Record) -> tuple[str | None, int | None]:
    return record.annotations_sha256, record.num_videos
