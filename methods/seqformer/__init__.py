"""SeqFormer: sequential transformer for video instance segmentation.

Wu, Jiang, Bai, Zhang, Bai, ECCV 2022, arXiv 2112.08275; code: github.com/wjf5203/SeqFormer, with
clip-wise inference in github.com/wjf5203/VNext.

| box of the paper's architecture figure | class |
|---|---|
| CNN backbone | `methods.layers.resnet.ResNet`, `methods.layers.swin.SwinTransformer` |
| (projection to four levels) | `methods.layers.deformable_encoder.LevelProjection` |
| transformer encoder, frame by frame | `methods.layers.deformable_encoder.DeformableEncoder` |
| query decompose transformer decoder | `decoder.QueryDecomposeDecoder` |
| instance query, box queries, their weighted sum over time | `decoder.QueryDecomposeLayer` |
| class head | `class_heads` of `model.SeqFormer` |
| box head | `box_heads` of `decoder.QueryDecomposeDecoder` |
| mask branch | `methods.layers.dynamic_masks.MaskBranch` |
| mask head with dynamic convolutions | `methods.layers.dynamic_masks.DynamicMaskHead` |

`model` has the sizes by name, and puts the parts together.
"""

from methods.seqformer.model import VARIANTS, build

__all__ = ["VARIANTS", "build"]
