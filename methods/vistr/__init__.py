"""VisTR: end-to-end video instance segmentation with transformers.

Wang, Xu, Wang, Shen, Cheng, Shen, Xia, CVPR 2021, arXiv 2011.14503; code:
github.com/Epiphqny/VisTR.

| box of the paper's architecture figure | class |
|---|---|
| CNN backbone | `methods.layers.resnet.ResNet` |
| temporal and spatial positional encoding | `methods.layers.maps.sine_position_encoding` |
| transformer encoder, transformer decoder | `model.ClipEncoder`, `model.ClipDecoder` |
| instance queries | `query_embedding` of `model.VisTR` |
| instance sequence segmentation: self-attention map | `masks.AttentionMaps` |
| instance sequence segmentation: fusion, deformable convolution | `masks.MaskFeatures` |
| instance sequence segmentation: 3-D convolution | `masks.InstanceMasks` |

Instance sequence matching belongs to training, which is not here.
"""

from methods.vistr.model import VARIANTS, build

__all__ = ["VARIANTS", "build"]
