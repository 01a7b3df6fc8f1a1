"""MMDetection's Mask2Former for videos, on frames of 160 x 96 at most, with few layers."""

_base_ = "mmdet::mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2019.py"
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
    "track_head": {
        "num_queries": 12,
        "transformer_decoder": {"num_layers": 2},
        "pixel_decoder": {"encoder": {"num_layers": 1}},
    },
}
