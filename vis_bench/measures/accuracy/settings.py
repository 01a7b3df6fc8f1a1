"""The settings of an accuracy measurement."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, StrictBool


class AccuracySettings(BaseModel):
    """Metrics beside AP, AR and tracking: with `boundary`, AP by masks and their boundaries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    boundary: StrictBool = False
