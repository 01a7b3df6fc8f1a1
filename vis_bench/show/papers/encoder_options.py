"""IFC's encoder as published; the ablations each change one of these options."""

from __future__ import annotations

PUBLISHED_ENCODER = {
    "options.communication": "ifc",
    "options.memory_tokens": 8,
    "options.memory": "decomposed",
}

# The sizes of frame and the clip lengths that the encoder's cost is published for.
ENCODER_SIZES_HW = ((360, 640), (720, 1280))
ENCODER_CLIP_LENGTHS = (5, 36)

COMMUNICATION_TITLES = {
    "none": "No Comm",
    "full": "Full THW",
    "decomposed": "Decompose T-HW",
    "ifc": "IFC",
}
