"""Back end `mmdet`: a video model of MMDetection 3.x, and its rules for tubes.

A model with a tracker (MaskTrackRCNN) gets one frame per call, any other (Mask2FormerVideo) the
whole video in one: its numbers of instances hold within a call. Frames of a track become a tube as
in `mmdet.evaluation.YouTubeVISMetric`.
"""

import zlib
from pathlib import Path

import numpy as np

from .environment import DriverError, imported, sentence
from .outputs import host_array

# All that a test pipeline may do to frames; the harness reads and resizes them.
KNOWN_STEPS = {
    "LoadImageFromFile", "LoadTrackAnnotations", "PackTrackInputs", "Resize",
    "TransformBroadcaster",
}  # fmt: skip
# Keys of configs that hold K.
CLASSES_KEYS = ("model.track_head.num_classes", "model.detector.roi_head.bbox_head.num_classes")


class Mmdet:
    """The model and the size of its frames."""

    def __init__(self, cfg, model):
        from .torch_models import num_params

        self._model = model
        self.extension = lambda: None
        self._online = hasattr(model, "tracker")
        scale = _resize_scale(cfg)
        self.facts = {
            "input": {
                "channel_order": "BGR",
                "full_value": 255.0,
                "mean": (0.0, 0.0, 0.0),
                "std": (1.0, 1.0, 1.0),
                "long_side": "fit",
                "library": "opencv",
                "max_long_side": scale and max(scale),
            },
            "resolutions": [min(scale) if scale else "native"],
            "num_params": num_params(model),
        }

    def entries(self, frames, height, width, mark):
        """Score, label, masks and number of each tube, in the order in which they appear."""
        mark("preprocess")
        frames = [np.asarray(frame)[:, :, ::-1] for frame in frames]
        mark("predict")
        step = 1 if self._online else len(frames)
        tubes = {}
        for start in range(0, len(frames), step):
            samples = self._call(frames[start : start + step], start, len(frames), (height, width))
            for t, sample in enumerate(samples, start):
                _extend(tubes, t, sample)
        for number, (scores, labels, masks) in tubes.items():
            masks = _unpacked(masks, len(frames), (height, width))
            yield (*_pooled(scores, labels), masks, number)

    def start(self, height, width):
        """Begin a video of this original size."""
        if not self._online:
            raise DriverError(
                "the model has no tracker, and takes a whole video; expected options.online false"
            )
        self._size_HW, self._num_frames, self._tubes = (height, width), 0, {}

    def step(self, frames, mark):
        """The entries of the next frames; scores and labels are of the tubes so far."""
        mark("preprocess")
        frames = [np.asarray(frame)[:, :, ::-1] for frame in frames]
        mark("predict")
        found = {}
        for place, frame in enumerate(frames):
            t, self._num_frames = self._num_frames, self._num_frames + 1
            [sample] = self._call([frame], t, t + 1, self._size_HW)
            _extend(found, place, sample)
        for number, (scores, labels, masks) in found.items():
            before = self._tubes.get(number, ([], []))
            tube = self._tubes[number] = before[0] + scores, before[1] + labels
            yield (*_pooled(*tube), _unpacked(masks, len(frames), self._size_HW), number)

    def _call(self, frames, start, num_frames, size_HW):
        """The samples of consecutive frames, the first of which is number `start`."""
        import torch
        from mmdet.structures import DetDataSample, TrackDataSample

        samples = []
        for t, frame in enumerate(frames, start):
            sides = frame.shape[:2]
            scale = sides[1] / size_HW[1], sides[0] / size_HW[0]
            metainfo = {
                "frame_id": t,
                "img_id": t + 1,
                "video_id": 1,
                "video_length": num_frames,
                "ori_video_length": num_frames,
                "ori_shape": size_HW,
                "img_shape": sides,
                "scale_factor": scale,
            }
            sample = DetDataSample(metainfo=metainfo)
            samples.append(sample)
        video = TrackDataSample()
        video.video_data_samples = samples
        stacked = np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2))
        data = {"inputs": [torch.from_numpy(stacked)], "data_samples": [video]}
        with torch.no_grad():
            return self._model.test_step(data)[0].video_data_samples


