"""The command line as on another operating system, of which this process imitates what is missing.

    python other_system.py win32|darwin < commands.json

The project is imported, with everything that it needs, and forgotten; then calls and modules that
the other system lacks are hidden, every module of the project is imported again, and the commands
run. Prints the exit code and the standard error of each.
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import platform
import signal
import socket
import sys

PROJECT = "vis_bench", "methods", "cuda_ops"
EXTRAS = {"av", "ray", "transformers", "triton"}
LINUX = {os: ["memfd_create", "sched_getaffinity", "posix_fadvise"], signal: ["sigtimedwait"]}
POSIX = {
    os: [
        "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid",
        "getpgrp", "getsid", "getuid", "killpg", "lockf", "mkfifo", "nice", "openpty", "pread",
        "pwrite", "setpgid", "setsid", "setuid", "statvfs", "sysconf", "uname", "wait", "wait4",
    ],
    signal: [
        "SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGTSTP", "SIGUSR1",
        "SIGUSR2", "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait",
    ],
    socket: ["AF_UNIX", "CMSG_SPACE", "SCM_RIGHTS", "recv_fds", "send_fds"],
}  # fmt: skip
POSIX_MODULES = "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"


def import_project():
    """Imports every module, but those that want an extra which is not installed."""
    for package in PROJECT:
        modules = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
        for module in modules:
            # The C library of masks looks like a module and is none.
            if not module.name.endswith(("__main__", "._runs")):
                try:
                    importlib.import_module(module.name)
                except ModuleNotFoundError as error:
                    if error.name not in EXTRAS:
                        raise


def hide(system):
    def no_proc(event, arguments):
        if event == "open" and str(arguments[0]).startswith("/proc/"):
            raise FileNotFoundError(2, "No such file or directory", arguments[0])

    sys.addaudithook(no_proc)
    platform.uname()  # remembered
    importlib.import_module("matplotlib.font_manager")  # asks Windows itself for its fonts
    for module, names in LINUX.items():
        _remove(module, names)
    if system == "win32":
        for module, names in POSIX.items():
            _remove(module, names)
        sys.modules |= dict.fromkeys(POSIX_MODULES)
    sys.platform = system


def _remove(module, names):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def main(system):
    commands = json.load(sys.stdin)
    import_project()
    for name in list(sys.modules):
        if name.split(".")[0] in PROJECT:
            del sys.modules[name]
    hide(system)
    import_project()
    from vis_bench.cli import main as run

    ended = []
    for command in commands:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            code = run(command)
        ended.append((code, err.getvalue()))
    json.dump(ended, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
