"""Starts the command line from a checkout: `python run_bench.py --help`."""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules load, Ctrl-C prints no traceback
    from vis_bench.cli import start

    start()
