"""MS-STS VIS: SeqFormer with multi-scale spatio-temporal split attention. A reconstruction.

Thawakar, Narayan, Cao, Cholakkal, Anwer, Khan, Felsberg, Khan, "Video Instance Segmentation via
Multi-scale Spatio-temporal Split Attention Transformer", ECCV 2022, arXiv 2203.13253.

Published: the paper (an encoder with attention within and between scales over time beside
deformable attention; temporal attention of the decoder's box queries; a discriminator in
training), its numbers, and in the authors' repository (github.com/OmkarThawakar/MSSTS-VIS)
SeqFormer's code with a discriminator that nothing calls. Chosen here: everything about the module
that the figures leave open, see `model.MSSTSAttention`.

| box of the paper's architecture figure | class |
|---|---|
| CNN backbone | `methods.layers.resnet.ResNet`, `methods.layers.swin.SwinTransformer` |
| encoder layer: deformable attention + MS-STS attention | `model.MSSTSEncoderLayer` |
| MS-STS module | `model.MSSTSAttention` |
| intra-scale temporal attention | `model.IntraScaleAttention` |
| inter-scale temporal attention | `model.InterScaleAttention` |
| decoder layer with temporal attention | `model.TemporalDecoderLayer` |
| instance features, class, box and mask heads | those of `methods.seqformer` |
| discriminator (training only) | `methods.training.ms_sts_criterion.Discriminator` |

Size with ResNet-50 and 40 classes: 50.6 M distinct learnable parameters, or 51.5 M counted as
SeqFormer's published 49.3 M are, which is every number in the checkpoint: box heads twice, frozen
norms included. Published are 50.6 M, without a word on how they were counted. If as SeqFormer's,
this reconstruction is 0.9 M larger than the authors' model.

`model` has the sizes by name, and puts the parts together. The options `intra_scale`,
`inter_scale` and `temporal_decoder` leave a part out, for an ablation; without any of the three the
network is SeqFormer's, though its encoder still runs clip by clip.
"""

from methods.ms_sts.model import VARIANTS, build

__all__ = ["VARIANTS", "build"]
