"""`beside_evaluators.py DIR KIND VIDEOS ROUNDS NAME=CHECKOUT ...` times evaluators.

Writes files of a KIND of `eval_workload`, of so many videos, to DIR, runs each evaluator ROUNDS
times in turns, in a process of its own, and prints the table of docs/exact.md: the least processor
time, with that of worker processes, and the largest resident memory of one process. NAME is one of
`OTHERS`, CHECKOUT the folder of its repository; nothing of it is copied or changed. What old code
needs from NumPy 1 is put back in memory, and the compiled masks are those of the installed
pycocotools.
"""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np

EVAL = [sys.executable, str(Path(__file__).resolve().parents[2] / "run_bench.py"), "eval", "--json"]
OURS = {
    "eval": ("AP", []),
    "eval --tracking": ("AP, HOTA, IDF1, TETA", ["--tracking", "--score-threshold", "0"]),
    "eval --boundary": ("AP, Tube-Boundary AP", ["--boundary"]),
}


def youtubevos(checkout, annotations, predictions):
    """youtubevos/cocoapi, BSD: `YTVOSeval`"""
    import pycocotools

    pycocotools.__path__.insert(0, f"{checkout}/PythonAPI/pycocotools")
    from pycocotools.ytvos import YTVOS
    from pycocotools.ytvoseval import YTVOSeval

    truth = YTVOS(annotations)
    evaluator = YTVOSeval(truth, truth.loadRes(predictions))
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()


def vmt(checkout, annotations, predictions):
    """SysCV/vmt, BSD: `eval_hqvis.py`, its boundary half"""
    import pycocotools

    pycocotools.__path__.insert(0, f"{checkout}/cocoapi_hq/PythonAPI/pycocotools")
    from pycocotools.ytvos import YTVOS
    from pycocotools.ytvoseval import YTVOSeval

    truth = YTVOS(annotations, get_boundary=True)
    evaluator = YTVOSeval(truth, truth.loadRes(predictions), "boundary")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()


def trackeval(checkout, annotations, predictions):
    """JonathonLuiten/TrackEval, MIT: `YouTubeVIS` with HOTA and Identity, one process"""
    sys.path.insert(0, checkout)
    import trackeval

    folder = Path(predictions).parent / "trackeval"
    places = {"gt/youtube_vis_val": annotations, "trackers/youtube_vis_val/own/data": predictions}
    for place, path in places.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        link = folder / place / "content.json"
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    settings = {"GT_FOLDER": f"{folder}/gt/", "TRACKERS_FOLDER": f"{folder}/trackers/"}
    data = trackeval.datasets.YouTubeVIS({**settings, "SPLIT_TO_EVAL": "val"})
    evaluator = trackeval.Evaluator({"USE_PARALLEL": False, "PLOT_CURVES": False})
    evaluator.evaluate([data], [trackeval.metrics.HOTA(), trackeval.metrics.Identity()])


