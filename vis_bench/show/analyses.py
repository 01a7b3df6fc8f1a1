"""Each side's results, evaluated on the same half-samples of the videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vis_bench.data.groups import Group
from vis_bench.metrics.analyse import Analysis, analyse
from vis_bench.progress import Bars
from vis_bench.runs.sources import Sources


def warnings_of(sides: Iterable[Analysis]) -> list[str]:
    """The warnings about all sides, each once."""
    return list(dict.fromkeys(text for own in sides for text in own.evaluation.warnings))


def analyses(
    sources: Sources,
    bars: Bars,
    tracking_thresholds: Sequence[float],
    *,
    boundary: bool = False,
    groups: Sequence[Group] = (),
    num_resamples: int,
    seed: int,
) -> Iterator[Analysis]:
    """Yields the analysis of each side, below one progress bar.

    Args:
        tracking_thresholds: one per side; tracks with a higher score take part in its tracking
            metrics.
        boundary, groups: as for `analyse`.
    """
    held = {thing.category_id for thing in sources.truth.objects if not thing.is_crowd}
    with bars.bar("resampling", len(sources.sides) * len(held)) as advance:
        for side, threshold in zip(sources.sides, tracking_thresholds, strict=True):
            yield analyse(
                sources.truth,
                side.results,
                tracking_threshold=threshold,
                boundary=boundary,
                groups=groups,
                num_resamples=num_resamples,
                seed=seed,
                advance=advance,
            )
