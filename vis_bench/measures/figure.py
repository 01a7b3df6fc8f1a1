"""A value of a record that is followed over commits."""

from __future__ import annotations

from dataclasses import dataclass

from vis_bench.record.metrics import Metric
from vis_bench.table.model import ABSENT


@dataclass(frozen=True)
class Figure:
    """A value, with what tables and charts need to follow it.

    Attributes:
        metric: its title, unit and digits; its field names it in JSON.
        value, low, high: in the record's unit; None where unknown.
        compared: the figure of the comparison that tells whether it has moved; empty for none.
        bars: what `low` and `high` are the ends of.
        is_drawn: it has a chart.
    """

    metric: Metric
    value: float | None
    low: float | None = None
    high: float | None = None
    compared: str = ""
    bars: str = ""
    is_drawn: bool = True

    @property
    def text(self) -> str:
        """The value as printed; a dash where it is unknown."""
        return ABSENT if self.value is None else self.metric.text(self.value)

    @property
    def ends(self) -> tuple[str, str] | None:
        """The ends of the bar as printed; None where they are unknown."""
        if self.low is None or self.high is None:
            return None
        return self.metric.text(self.low), self.metric.text(self.high)
