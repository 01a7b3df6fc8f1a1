"""Back end `detectron2`: a model of its registry, called with a video as a list with one dict.

The call, the form of the answer and the order in which configs are built are those of Mask2Former's
`train_net_video.py`, which VITA, MinVIS, DVIS, CTVIS and others follow.
"""

from pathlib import Path

import numpy as np

from .deformable import provide_extension
from .environment import DriverError, imported, sentence
from .steps import MeanScores

DEEPLAB = "detectron2.projects.deeplab:add_deeplab_config"
MASK2FORMER = "mask2former:add_maskformer2_config"
VIDEO = "mask2former_video:add_maskformer2_video_config"
SEM_SEG_HEAD = "MODEL.SEM_SEG_HEAD.NUM_CLASSES"


def _preset(first, package="", names="", key=SEM_SEG_HEAD):
    """Functions that add keys to the config, in order, and the key that holds K."""
    return [*first, *(f"{package}:add_{name}_config" for name in names.split())], key


_CLIPS, _BOTH = (DEEPLAB, MASK2FORMER), (DEEPLAB, MASK2FORMER, VIDEO)
PRESETS = {
    "mask2former_video": _preset(_BOTH),
    "minvis": _preset(_BOTH, "minvis", "minvis"),
    "vita": _preset(_CLIPS, "vita", "vita"),
    "genvis": _preset([*_CLIPS, "vita:add_vita_config"], "genvis", "genvis"),
    "dvis": _preset(_BOTH, "dvis", "minvis dvis"),
    "dvis_plus": _preset(_BOTH, "dvis_Plus", "minvis dvis ctvis"),
    "dvis_daq": _preset(
        _preset(_BOTH, "dvis_Plus", "minvis dvis ctvis")[0], "dvis_daq.config", "daq"
    ),
    "cavis": _preset(_BOTH, "cavis", "minvis dvis cavis"),
    "videomt": _preset([DEEPLAB], "videomt", "videomt", "MODEL.BACKBONE.NUM_CLASSES"),
    "pmt": _preset([DEEPLAB], "pmt", "pmt", "MODEL.BACKBONE.NUM_CLASSES"),
    "ctvis": _preset(_CLIPS, "ctvis", "ctvis"),
    "seqformer": _preset(
        [], "detectron2.projects.seqformer", "seqformer", "MODEL.SeqFormer.NUM_CLASSES"
    ),
    "idol": _preset([], "detectron2.projects.idol", "idol", "MODEL.IDOL.NUM_CLASSES"),
}
NO_PRESET = ([], "")
# Presets whose models match frames or clips within a call and keep nothing for the next one; that
# of CAVIS goes on by `keep`, but fails on a first call of one frame.
WHOLE_VIDEOS = {
    "mask2former_video", "minvis", "vita", "genvis", "ctvis", "seqformer", "idol", "cavis",
}  # fmt: skip


class Detectron2:
    """The model and the parts of its config that concern frames."""

    def __init__(self, cfg, model, extension):
        from .torch_models import num_params

        self._model = model
        self.extension = extension
        self._reverse = cfg.INPUT.FORMAT == "BGR"
        self.facts = {
            "input": {
                "channel_order": cfg.INPUT.FORMAT,
                "full_value": 255.0,
                "mean": (0.0, 0.0, 0.0),
                "std": (1.0, 1.0, 1.0),
                "long_side": "round",
                "max_long_side": cfg.INPUT.MAX_SIZE_TEST,
            },
            "resolutions": [cfg.INPUT.MIN_SIZE_TEST or "native"],
            "num_params": num_params(model),
        }

    def entries(self, frames, height, width, mark):
        """Score, label, masks and number of each entry of the answer."""
        return self._call(frames, (height, width), mark, {"keep": False})

    def start(self, height, width):
        """Begin a video of this original size."""
        self._size_HW, self._scores, self._seen = (height, width), MeanScores(), 0

    def step(self, frames, mark):
        """The entries of the next frames. The model gets one at a time, and goes on by `keep`."""
        tracks = {}
        for t, frame in enumerate(frames):
            found = {}
            # DVIS-DAQ reads the second one.
            place = {"keep": self._seen > 0, "long_video_start_fidx": self._seen}
            for score, label, masks, number in self._call([frame], self._size_HW, mark, place):
                if number is None:
                    raise DriverError(
                        "the model returned no pred_ids; expected them as options.online is true, "
                        "of a model that goes on where a video has `keep`, as DVIS's do"
                    )
                mask = None if masks is None else masks[0]
                found.setdefault(int(number), ({}, mask))[0][int(label)] = float(score)
            for number, (scores, mask) in found.items():
                masks = tracks.setdefault(number, ({}, [None] * len(frames)))[1]
                masks[t] = mask
                tracks[number] = self._scores.add(number, scores), masks
            self._seen += 1
        for number, (scores, masks) in tracks.items():
            for label, score in scores.items():
                yield score, label, masks, number

    def _call(self, frames, size_HW, mark, place):
        """The entries of a call with some frames.

        Args:
            place: `keep`: the last call's tracks go on; `long_video_start_fidx`: number of the
                first frame in the video.
        """
        import torch

        mark("preprocess")
        images = []
        for frame in frames:
            channels = frame[:, :, ::-1] if self._reverse else frame
            images.append(torch.from_numpy(np.ascontiguousarray(channels.transpose(2, 0, 1))))
        video = {
            "image": images,
            "height": size_HW[0],
            "width": size_HW[1],
            "length": len(images),
            "file_names": [f"{t:05d}.jpg" for t in range(len(images))],
            "video_id": 0,
            **place,
        }
        mark("predict")
        with torch.no_grad():
            answer = self._model([video])
        del images, video
        return answered_entries(answer)


