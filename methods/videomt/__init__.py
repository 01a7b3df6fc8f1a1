"""VidEoMT: a plain vision transformer that segments and tracks, as an online method.

arXiv 2602.17807; code: github.com/tue-mps/videomt. Its encoder is a vision transformer of DINOv2 or
DINOv3; everything behind the encoder is the same.

| box of the paper's architecture | here |
|---|---|
| patch embedding | `vit.PatchTokens` |
| position embedding | `positions.PositionTable` (DINOv2), `positions.RotaryPositions` (DINOv3) |
| blocks of the ViT | `vit.Block` |
| first blocks, which see a frame's patches alone | `encoder_layers` of `model.VidEoMT` |
| last blocks, which see queries and patches together | `query_layers` |
| query propagation and fusion: a frame's queries with those of the frame before | `query_updater` |
| class and mask heads | `class_predictor`, `mask_head`, `upscale_block` (`heads`) |
"""

from methods.videomt.model import VARIANTS, build

__all__ = ["VARIANTS", "build"]