def sam3(checkout, annotations, predictions):
    """facebookresearch/sam3, SAM License: `YTVISeval` of masks by class"""
    for name in ("sam3", "sam3.model", "sam3.train", "sam3.train.utils", "iopath"):
        module = sys.modules[name] = types.ModuleType(name)  # without the models
        module.__path__ = [f"{checkout}/{name.replace('.', '/')}"]
    for name in ("iopath.common", "iopath.common.file_io"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["iopath.common.file_io"].g_pathmgr = None
    from sam3.eval.ytvis_coco_wrapper import YTVIS
    from sam3.eval.ytvis_eval import YTVISeval

    truth = YTVIS(annotations, ignore_gt_cats=False)
    entries = json.loads(Path(predictions).read_text())
    for entry in entries:
        entry["image_id"] = entry["video_id"]
    evaluator = YTVISeval(truth, truth.loadRes(entries), "segm")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()


OTHERS = {
    "youtubevos": (youtubevos, "AP"),
    "sam3": (sam3, "AP"),
    "trackeval": (trackeval, "HOTA, IDF1"),
    "vmt": (vmt, "Tube-Boundary AP"),
}

FORMS = {"sam3": ("sized", "filled"), "trackeval": ("uncompressed", "sized")}


def run_other(name, checkout, annotations, predictions):
    """Runs one of `OTHERS` in this process."""
    linspace = np.linspace
    vars(np).update(float=float, int=int)
    np.linspace = lambda low, high, num, **options: linspace(low, high, int(num), **options)
    OTHERS[name][0](checkout, annotations, predictions)


def prepare(folder, kind, num_videos):
    """Writes the files, and what others need: the size in each entry.

    SAM 3 reads no null, so that empty masks stand in place of them; TrackEval's annotations are not
    compressed.
    """
    import eval_workload  # not while others run
    from vis_bench.masks.rle import encode_masks

    num_predictions = eval_workload.NUM_PREDICTIONS * num_videos // eval_workload.NUM_VIDEOS
    own_kind = eval_workload.KINDS[kind]
    truth, entries = eval_workload.generate(0, num_videos, num_predictions, own_kind)
    forms = {"annotations": truth, "predictions": entries}
    size = {"height": eval_workload.HEIGHT, "width": eval_workload.WIDTH}
    things = [entry | size for entry in truth["annotations"]]
    [empty] = encode_masks(np.zeros((1, *size.values()), bool))
    forms["sized_annotations"] = truth | {"annotations": things}
    forms["sized_predictions"] = [entry | size for entry in entries]
    plain = [with_masks(thing, lambda mask: mask and uncompressed(mask)) for thing in things]
    forms["uncompressed_annotations"] = truth | {"annotations": plain}
    forms["filled_predictions"] = [with_masks(e, lambda mask: mask or empty) for e in entries]
    for name, content in forms.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def with_masks(entry, change):
    return entry | {"segmentations": [change(mask) for mask in entry["segmentations"]]}


def uncompressed(mask):
    from vis_bench.masks.run_lengths import run_lengths

    height, width = mask["size"]
    return mask | {"counts": run_lengths(mask["counts"], height * width).tolist()}


def measure(command):
    """Processor seconds and MiB of a process."""
    compiled = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}  # as where packages are installed
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=compiled
    )
    message = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed: {message[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def table(folder, kind, num_videos, rounds, checkouts):
    # In another process, since a child begins with the peak memory of its parent.
    command = [sys.executable, __file__, "--prepare", folder, kind, str(num_videos)]
    subprocess.run(command, check=True)
    files = [str(folder / f"{name}.json") for name in ("annotations", "predictions")]
    options = ["--annotations", files[0], "--predictions", files[1]]
    commands = {
        f"`vis-bench {name}`": (metrics, [*EVAL, *options, *flags])
        for name, (metrics, flags) in OURS.items()
    }
    for name, checkout in checkouts.items():
        forms = FORMS.get(name, ("sized", "sized"))
        names = zip(forms, ("annotations", "predictions"), strict=True)
        given = [str(folder / f"{form}_{file}.json") for form, file in names]
        command = [sys.executable, __file__, "--run", name, checkout, *given]
        commands[OTHERS[name][0].__doc__] = OTHERS[name][1], command
    found = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (_, command) in commands.items():
            found[name].append(measure(command))
    lines = ["| Evaluator | Computes | Processor time, s | Peak memory, MiB |", "|:--|:--|--:|--:|"]
    for name, (metrics, _) in commands.items():
        seconds, memory = (min(values) for values in zip(*found[name], strict=True))
        lines.append(f"| {name} | {metrics} | {seconds:.1f} | {memory:.0f} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run_other(*sys.argv[2:])
    elif sys.argv[1] == "--prepare":
        prepare(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        checkouts = dict(argument.split("=", 1) for argument in sys.argv[5:])
        folder, kind, num_videos, rounds = sys.argv[1:5]
        sys.stdout.write(table(Path(folder), kind, int(num_videos), int(rounds), checkouts))
