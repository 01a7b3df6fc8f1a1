"""Differences of AP between the records of a folder, on the same half-samples of the videos."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.frames import is_file
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.check_results import doubts
from vis_bench.metrics.matches_file import read_matches
from vis_bench.metrics.matching import Matches, occurring
from vis_bench.metrics.resample import resampled_ap
from vis_bench.metrics.scores import Asked, Difference, ap_score, difference_of
from vis_bench.record.metrics import same_ap
from vis_bench.record.names import measured_videos, tie_break
from vis_bench.record.schema import Record
from vis_bench.record.store import StoredRecords, matches_file, predictions_path
from vis_bench.runs.sources import find_annotations


class PairedAP:
    """Matches of a folder's records, each found once, and paired differences of their AP.

    Matches are read from the file beside a record, or else computed from its predictions.
    `problems` has a sentence for each record whose predictions are not those that it was measured
    with.

    Args:
        stored: the records and their files.
        annotations: ground truth of records whose data set is not at hand; used for those that were
            measured with this very file.
        data_root: where data sets lie.
    """

    def __init__(
        self, stored: StoredRecords, annotations: Path | None = None, data_root: Path | None = None
    ) -> None:
        self.problems: list[str] = []
        self._stored = stored
        self._annotations = annotations
        self._data_root = data_root
        paths = zip(stored.records, stored.paths, strict=True)
        self._path_of = {tie_break(record): path for record, path in paths}
        self._ap_of: dict[str, np.ndarray | None] = {}
        self._matches_of: dict[str, Matches | None] = {}
        self._truth_of: dict[tuple[Hashable, ...], GroundTruth | None] = {}

    def __call__(self, first: Record, second: Record) -> Difference | None:
        """AP of the second minus AP of the first, with its interval.

        None for records of different videos, and for those without predictions, annotations or an
        interval.
        """
        if measured_videos(first) != measured_videos(second):
            return None
        one, two = self.samples(first), self.samples(second)
        if one is None or two is None:
            return None
        return difference_of(one, two, first.num_videos or 0)

    def matches(self, record: Record) -> Matches | None:
        """The matches that a record's AP was computed from; None where they are not at hand."""
        key = tie_break(record)
        if key not in self._matches_of:
            try:
                self._matches_of[key] = self._found_matches(record)
            except InputError:
                self._matches_of[key] = None
        return self._matches_of[key]

    def samples(self, record: Record) -> np.ndarray | None:
        """AP of all videos, then of each half-sample, (1 + B,); None where it is unknown."""
        key = tie_break(record)
        if key not in self._ap_of:
            matches = self.matches(record)
            score = None if matches is None else ap_score(matches)
            self._ap_of[key] = score.samples_S if score is not None and score.interval else None
        return self._ap_of[key]

    def doubts(self, record: Record) -> list[str]:
        """Sentences about videos without predictions, and about tracks that stand again."""
        matches, path = self.matches(record), self._path_of.get(tie_break(record))
        if matches is None or path is None:
            return []
        held_V = sum(own.num_objects_VA[:, 0] for own in occurring(matches.categories))
        held = [matches.videos[v].id for v in np.flatnonzero(held_V).tolist()]
        try:
            return doubts(read_results(predictions_path(record, path)), matches.videos, held)
        except InputError:  # the matches alone lie beside the record
            return []

    def _found_matches(self, record: Record) -> Matches | None:
        path, videos = self._path_of.get(tie_break(record)), measured_videos(record)
        if path is None or record.ap is None:
            return None
        kept = matches_file(record, path)
        if is_file(kept):
            matches = read_matches(kept)
        else:
            if videos not in self._truth_of:
                self._truth_of[videos] = self._find_truth(record)
            truth = self._truth_of[videos]
            if truth is None:
                return None
            asked = Asked(max_tracks=record.max_tracks)
            matches = evaluate(truth, read_results(predictions_path(record, path)), asked).matches
        if not matches.videos or not matches.categories:
            return None
        ap = float(resampled_ap(matches, np.ones((1, len(matches.videos)), int))[0])
        if same_ap(record.ap, ap):
            return matches
        self.problems.append(
            f"record {path} holds AP {100 * record.ap:.2f}, but the predictions beside it have "
            f"{100 * ap:.2f}; expected those that it was measured with"
        )
        return None

    def _find_truth(self, record: Record) -> GroundTruth | None:
        """The annotations, from any record of the same videos that states where they are."""
        if record.annotations_sha256 is None:
            return None
        tried = []
        for other in self._stored.records:
            dataset = other.config.get("dataset")
            if measured_videos(other) == measured_videos(record) and dataset not in tried:
                tried.append(dataset)
                for annotations in dict.fromkeys((self._annotations, None)):
                    try:
                        return find_annotations([other], annotations, self._data_root)[0]
                    except InputError:
                        continue
        return None
