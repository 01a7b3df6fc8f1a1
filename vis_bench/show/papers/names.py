"""How papers call methods and backbones, and how records do."""

from __future__ import annotations

import re

# As published -> as registered here; what is not listed is not one of this bench's methods and
# enters by `eval --record NAME` under any spelling of the published name.
METHOD_NAMES = {"VisTR": "vistr", "IFC": "ifc", "SeqFormer": "seqformer", "MS-STS VIS": "ms_sts"}
# Those with a bundled mini model.
MINI_METHODS = ("IFC", "SeqFormer", "MS-STS VIS")
BACKBONE_NAMES = {
    "ResNet-50": "r50",
    "ResNet-101": "r101",
    "ResNeXt-101": "x101",
    "Swin-L": "swin_l",
}


def method_names(published: str) -> tuple[str, ...]:
    """The names under which a record's `method` may stand, spelled by `simplified`."""
    names = {simplified(published), simplified(METHOD_NAMES.get(published, published))}
    return tuple(sorted(names))


def simplified(name: str) -> str:
    """A name without case, blanks and punctuation: "MaskTrack R-CNN" is "masktrackrcnn"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
