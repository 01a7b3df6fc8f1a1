"""IDOL: in defense of online models for video instance segmentation.

Wu, Liu, Jiang, Bai, Yuille, Bai, ECCV 2022, arXiv 2207.10661; code: github.com/wjf5203/VNext,
`projects/IDOL`.

| box of the paper's architecture figure | here |
|---|---|
| CNN backbone | `methods.layers.resnet.ResNet`, `methods.layers.swin.SwinTransformer` |
| transformer encoder | `methods.layers.deformable_encoder.DeformableEncoder` |
| transformer decoder | `model.DeformableDecoder` |
| class head, embedding head | `class_heads`, `embedding_head` of `model.IDOL` |
| box head | `box_heads` of `model.DeformableDecoder` |
| mask head | `methods.layers.dynamic_masks` |
| (selection and suppression of detections) | `tracker.selected_queries`, `tracker.kept_masks` |
| memory bank and association | `tracker` |

The authors' code feeds ten frames at a time to the network and pads each video alone, so that a
frame's result does not depend on the ten; here it depends on no batch and no clip either.

The keys of the ResNet-50 checkpoint were compared with the authors' model as their code builds it;
those of ResNet-101 and Swin-L follow from the same code and were compared with no file.
"""

from methods.idol.model import VARIANTS, build

__all__ = ["VARIANTS", "build"]
