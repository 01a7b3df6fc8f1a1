"""Plug-ins that change the state of the process: the run's other cells are right to the byte."""

import json
import os

import pytest

from paths import ROOT
from plug_in_site import install, vis_bench_process

METHOD = """
import gc, os, random, signal, sys, threading, time, warnings
import numpy, torch
from PIL import Image, ImageFile
from methods.color_key import ColorKey

def rude(): {rude}

class Rude(ColorKey):
    def encode_frames(self, frames_T3HW):
        features = super().encode_frames(frames_T3HW)
        {run}
        return features

def build(num_classes, **options):
    {build}
    return Rude(num_classes)

{imported}
"""
CONFIG = """
dataset: {name: synthetic, plain: true}
clip_length: 10
measure: [accuracy]
cells:
  - {method: ifc, options: {variant: mini}, resolution: 64}
  - {method: color_key, resolution: native}
"""
PLACES = ("imported", "build", "run")
STATES = {
    "type": "torch.set_default_dtype(torch.float64)",
    "device": "torch.set_default_device('meta')",
    "threads": "torch.set_num_threads(3)",
    "seeds": "torch.manual_seed(7); random.seed(7); numpy.random.seed(7)",
    "gradients": "torch.set_grad_enabled(False)",
    "inference": "rude.kept = torch.inference_mode(); rude.kept.__enter__()",
    "no inference": "rude.kept = torch.inference_mode(False); rude.kept.__enter__()",
    "autocast": "torch.autocast('cpu', torch.bfloat16).__enter__()",
    "products": "torch.set_float32_matmul_precision('medium')",
    "determinism": "torch.use_deterministic_algorithms(True)",
    "folder": "os.chdir('/')",
    "environment": "os.environ.clear()",
    "signals": "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]",
    "streams": "sys.stdout = sys.stderr = None",
    "warnings": "warnings.simplefilter('error')",
    "floats": "numpy.seterr(all='raise')",
    "pillow": "ImageFile.LOAD_TRUNCATED_IMAGES = True; Image.MAX_IMAGE_PIXELS = 1",
    "recursion": "sys.setrecursionlimit(200)",
    "garbage": "gc.disable()",
    "thread": "threading.Thread(target=time.sleep, args=(900,)).start()",
}
ALL = " or ".join(f"exec({text!r})" for key, text in STATES.items() if key != "device")
ENDS = {
    "exits": "os._exit(0)", "leaves": "sys.exit(0)", "recurs": "(lambda f: f(f))(lambda f: f(f))",
    "unknown": "(_ for _ in ()).throw(type('Odd', (BaseException,), {})('why'))",
    "no_memory": "bytearray(1 << 60)",
}  # fmt: skip


def run(folder, rude, *options):
    """A run of plug-ins, each code at its place, before two other cells.

    Returns:
        What the process did, and by method the records and the bytes of the results files.
    """
    config = CONFIG
    for name, (code, place) in rude.items():
        calls = {key: "rude()" if key == place else "pass" for key in PLACES}
        files = {f"{name}.py": METHOD.format(rude=code, **calls)}
        install(folder / "site", f"{name}==1", files, **{name: f"{name}:build"})
        cell = f"  - {{method: {name}, resolution: native, measure: [accuracy, flops]}}\n"
        config = config.replace("cells:\n", f"cells:\n{cell}")
    (folder / "c.yaml").write_text(config)
    # The command starts in the checkout, so that the folder is relative to it.
    output = os.path.relpath(folder / "out", ROOT)
    done = vis_bench_process(
        folder / "site",
        "run",
        folder / "c.yaml",
        "--limit",
        1,
        "--device",
        "cpu",
        "--output",
        output,
        *options,
    )
    assert "Traceback" not in done.stderr
    records, results = {}, {}
    for path in (folder / "out").glob("*.json"):
        if not path.name.endswith(".results.json"):
            record = json.loads(path.read_text())
            records[record["method"]] = record
            if record["predictions"]:
                results[record["method"]] = path.with_name(record["predictions"]).read_bytes()
    return done, records, results


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    done, records, results = run(tmp_path_factory.mktemp("polite"), {"rude": ("pass", "run")})
    assert done.returncode == 0, done.stderr
    assert len(results) == 3
    assert min(map(len, results.values())) > 1000
    return records, results


NUMBERS = ("ap", "ap50", "ar10", "hota", "num_threads", "num_params")


def check_others(expected, records, results):
    for name in ("ifc", "color_key"):
        assert not records[name]["failures"]
        assert results[name] == expected[1][name]
        for key in NUMBERS:
            assert records[name].get(key) == expected[0][name].get(key)


def check(folder, expected, rude, *options):
    """The others are right; each plug-in's own cell is right, too, or has failed in a sentence."""
    done, records, results = run(folder, rude, *options)
    check_others(expected, records, results)
    failed = {name for name in rude if name not in records or records[name]["failures"]}
    assert done.returncode == bool(failed), done.stderr
    for name in rude:
        if name not in failed:
            assert results[name] == expected[1]["rude"]
        else:
            assert name in done.stderr
    return failed


def test_what_plug_ins_change_is_put_back(tmp_path, expected):
    rude = {f"all_{place}": (ALL, place) for place in PLACES}
    rude |= {f"device_{place}": (STATES["device"], place) for place in PLACES}
    check(tmp_path, expected, rude)


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_each_state_alone_is_put_back(tmp_path, expected, state):
    check(tmp_path, expected, {f"it_{place}": (STATES[state], place) for place in PLACES})


def test_plug_ins_that_end_the_process_fail_alone(tmp_path, expected):
    assert check(tmp_path, expected, {n: (end, "run") for n, end in ENDS.items()}) == set(ENDS)


@pytest.mark.slow
def test_plug_ins_of_workers_fail_alone(tmp_path, expected):
    pytest.importorskip("ray", reason="needs Ray: pip install 'vis-bench[cluster]'")
    rude = {n: (end, "run") for n, end in ENDS.items()} | {"all": (ALL, "run")}
    assert check(tmp_path, expected, rude, "--workers", 2) == set(ENDS)
