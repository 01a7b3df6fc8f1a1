"""MMDetection's MaskTrack R-CNN, on frames of 160 x 96 at most, with few boxes."""

_base_ = "mmdet::masktrack_rcnn/masktrack-rcnn_mask-rcnn_r50_fpn_8xb1-12e_youtubevis2019.py"
custom_imports = {"imports": ["lab_operators"], "allow_failed_imports": False}
test_pipeline = [
    {
        "type": "TransformBroadcaster",
        "transforms": [
            {"type": "LoadImageFromFile", "backend_args": None},
            {"type": "Resize", "scale": (160, 96), "keep_ratio": True},
            {"type": "LoadTrackAnnotations", "with_mask": True},
        ],
    },
    {"type": "PackTrackInputs"},
]
test_dataloader = {"dataset": {"pipeline": test_pipeline}}
model = {
    "detector": {
        "test_cfg": {"rpn": {"nms_pre": 40, "max_per_img": 20}, "rcnn": {"max_per_img": 8}},
    },
}
