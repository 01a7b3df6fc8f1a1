"""Where a method loses AP: each kind of error is repaired in turn; what that gains is its share.

After TIDE (Bolya, Foley, Hays and Hoffman, ECCV 2020), whose thresholds these are, carried over to
tracks and with errors of identity added. Every track that finds no object is one of:

- *identity*: it does not stay with one object, or not alone. In a frame it follows the object that
  it overlaps most, from an IoU of 0.5 on; it is of an object if it follows it in at least half of
  the frames in which it has a mask. One of three kinds:
  - *switch* to another object: over time it follows several objects. Repaired by staying with one
    of them.
  - *fragment* of the same object: with other tracks of its category it is of one object, which each
    of them follows in other frames. Repaired by joining them.
  - *drift* to background: it is of an object, but in some frames its mask overlaps no object (IoU
    below 0.1). Repaired by taking the object's mask there, or none where the object is gone.
- *class*: its space-time IoU with an object of another category is at least 0.5, and with none of
  its own. Repaired by changing the category.
- *mask quality*: its IoU with an object of its category is at least 0.1 but below 0.5; or it does
  find its object, but at an IoU below 1, which costs AP at the thresholds above. Repaired by taking
  the object's mask.
- *duplicate*: its IoU with an object of its category is at least 0.5, but a better-scored track has
  found that object. Repaired by dropping it.
- *background*: any other track that finds nothing. Repaired by dropping it.

and an object that no track finds is *missed*, repaired by adding it. Repairs build on each other in
this order, so that the shares add up to all of the AP that is lost. A class or mask repair of a
track whose object has been found already drops the track.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.followed_videos import followed_videos
from vis_bench.metrics.identity_repairs import (
    join_fragments,
    repair_switches,
    return_from_background,
)
from vis_bench.metrics.repaired_ap import repaired_ap
from vis_bench.metrics.repairs import (
    add_missed,
    drop_background,
    drop_duplicates,
    repair_classes,
    repair_masks,
)

ERRORS = ("identity", "class", "mask quality", "duplicate", "background", "missed")
IDENTITY_ERRORS = ("switch", "fragment", "drift")


@dataclass(frozen=True)
class ErrorBreakdown:
    """AP as it is, and what each repair adds, both as fractions; see the module's text.

    `gains` are in the order of `ERRORS` and sum to 1 - `ap`. A gain can be slightly negative: a
    track of the wrong class costs nothing where its category has no objects, and costs something
    once its class is repaired. `identity_gains` are in the order of `IDENTITY_ERRORS` and sum to
    the gain of `identity`.
    """

    ap: float
    gains: dict[str, float]
    identity_gains: dict[str, float]

    def shares(self) -> dict[str, float]:
        """Each kind's share of the lost AP; all 0 where nothing is lost."""
        return self._shares(self.gains)

    def identity_shares(self) -> dict[str, float]:
        """The share of each kind of identity error; they sum to that of `identity`."""
        return self._shares(self.identity_gains)

    def _shares(self, gains: dict[str, float]) -> dict[str, float]:
        lost = sum(self.gains.values())
        return {kind: gain / lost if lost > 1e-9 else 0.0 for kind, gain in gains.items()}


def break_down(ground_truth: GroundTruth, results: Results) -> ErrorBreakdown:
    """Splits the AP that a results file loses among the kinds of error.

    Args:
        ground_truth: annotations with at least one object that is not a crowd.
        results: tracks of the annotated videos.
    """
    followed = followed_videos(ground_truth, results)
    stages = [[each.video for each in followed]]
    for mend in (repair_switches, join_fragments, return_from_background):
        followed = [mend(each) for each in followed]
        stages.append([each.video for each in followed])
    for repair in (repair_classes, repair_masks, drop_duplicates, drop_background, add_missed):
        stages.append([repair(video) for video in stages[-1]])
    aps = [repaired_ap(stage, ground_truth.categories) or 0.0 for stage in stages]
    gains = np.diff(aps).tolist()
    num_kinds = len(IDENTITY_ERRORS)
    merged = [aps[num_kinds] - aps[0], *gains[num_kinds:]]
    return ErrorBreakdown(
        aps[0],
        dict(zip(ERRORS, merged, strict=True)),
        dict(zip(IDENTITY_ERRORS, gains[:num_kinds], strict=True)),
    )
