"""The lines of docs/training_loops.md in the packages that they are for.

A package that is not installed skips its test; `.ci/rest` installs all but detectron2, which is on
no package index: the base class of its evaluators is imitated here.
"""

import json
import os
import re
import sys
import types
from unittest.mock import patch

import numpy as np
import pytest
import torch

import vis_bench
from paths import ROOT
from short_videos import write_short_videos
from vis_bench.masks.rle import decode

PAGE = ROOT / "docs" / "training_loops.md"
EPOCHS = 2


def lines_of(heading):
    """What the Python block below a heading of the page defines."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1]
    [code] = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL)
    names: dict = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


class Case:
    """Annotations, and for each video and epoch tracks: an object whole, and the half of it.

    The first object's scores fall from epoch to epoch, and with them AP.
    """

    def __init__(self, folder):
        content = write_short_videos(folder)
        self.path = folder / "val.json"
        self.ids = [category["id"] for category in content["categories"]]
        self.masks = {}
        truth = {a["video_id"]: a for a in content["annotations"]}
        for video in vis_bench.Evaluator(self.path).videos:
            object_masks = [
                np.zeros((video.height, video.width), bool) if rle is None else decode(rle)
                for rle in truth[video.id]["segmentations"]
            ]
            whole = torch.from_numpy(np.stack(object_masks))
            half = whole.clone()
            half[..., : video.width // 2] = False
            label = self.ids.index(truth[video.id]["category_id"])
            self.masks[video.id] = [label, label], torch.stack([whole, half])
        first, second = self.masks
        self.items = [first, second, first]  # which samplers of two processes fill up
        self.flat = [self._flat(epoch) for epoch in range(EPOCHS)]
        assert len({flat["ap"] for flat in self.flat}) == EPOCHS

    def outputs(self, video_id, epoch):
        """Scores, labels and masks."""
        return [0.5, 0.75 - 0.5 * epoch], *self.masks[video_id]

    def tracks(self, video_id, epoch):
        """Scores, category ids and masks."""
        scores, labels, masks = self.outputs(video_id, epoch)
        return scores, [self.ids[k] for k in labels], masks

    def _flat(self, epoch):
        evaluator = vis_bench.Evaluator(self.path)
        for video_id in self.masks:
            evaluator.add(video_id, *self.tracks(video_id, epoch))
        return evaluator.compute().flat("")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("case"))


def of_detectron2(case, folder, rank, world):
    module = types.ModuleType("detectron2.evaluation")
    module.DatasetEvaluator = object
    imitated = {"detectron2": types.ModuleType("detectron2"), module.__name__: module}
    with patch.dict(sys.modules, imitated):
        evaluator = lines_of("detectron2")["VISEvaluator"](case.path, case.ids)
    for epoch in range(EPOCHS):
        evaluator.reset()
        for video_id in case.items[rank::world]:
            scores, labels, masks = case.outputs(video_id, epoch)
            outputs = {"pred_scores": scores, "pred_labels": labels, "pred_masks": list(masks)}
            evaluator.process([{"video_id": video_id}], outputs)
        yield evaluator.evaluate()["segm"]


def of_mmengine(case, folder, rank, world):
    metric = lines_of("MMDetection and mmengine")["VISMetric"](case.path, case.ids)
    metric.collect_dir = str(folder / "collected")
    for epoch in range(EPOCHS):
        for place in range(rank, rank + len(case.items), world):  # as its sampler pads
            video_id = case.items[place % len(case.items)]
            scores, labels, masks = case.outputs(video_id, epoch)
            sample = {"video_id": video_id, "scores": scores, "labels": labels, "masks": masks}
            metric.process(None, [sample])
        found = metric.evaluate(len(case.items))
        yield {name.removeprefix("vis/"): value for name, value in found.items()}


def of_lightning(case, folder, rank, world):
    import lightning

    class Answers(torch.nn.Module):
        def forward(self, video_id):
            return case.tracks(video_id, self.epoch)

    answers = Answers()
    module = lines_of("Lightning")["Segmenter"](answers, case.path)
    batches = [{"video_id": key, "frames": key} for key in case.items]
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    if world > 1:
        sampler = torch.utils.data.DistributedSampler(batches, world, rank, shuffle=False)
        loader = torch.utils.data.DataLoader(batches, batch_size=None, sampler=sampler)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder, devices=world, use_distributed_sampler=False,
        strategy="ddp" if world > 1 else "auto", enable_checkpointing=False,
    )  # fmt: skip
    for answers.epoch in range(EPOCHS):
        [logged] = trainer.validate(module, loader, verbose=False)
        yield {name.removeprefix("vis/"): value for name, value in logged.items()}


def of_torchmetrics(case, folder, rank, world):
    metric = lines_of("torchmetrics")["VideoAP"](case.path)
    for epoch in range(EPOCHS):
        for video_id in case.items[rank::world]:
            metric.update(video_id, *case.tracks(video_id, epoch))
        yield metric.compute()
        metric.reset()


def of_transformers(case, folder, rank, world):
    import transformers

    class Answers(torch.nn.Module):
        def forward(self, labels):
            return {"loss": torch.zeros(()), "tracks": case.tracks(labels.item(), self.epoch)}

    answers = Answers()
    settings = transformers.TrainingArguments(
        output_dir=str(folder), per_device_eval_batch_size=1, report_to=[], use_cpu=True,
        disable_tqdm=True, label_names=["labels"],
    )  # fmt: skip
    trainer = lines_of("Hugging Face Trainer")["VideoTrainer"](
        answers,
        settings,
        eval_dataset=[{"labels": key} for key in case.items],
        annotations=case.path,
    )
    for answers.epoch in range(EPOCHS):
        found = trainer.evaluate()
        yield {name: found[f"eval_{name}"] for name in case.flat[0]}  # it has times, too


LOOPS = {
    "detectron2": of_detectron2, "mmengine": of_mmengine, "lightning": of_lightning,
    "torchmetrics": of_torchmetrics, "transformers": of_transformers,
}  # fmt: skip
NEEDS = {"detectron2": (), "transformers": ("transformers", "accelerate")}
MARKED = [
    pytest.param(name, marks=pytest.mark.extra(*needed) if needed else ())
    for name in LOOPS
    for needed in [NEEDS.get(name, (name,))]
]


@pytest.mark.parametrize("loop", MARKED)
def test_epochs_in_one_process(case, tmp_path, loop):
    check_epochs(LOOPS[loop](case, tmp_path, 0, 1), case)


@pytest.mark.parametrize("loop", MARKED)
def test_epochs_in_two_processes(case, tmp_path, loop):
    context = torch.multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(loop, case, tmp_path, rank)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    for rank in range(2):
        check_epochs(json.loads((tmp_path / f"{rank}.json").read_text()), case)


def work(loop, case, folder, rank):
    """What one of two processes does."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    torch.set_num_threads(1)
    store = f"file://{folder / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    found = list(LOOPS[loop](case, folder, rank, 2))
    (folder / f"{rank}.json").write_text(json.dumps(found))
    os._exit(0)  # without what libraries leave to do at the end of a process


def check_epochs(found, case):
    """AP of each epoch; Lightning logs it as float32."""
    for own, flat in zip(found, case.flat, strict=True):
        assert own == pytest.approx(flat, rel=1e-6)


@pytest.mark.extra("tensorboard")
def test_flat_numbers_are_what_tensorboard_holds(case, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    flat = {f"vis/{name}": value for name, value in case.flat[0].items()}
    with SummaryWriter(tmp_path) as writer:
        for name, value in flat.items():
            writer.add_scalar(name, value, 3)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == flat.keys()
    for name, value in flat.items():
        [event] = events.Scalars(name)
        assert (event.step, event.value) == (3, pytest.approx(value, rel=1e-6))
