"""The lines of docs/training_loops.md in the packages that they are for.

A package that is not installed skips its test; `.ci/run` installs all but detectron2, which is on
no package index: the base class of its evaluators is imitated here.
"""

import re
import sys
import types

import numpy as np
import pytest
import torch

import vis_bench
from paths import ROOT
from short_videos import write_short_videos
from vis_bench.masks.rle import decode

PAGE = ROOT / "docs" / "training_loops.md"


def lines_of(heading):
    """What the Python block below a heading of the page defines."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1]
    [code] = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL)
    names: dict = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


class Case:
    """Annotations, and for each video tracks of which the second is half of the first object."""

    def __init__(self, folder):
        self.content = write_short_videos(folder)
        self.path = folder / "val.json"
        self.evaluator = vis_bench.Evaluator(self.path)
        self.ids = [category["id"] for category in self.content["categories"]]
        self.outputs = {}
        truth = {a["video_id"]: a for a in self.content["annotations"]}
        for video in self.evaluator.videos:
            object_masks = [
                np.zeros((video.height, video.width), bool) if rle is None else decode(rle)
                for rle in truth[video.id]["segmentations"]
            ]
            whole = torch.from_numpy(np.stack(object_masks))
            half = whole.clone()
            half[..., : video.width // 2] = False
            label = self.ids.index(truth[video.id]["category_id"])
            self.outputs[video.id] = ([0.5, 0.75], [label, label], torch.stack([whole, half]))
        for video_id, (scores, labels, masks) in self.outputs.items():
            self.evaluator.add(video_id, scores, [self.ids[k] for k in labels], masks)
        self.flat = self.evaluator.compute().flat("")
        assert 0 < self.flat["ap"] < 1


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("case"))


def test_detectron2(case, monkeypatch):
    module = types.ModuleType("detectron2.evaluation")
    module.DatasetEvaluator = object
    monkeypatch.setitem(sys.modules, "detectron2", types.ModuleType("detectron2"))
    monkeypatch.setitem(sys.modules, "detectron2.evaluation", module)
    evaluator = lines_of("detectron2")["VISEvaluator"](case.path, case.ids)
    for _ in range(2):
        evaluator.reset()
        for video_id, (scores, labels, masks) in case.outputs.items():
            outputs = {"pred_scores": scores, "pred_labels": labels, "pred_masks": list(masks)}
            evaluator.process([{"video_id": video_id}], outputs)
        assert evaluator.evaluate() == {"segm": case.flat}


def test_mmengine(case):
    pytest.importorskip("mmengine")
    metric = lines_of("MMDetection and mmengine")["VISMetric"](case.path, case.ids)
    for _ in range(2):
        for video_id, (scores, labels, masks) in case.outputs.items():
            sample = {"video_id": video_id, "scores": scores, "labels": labels, "masks": masks}
            metric.process(None, [sample])
        found = metric.evaluate(len(case.outputs))
        assert found == {f"vis/{name}": value for name, value in case.flat.items()}


def test_lightning(case, tmp_path):
    lightning = pytest.importorskip("lightning")

    class Answers(torch.nn.Module):
        def forward(self, video_id):
            scores, labels, masks = case.outputs[video_id]
            return scores, [case.ids[k] for k in labels], masks

    module = lines_of("Lightning")["Segmenter"](Answers(), case.path)
    batches = [{"video_id": key, "frames": key} for key in case.outputs]
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path,
    )  # fmt: skip
    for _ in range(2):
        [logged] = trainer.validate(module, loader, verbose=False)
        assert logged == pytest.approx({f"vis/{k}": v for k, v in case.flat.items()}, rel=1e-6)


def test_torchmetrics(case):
    pytest.importorskip("torchmetrics")
    metric = lines_of("torchmetrics")["VideoAP"](case.path)
    for _ in range(2):
        for video_id, (scores, labels, masks) in case.outputs.items():
            metric.update(video_id, scores, [case.ids[k] for k in labels], masks)
        assert metric.compute() == case.flat
        metric.reset()


def test_hugging_face_trainer(case, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    (tmp_path / "instances.json").write_text(case.path.read_text())
    monkeypatch.chdir(tmp_path)

    class Answers(torch.nn.Module):
        def forward(self, labels):
            scores, places, masks = case.outputs[labels.item()]
            ids = torch.tensor([case.ids[k] for k in places])
            return {
                "loss": torch.zeros(()),
                "answer": (torch.tensor(scores)[None], ids[None], masks[None]),
            }

    settings = transformers.TrainingArguments(
        output_dir=str(tmp_path), per_device_eval_batch_size=1, batch_eval_metrics=True,
        report_to=[], use_cpu=True, disable_tqdm=True, label_names=["labels"],
    )  # fmt: skip
    trainer = transformers.Trainer(
        Answers(), settings, eval_dataset=[{"labels": key} for key in case.outputs],
        compute_metrics=lines_of("Hugging Face Trainer")["compute_metrics"],
    )  # fmt: skip
    for _ in range(2):
        found = trainer.evaluate()
        assert {name: found[f"eval_{name}"] for name in case.flat} == case.flat


def test_flat_numbers_are_what_tensorboard_holds(case, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    flat = case.evaluator.compute().flat()
    with SummaryWriter(tmp_path) as writer:
        for name, value in flat.items():
            writer.add_scalar(name, value, 3)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == flat.keys()
    for name, value in flat.items():
        [event] = events.Scalars(name)
        assert (event.step, event.value) == (3, pytest.approx(value, rel=1e-6))
