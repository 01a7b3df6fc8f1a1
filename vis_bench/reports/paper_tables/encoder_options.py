"""IFC's encoder as published; the ablations each change one of these options."""

from __future__ import annotations

PUBLISHED_ENCODER = {
    "options.communication": "ifc",
    "options.memory_tokens": 8,
    "options.memory": "decomposed",
}

COMMUNICATION_TITLES = {
    "none": "No Comm",
    "full": "Full THW",
    "decomposed": "Decompose T-HW",
    "ifc": "IFC",
}
