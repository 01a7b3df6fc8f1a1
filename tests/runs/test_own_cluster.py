"""Ray on this machine alone: who can reach it, and what is left of it when it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paths import ROOT
from vis_bench.runs.ray.cluster import _signals_wait

pytest.importorskip("ray", reason="needs Ray: pip install 'vis-bench[cluster]'")

CONFIG = "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: 64\n"

# Starts a cluster with a task in it and prints what others on the machine can see of it.
LOOK = """
import json, os, sys
from pathlib import Path
from vis_bench.runs.ray.cluster import ClusterSettings, connected

def listening(pid):
    sockets = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in sockets:
                yield local.split(":")[0]

def environment():
    return {key: value for key, value in os.environ.items() if "AUTH" in key}

before = environment()
with connected(ClusterSettings(workers=1), gpu=False) as ray:
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    ours = [pid for pid in pids if os.getsid(pid) == os.getpid()]
    session = Path(ray._private.worker._global_node.get_session_dir_path())
    print(json.dumps({
        "processes": len(ours),
        "listening": sorted({address for pid in ours for address in listening(pid)}),
        "commands": [Path(f"/proc/{pid}/cmdline").read_text() for pid in ours],
        "token": environment()["RAY_AUTH_TOKEN"],
        "folder": str(session.parents[1]), "mode": session.parents[1].stat().st_mode & 0o777,
    }))
assert environment() == before
"""

# Runs a config with two workers and gets a signal when the first shard is written.
SIGNALLED = """
import os, signal, sys
from vis_bench.cli import main
from vis_bench.runs.shards import ShardFiles

config, output, number, kill = sys.argv[1:]
write = ShardFiles.write

def write_and_die(self, *arguments):
    write(self, *arguments)
    getattr(os, kill)(os.getpid(), int(number))

ShardFiles.write = write_and_die
sys.exit(main(["run", config, "--workers", "2", "--device", "cpu", "--output", output]))
"""


def python(script, *arguments, **environment):
    """Runs a script as the leader of its own session and process group."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
    )
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err, session_of(process.pid)


def session_of(pid):
    """Commands of the processes of a session that run."""
    commands = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[3]) == pid and status[0] != "Z":
                commands.append((folder / "cmdline").read_text())
        except OSError:  # ended meanwhile
            continue
    return commands


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nobody_else_reaches_the_cluster_and_nothing_is_left(tmp_path):
    # Addresses of another cluster are not followed, and another cluster's token is not used.
    code, out, err, left = python(
        LOOK, HOME=str(tmp_path), RAY_ADDRESS="127.0.0.1:1", RAY_AUTH_TOKEN="other"
    )
    assert code == 0, err
    seen = json.loads(out)
    assert seen["processes"] > 3
    # 127.0.0.1, as IPv4 and mapped into IPv6.
    assert set(seen["listening"]) <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert seen["listening"]
    assert len(seen["token"]) == 64
    assert not [command for command in seen["commands"] if seen["token"] in command]
    assert seen["mode"] == 0o700
    assert not Path(seen["folder"]).exists()
    assert list(tmp_path.iterdir()) == []
    assert left == []
    assert err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "kill", "code"),
    [
        (signal.SIGTERM, "kill", 143),
        pytest.param(signal.SIGTERM, "killpg", 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "killpg", 130, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_everything_and_keeps_the_shards(tmp_path, number, kill, code):
    config, output = tmp_path / "c.yaml", tmp_path / "o"
    config.write_text(CONFIG)
    ended, out, err, left = python(SIGNALLED, config, output, int(number), kill)
    assert ended == code, err
    assert len(list((output / "shards").rglob("*.json"))) == 1
    assert [line.split()[0] for line in err.splitlines()] == ["1", "starting", "interrupted"]
    assert (out, left) == ("", [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_ray_is_up(number):
    import ray

    handled = []

    def handle(number, frame):
        handled.append(number)

    before = signal.signal(number, handle)
    try:
        with _signals_wait(ray):
            signal.raise_signal(number)
            assert handled == []
        assert handled == [number]
        assert signal.getsignal(number) is handle
    finally:
        signal.signal(number, before)
