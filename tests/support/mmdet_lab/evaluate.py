"""MMDetection's own evaluation of a config, in its environment: `evaluate.py CONFIG FOLDER`.

The folder has PNG frames `<video>/<t>.png` and `annotations.json`; `weights.pth`, filled by
`fill.py`, and `results.json`, what `YouTubeVISMetric` writes, are put there.
"""

import json
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


def main(config, folder):
    cfg = Config.fromfile(config)
    from mmdet.registry import DATASETS, MODELS
    from mmdet.utils import register_all_modules

    from fill import tensor

    register_all_modules(init_default_scope=True)
    model = MODELS.build(cfg.model).eval()
    state = {
        key: torch.zeros_like(value)
        if key.endswith("num_batches_tracked")
        else torch.from_numpy(tensor(key, value.shape))
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    torch.save({"state_dict": state, "meta": {"epoch": 12}}, folder / "weights.pth")
    settings = cfg.test_dataloader.dataset
    settings.update(data_root=str(folder), ann_file="annotations.json")
    settings.data_prefix.update(img_path="")
    dataset = DATASETS.build(settings)
    metric = {
        "type": "YouTubeVISMetric",
        "metric": "youtube_vis_ap",
        "format_only": True,
        "outfile_prefix": str(folder / "results"),
    }
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        batch = pseudo_collate([dataset[index]])
        with torch.no_grad():
            evaluator.process(data_samples=model.test_step(batch), data_batch=batch)
    evaluator.evaluate(len(dataset))
    return json.loads((folder / "results.json").read_text())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