def answered_entries(answer):
    """The entries of a model's answer, unchecked: score, label, masks and number."""
    if isinstance(answer, (list, tuple)) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict):
        raise DriverError(f"the model returned a {type(answer).__name__}; expected a dict")
    task = answer.get("task", "vis")
    if task != "vis":
        raise DriverError(f"the model's task is {task!r}; expected 'vis', instance segmentation")
    missing = [key for key in ("pred_scores", "pred_labels", "pred_masks") if key not in answer]
    if missing:
        raise DriverError(
            f"the model returned {', '.join(sorted(answer))}; expected {', '.join(missing)}, too"
        )
    keys = ("pred_scores", "pred_labels", "pred_masks")
    parts = [() if answer[key] is None else answer[key] for key in keys]
    ids = answer.get("pred_ids")
    parts.append([None] * len(parts[0]) if ids is None else ids)
    sizes = [len(part) for part in parts]
    if len(set(sizes)) != 1:
        raise DriverError(
            "the model returned {} scores, {} labels, {} entries of masks and {} ids; expected "
            "equal numbers".format(*sizes)
        )
    return zip(*parts)


def open_detectron2(spec):
    """Build the model of a config, load its weights and check both."""
    imported("torch:no_grad")
    extension = provide_extension(spec["device"])
    cfg = _config(spec)
    _check(cfg, spec)
    build_model = imported("detectron2.modeling:build_model")
    from .torch_models import check_device, load_strictly

    check_device(cfg.MODEL.DEVICE)
    model = build_model(cfg)
    if spec["weights"] is not None:
        load_strictly(model, spec["weights"])
    return Detectron2(cfg, model.eval(), extension)


def _config(spec):
    get_cfg = imported("detectron2.config:get_cfg", "; expected detectron2 in this environment")
    adders, _ = PRESETS.get(spec["preset"], NO_PRESET)
    cfg = get_cfg()
    for adder in [*adders, *spec["adders"]]:
        imported(adder)(cfg)
    path = Path(spec["project_path"], spec["config_file"])
    if not path.is_file():
        raise DriverError(f"config_file is {path}; expected a file")
    try:
        cfg.merge_from_file(str(path))
        cfg.merge_from_list([*spec["opts"], "MODEL.DEVICE", spec["device"]])
    except Exception as error:  # yacs raises KeyError, ValueError, AssertionError and others
        raise DriverError(
            f"{path} and opts do not fit the config that preset or adders make, {sentence(error)}"
        ) from error
    cfg.freeze()
    return cfg


def _check(cfg, spec):
    if cfg.INPUT.FORMAT not in ("RGB", "BGR"):
        raise DriverError(f"INPUT.FORMAT is {cfg.INPUT.FORMAT}; expected RGB or BGR")
    key = spec["classes_key"] or PRESETS.get(spec["preset"], NO_PRESET)[1]
    if not key:
        return
    value = cfg
    for name in key.split("."):
        value = getattr(value, name, None)
    if value != spec["num_classes"]:
        raise DriverError(
            f"{key} is {value}, but the data set has {spec['num_classes']} categories; expected "
            "equal numbers"
        )
