"""The real engine: workers and nodes that die, and a run that goes on with fewer.

A cluster of two nodes on this machine, each a raylet of one CPU: Ray's own `cluster_utils`.
"""

import os
import signal
import socket
import sys
import threading
import time

import pytest
import torch

from extras import needs
from methods import build_method
from paths import ROOT
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.records.store import RecordStore
from vis_bench.runs.cluster.settings import ClusterSettings
from vis_bench.runs.cluster.spread import measure_on_cluster
from vis_bench.runs.config import load_cells
from vis_bench.runs.jobs import RunSettings, resolve_jobs
from vis_bench.runs.one_process import measure_jobs

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'vis-bench[cluster]'")
