"""Installed plug-ins without an installer: modules with the metadata that pip writes."""

import importlib
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from paths import ROOT
from vis_bench.cli import main

BRIGHT = (ROOT / "tests" / "plugin" / "vis_bench_bright.py").read_text()


def install(site, package, files, **points):
    """Puts `name==version` with files in `site`; `points` are entry points by method name."""
    name, version = package.split("==")
    described = site / f"{name.replace('-', '_')}-{version}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    lines = [f"{method} = {value}" for method, value in points.items()]
    (described / "entry_points.txt").write_text("\n".join(["[vis_bench.methods]", *lines, ""]))
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def vis_bench(site, *arguments):
    """Runs a command with the packages of `site`, which are forgotten afterwards."""
    known, out, err = set(sys.modules), io.StringIO(), io.StringIO()
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        sys.path.remove(str(site))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(site)):
                del sys.modules[name]
    return Done(code, out.getvalue(), err.getvalue())


def vis_bench_process(site, *arguments):
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_bench.py"), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def measure(site, method, output, *options, measure="[accuracy, flops]", command=vis_bench):
    """Runs a method on one plain synthetic video; what the process did, and its records."""
    config = output.parent / f"{method}.yaml"
    config.write_text(
        f"method: {method}\ndataset: {{name: synthetic, plain: true}}\nresolution: native\n"
        f"clip_length: 10\nclip_stride: 5\nmeasure: {measure}\n"
    )
    done = command(
        site, "run", config, "--limit", 1, "--device", "cpu", "--output", output, *options
    )
    files = [p for p in sorted(output.glob("*.json")) if not p.name.endswith(".results.json")]
    return done, [json.loads(path.read_text()) for path in files]
