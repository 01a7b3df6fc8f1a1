"""All measurements, in the order in which they are made and shown."""

from __future__ import annotations

from vis_bench.measures.accuracy import facts as accuracy
from vis_bench.measures.flops import facts as flops
from vis_bench.measures.measure import Measure, Need
from vis_bench.measures.memory import facts as memory
from vis_bench.measures.speed import facts as speed
from vis_bench.measures.streaming import facts as streaming
from vis_bench.record.schema import Record

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        accuracy.MEASURE,
        flops.MEASURE,
        speed.MEASURE,
        memory.MEASURE,
        streaming.MEASURE,
    )
}


def with_need(need: Need) -> list[str]:
    """Names of the measurements that have a need."""
    return [name for name, measure in MEASURES.items() if need in measure.needs]


def values_text(record: Record) -> str:
    """The main values of a record in a few words: `AP 81.3  HOTA 68.6  1.5 FPS`."""
    return "  ".join(text for measure in MEASURES.values() if (text := measure.words(record)))
