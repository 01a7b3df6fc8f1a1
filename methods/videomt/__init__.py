"""VidEoMT: a plain vision transformer that segments and tracks, on Hugging Face's transformers.

arXiv 2602.17807; code: github.com/tue-mps/videomt; the modules are `transformers`'
`VideomtForUniversalSegmentation`, which needs the extra `[transformers]`.

| box of the paper's architecture | here |
|---|---|
| patch embedding, position embedding | `model.PatchTokens` |
| first blocks of the ViT, which see a frame's patches alone | `encoder_layers` of `model.VidEoMT` |
| last blocks, which see queries and patches together | `query_layers` |
| query propagation and fusion: what a frame's queries get from the frame before | `query_updater` |
| class and mask heads | `class_predictor`, `mask_head`, `upscale_block` |

`checkpoint_names` relates the names of weights here to those of both kinds of files.
"""

from methods.videomt.variants import VARIANTS, build

__all__ = ["VARIANTS", "build"]
