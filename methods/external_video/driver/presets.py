"""The detectron2 projects whose configs this driver knows how to build."""

DEEPLAB = "detectron2.projects.deeplab:add_deeplab_config"
MASK2FORMER = "mask2former:add_maskformer2_config"
VIDEO = "mask2former_video:add_maskformer2_video_config"
SEM_SEG_HEAD = "MODEL.SEM_SEG_HEAD.NUM_CLASSES"
# By project: functions that add keys to the config, in order, and the key that holds K.
PRESETS = {
    "mask2former_video": ([DEEPLAB, MASK2FORMER, VIDEO], SEM_SEG_HEAD),
    "minvis": ([DEEPLAB, MASK2FORMER, VIDEO, "minvis:add_minvis_config"], SEM_SEG_HEAD),
    "vita": ([DEEPLAB, MASK2FORMER, "vita:add_vita_config"], SEM_SEG_HEAD),
    "genvis": (
        [DEEPLAB, MASK2FORMER, "vita:add_vita_config", "genvis:add_genvis_config"], SEM_SEG_HEAD,
    ),
    "dvis": (
        [DEEPLAB, MASK2FORMER, VIDEO, "dvis:add_minvis_config", "dvis:add_dvis_config"],
        SEM_SEG_HEAD,
    ),
    "dvis_plus": (
        [DEEPLAB, MASK2FORMER, VIDEO, "dvis_Plus:add_minvis_config", "dvis_Plus:add_dvis_config",
         "dvis_Plus:add_ctvis_config"], SEM_SEG_HEAD,
    ),
    "ctvis": ([DEEPLAB, MASK2FORMER, "ctvis:add_ctvis_config"], SEM_SEG_HEAD),
    "seqformer": (
        ["detectron2.projects.seqformer:add_seqformer_config"], "MODEL.SeqFormer.NUM_CLASSES",
    ),
    "idol": (["detectron2.projects.idol:add_idol_config"], "MODEL.IDOL.NUM_CLASSES"),
}  # fmt: skip
NO_PRESET = ([], "")
