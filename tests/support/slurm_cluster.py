"""A Slurm cluster of two nodes on this machine, with daemons, key, state and ports of its own."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol")
SBIN = "/usr/sbin"
# How long a command, or a job of a few videos, may take on a loaded machine.
SECONDS = 300
INSTALL = "apt-get install slurm-wlm munge"

# Names of nodes are addresses, which need no entry in /etc/hosts; both listen on one.
CONFIG = """
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,sched_interval=1,batch_sched_delay=0,bf_interval=1
FirstJobId={first_job}
GresTypes=gpu
NodeName=127.0.0.1 NodeAddr=127.0.0.1 Port={ports[1]} CPUs=64 Gres=gpu:8 State=UNKNOWN
NodeName=127.0.0.2 NodeAddr=127.0.0.1 Port={ports[2]} CPUs=64 Gres=gpu:8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def is_installed():
    path = os.pathsep.join([os.environ.get("PATH", ""), SBIN])
    return all(shutil.which(program, path=path) for program in PROGRAMS)


def until(condition, what, seconds=SECONDS):
    """Waits for a condition and returns what it gave."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"{what} after {seconds} seconds"
        time.sleep(0.05)
    return result


class SlurmCluster:
    """Commands of a cluster; `environment` is that of jobs, too."""

    def __init__(self, folder, environment):
        path = os.pathsep.join([environment["PATH"], SBIN])
        self.environment = environment | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": path}

    def command(self, *words, folder=None):
        """What a command prints."""
        done = subprocess.run(
            [*map(str, words)],
            env=self.environment,
            cwd=folder,
            check=False,
            text=True,
            capture_output=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def job(self, number):
        """The fields of a job, or of a task of an array (`7_0`), that `scontrol` shows."""
        shown = self.command("scontrol", "--oneliner", "show", "job", number)
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    def processes(self, *variables):
        """The processes of the daemons and jobs; of those with some variables of environment."""
        return processes({f"SLURM_CONF={self.environment['SLURM_CONF']}", *variables})

    def ended(self, number):
        """Waits until a job has ended; returns its state, and its exit code and signal."""
        running = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"}
        until(lambda: self.job(number)["JobState"] not in running, f"job {number} still runs")
        fields = self.job(number)
        return fields["JobState"], fields["ExitCode"]

    def requeue(self, number):
        """Requeues a job and waits until it is not running; Slurm starts it two minutes later."""
        self.command("scontrol", "requeue", number)
        variable = f"SLURM_JOB_ID={self.job(number)['JobId']}"
        until(lambda: not self.processes(variable), f"job {number} still runs")
        until(lambda: self.job(number)["JobState"] == "PENDING", f"job {number} is not requeued")

    def start(self, number):
        """Starts a job that was requeued."""
        self.command("scontrol", "update", f"JobId={number}", "StartTime=now")


@contextmanager
def slurm_cluster(environment):
    """Starts a cluster; afterwards, or when this process is killed, all of its processes end."""
    # Of a short name, for Unix sockets.
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    cluster = SlurmCluster(folder, environment | {"RAY_TMPDIR": str(folder)})
    with (
        ExitStack() as daemons,
        subprocess.Popen(
            [sys.executable, __file__, folder], stdin=subprocess.PIPE, start_new_session=True
        ),
    ):  # which ends everything when the pipe is closed
        _write_files(folder)
        files = {
            f"--{option}={folder}/munge.{option.removesuffix('-file')}"
            for option in ("key-file", "socket", "pid-file", "log-file", "seed-file")
        }
        _start(daemons, cluster, folder, "munged", "--force", "--foreground", *files)
        until((folder / "munge.socket").exists, "munged is not up", 60)
        _start(daemons, cluster, folder, "slurmctld", "-D", "-i")
        for name in ("127.0.0.1", "127.0.0.2"):
            _start(daemons, cluster, folder, "slurmd", "-D", "-N", name)
        states = "sinfo", "--noheader", "--Node", "--format=%T"
        try:
            until(lambda: _printed(cluster, states) == "idle\nidle\n", "nodes are not up", 60)
        except AssertionError as error:
            logs = [path.read_text()[-2000:] for path in folder.glob("*.out")]
            raise AssertionError("\n".join([str(error), *logs])) from None
        yield cluster


def _printed(cluster, words):
    return subprocess.run(
        words, env=cluster.environment, capture_output=True, text=True, check=False, timeout=60
    ).stdout


def _start(daemons, cluster, folder, *words):
    with (folder / f"{words[0]}.out").open("a") as output:
        daemon = subprocess.Popen(
            words,
            env=cluster.environment,
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    daemons.callback(daemon.wait)


def _write_files(folder):
    for name in ("state", "127.0.0.1", "127.0.0.2"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    for number in range(8):
        (folder / f"gpu{number}").touch()
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-7]\n")
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
    text = CONFIG.format(
        folder=folder,
        user=pwd.getpwuid(os.getuid()).pw_name,
        ports=ports,
        first_job=secrets.randbelow(9000) + 1,
    )
    (folder / "slurm.conf").write_text(text)


def processes(variables):
    """The processes that have some variables (`NAME=value`) in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended, or another user's
            text = (folder / "environ").read_bytes().decode(errors="replace")
            if variables <= set(text.split("\0")):
                found.append(int(folder.name))
    return found


def end(folder):
    """Ends the daemons and jobs of a cluster, those in sessions of their own as well."""
    while left := processes({f"SLURM_CONF={folder}/slurm.conf"}):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    end(sys.argv[1])