def _pooled(scores, labels):
    """The mean score of a tube, and its most frequent label."""
    return np.array(scores, np.float32).mean(), np.bincount(labels).argmax()


def _extend(tubes, t, sample):
    """Add the instances of frame `t` to the tubes by number: scores, labels, packed masks."""
    instances = getattr(sample, "pred_track_instances", None)
    if instances is None or "masks" not in instances:
        raise DriverError("the model returned no masks of tracks; expected pred_track_instances")
    scores, labels, numbers, masks = (
        host_array(getattr(instances, name))
        for name in ("scores", "labels", "instances_id", "masks")
    )
    for score, label, number, mask in zip(scores, labels, numbers, masks):
        if label < 0:
            raise DriverError(f"frame {t} has label {label}; expected 0 or more")
        tube = tubes.setdefault(int(number), ([], [], {}))
        tube[0].append(score)
        tube[1].append(label)
        if mask.dtype != bool:
            raise DriverError(f"frame {t} has a mask of {mask.dtype}; expected bool")
        # Of two in one frame the later one counts.
        tube[2][t] = mask.shape, zlib.compress(np.packbits(mask).tobytes(), 1)


def _unpacked(masks, num_frames, size_HW):
    found = [None] * num_frames
    for t, (shape, content) in masks.items():
        bits = np.unpackbits(np.frombuffer(zlib.decompress(content), np.uint8))
        found[t] = bits[: shape[0] * shape[1]].reshape(shape).astype(bool)
    return found


def open_mmdet(spec):
    """Build the model of a config, load its weights and check both."""
    imported("torch:no_grad")
    expected = "; expected mmdet 3.x and mmengine in this environment"
    config = imported("mmengine.config:Config", expected)
    path = Path(spec["project_path"], spec["config_file"])
    if not path.is_file():
        raise DriverError(f"config_file is {path}; expected a file")
    try:
        cfg = config.fromfile(str(path))
        cfg.merge_from_dict(dict(zip(spec["opts"][::2], spec["opts"][1::2])))
        imported("mmdet.utils:register_all_modules", expected)(init_default_scope=True)
        _check_classes(cfg, spec)
        from .torch_models import check_device, load_strictly

        model = imported("mmdet.registry:MODELS").build(cfg.model)
    except DriverError:
        raise
    except Exception as error:  # mmengine's registry wraps whatever a model raises
        raise DriverError(f"{path} cannot be built, {sentence(error)}") from error
    if spec["weights"] is not None:
        load_strictly(model, spec["weights"])
    return Mmdet(cfg, model.to(check_device(spec["device"])).eval())


def _check_classes(cfg, spec):
    for key in [spec["classes_key"]] if spec["classes_key"] else CLASSES_KEYS:
        value = cfg
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is None and not spec["classes_key"]:
            continue
        if value != spec["num_classes"]:
            raise DriverError(
                f"{key} is {value}, but the data set has {spec['num_classes']} categories; "
                "expected equal numbers"
            )


def _resize_scale(cfg):
    """The two sides of the test pipeline's `Resize`; None without one."""
    steps = []
    for step in cfg.test_dataloader.dataset.pipeline:
        steps += [step, *step.get("transforms", ())]
    unknown = {step["type"] for step in steps} - KNOWN_STEPS
    resizes = [step for step in steps if step["type"] == "Resize"]
    plain = all(
        step.get("keep_ratio") and {*step} <= {"type", "scale", "keep_ratio"} for step in resizes
    )
    if unknown or len(resizes) > 1 or not plain:
        listed = ", ".join(sorted(unknown) or ["Resize with other settings"])
        raise DriverError(
            f"the config's test pipeline has {listed}; expected Resize with scale and keep_ratio "
            "at most, once"
        )
    return tuple(resizes[0]["scale"]) if resizes else None
