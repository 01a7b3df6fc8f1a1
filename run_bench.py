"""Starts the command line from a checkout: `python run_bench.py --help`."""

import sys

from vis_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
