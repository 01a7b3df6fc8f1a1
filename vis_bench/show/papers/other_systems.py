"""How the systems of the comparison that have no code here are measured, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.show.published import other_systems

_RECIPE = (
    "Systems without code here are measured by a results file in YouTube-VIS form: vis-bench eval "
    "--annotations GT.json --predictions R.json --record NAME --backbone BACKBONE, with both "
    "names as in this table, fills their row."
)


def who_else_can_be_measured() -> tuple[str, ...]:
    """The command, what is known of the form of several, and why each has no adapter."""
    facts = other_systems()
    systems = facts["systems"]
    same_form = [s["method"] for s in systems if s.get("form") == "mmdetection"]
    return (
        _RECIPE,
        f"{_listed(same_form)} write such a file: {facts['mmdetection_form']}.",
        *map(_reason, systems),
    )


def _reason(system: Mapping[str, Any]) -> str:
    where = f"; github.com/{system['repository']}" if "repository" in system else ""
    return (
        f"{system['method']} has no adapter: {system['no_adapter']} (license: "
        f"{system['license']}{where})."
    )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
