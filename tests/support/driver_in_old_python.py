"""The driver's parts without PyTorch, run by an older Python: `python FILE FOLDER_OF_DRIVER`."""

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [sys.argv[1], str(Path(__file__).parent)]

from driver import DriverError, Session, deformable, open_session, serve  # noqa: E402, F401
from driver.detectron2_models import answered_entries  # noqa: E402

MASKS = np.zeros((3, 8, 9), bool)
MASKS[1:] = True
FRAMES = [np.full((4, 6, 3), t, np.uint8) for t in range(3)]
SPEC = {
    "back_end": "callable", "function": "driver_in_old_python:predict", "num_classes": 3,
    "project_path": str(Path(__file__).parent), "device": "cpu", "weights": None, "opts": [],
    "preset": "", "adders": [], "classes_key": "", "config_file": "none.yaml",
}  # fmt: skip


def predict(frames, height, width):
    masks = np.ones((len(frames), height, width), bool)
    yield {"score": np.float32(0.5), "category": np.int64(1), "masks": masks}
    yield {"score": 0.25, "category": 2, "masks": [None, *masks[1:]], "track_id": 4}


class Answers:
    """A back end of one answer."""

    facts = {"resolutions": None}

    def __init__(self, **changes):
        masks = [[None, *map(np.array, MASKS[1:])], MASKS]
        self.answer = {"pred_scores": [1, 0.5], "pred_labels": [2, 0], "pred_masks": masks}
        self.answer.update(changes)

    def entries(self, frames, height, width, mark):
        return answered_entries(self.answer)


def refused(call):
    try:
        list(call())
    except DriverError as error:
        return str(error)
    raise AssertionError("accepted")


def main():
    session = open_session(SPEC)
    session.try_out()
    first, second = session.run(FRAMES, 8, 9)
    assert (first.category, first.score, first.track_id) == (1, 0.5, None)
    assert (second.category, second.score, second.track_id) == (2, 0.25, 4)
    assert [mask is None for mask in second.masks] == [True, False, False]
    spec = {"num_classes": 3, "device": "cpu"}
    for track in Session(Answers(), spec).run(FRAMES, 8, 9):
        assert [mask is not None and mask.all() for mask in track.masks] == [False, True, True]
    for changes, problem in (
        ({"pred_labels": [3, 0]}, "label 3"),
        ({"pred_scores": [float("nan"), 1]}, "score nan"),
        ({"pred_masks": [MASKS[:, 1:]] * 2}, "(7, 9)"),
        ({"task": "vss"}, "vss"),
    ):
        session = Session(Answers(**changes), spec)
        assert problem in refused(lambda: session.run(FRAMES, 8, 9)), problem  # noqa: B023
    sys.modules["torch"] = None
    for back_end in ("detectron2", "mmdet"):
        message = refused(lambda: open_session({**SPEC, "back_end": back_end}))  # noqa: B023
        assert message.startswith("torch cannot be imported"), message


if __name__ == "__main__":
    main()
