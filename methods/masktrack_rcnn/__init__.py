"""MaskTrack R-CNN: Mask R-CNN frame by frame, and a memory of identities that joins its detections.

Yang, Fan, Xu, ICCV 2019, arXiv 1905.04804, as MMDetection 3 has it (open-mmlab/mmdetection,
configs/masktrack_rcnn; Apache 2.0); Mask R-CNN: He, Gkioxari, Dollar, Girshick, ICCV 2017.

| box of the papers' architecture figures | here |
|---|---|
| backbone | `methods.layers.resnet.ResNet` |
| feature pyramid network | `detector.FeaturePyramid` |
| region proposal network | `detector.ProposalHead` |
| RoIAlign | `methods.layers.roi_align` |
| class and bounding box branch | `detector.BoxHead`, `detector.select_detections` |
| mask branch | `detector.MaskHead` |
| tracking branch | `detector.RegionVector` |
| external memory, and the cues that join detections with it | `tracker` |
"""

from methods.masktrack_rcnn.model import build

__all__ = ["build"]
