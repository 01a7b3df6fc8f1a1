"""IFC: video instance segmentation with inter-frame communication transformers.

Hwang, Heo, Oh, Kim, NeurIPS 2021, arXiv 2106.03299; code: github.com/sukjunhwang/IFC.

| box of the paper's architecture figure | class |
|---|---|
| CNN backbone | `methods.layers.resnet.ResNet` |
| transformer encoder: Encode-Receive, Gather-Communicate | `encoder.InterFrameCommunication` |
| transformer decoder | `model.ClipDecoder` |
| class head | `class_head` of `model.IFC` |
| spatial decoder, mask head | `model.SpatialDecoder` |
| matching of clips (section 3.3) | `vis_bench.inference.tracker.ClipTracker` |

On single images (`mode: image`) the instances are those of `inference.image_instances`.

The encoders that the paper compares with (no, full and decomposed communication) stand beside
`InterFrameCommunication`. `model` has the sizes by name, and puts the parts together.
"""

from methods.ifc.model import VARIANTS, build

__all__ = ["VARIANTS", "build"]
