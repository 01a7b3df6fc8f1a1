"""Changes of a method's own code to the process are put back; one thread at a time measures."""

import gc
import os
import random
import re
import subprocess
import sys
import threading
import time
from importlib import import_module
from operator import attrgetter
from pkgutil import iter_modules

import numpy as np
import pytest
import torch

import vis_bench
from vis_bench.errors import InputError
from vis_bench.runs.process_state import (
    GETTERS,
    OLD_PRECISIONS,
    kept_cell_state,
    kept_process_state,
)

MATMUL = ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation",
          "allow_bf16_reduced_precision_reduction", "fp32_precision")  # fmt: skip
SDP = ("flash_sdp_enabled", "mem_efficient_sdp_enabled", "math_sdp_enabled", "cudnn_sdp_enabled",
       "fp16_bf16_reduction_math_sdp_allowed", "preferred_linalg_library")  # fmt: skip


def asked(read, *arguments):
    try:
        return read(*arguments)
    except RuntimeError:
        return "refused: set by the other API"


def flags_of(module):
    """PyTorch's own list of a module's flags, and their values now."""
    kinds = {name: kind for cls in type(module).__mro__ for name, kind in vars(cls).items()}
    names = [name for name, kind in kinds.items() if type(kind).__name__ == "ContextProp"]
    return {f"{module.__name__}.{name}": asked(getattr, module, name) for name in names}


def public_flags():
    """PyTorch's flags, read as users read them."""
    backends = torch.backends
    names = [f"{backends.__name__}.{found.name}" for found in iter_modules(backends.__path__)]
    flags = {}
    for module in (backends, *(import_module(name) and sys.modules[name] for name in names)):
        flags |= flags_of(module)
    for place in ("cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn"):
        flags[place] = attrgetter(place)(backends).fp32_precision
    flags |= {name: asked(getattr, backends.cuda.matmul, name) for name in MATMUL}
    flags |= {name: getattr(backends.cuda, name)() for name in SDP}
    return flags | {
        "engine": backends.quantized.engine,
        "fastpath": backends.mha.get_fastpath_enabled(),
        "products": asked(torch.get_float32_matmul_precision),
        "nnpack": torch._C._get_nnpack_enabled(),
        "threads": torch.get_num_threads(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "type": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "cache": torch.is_autocast_cache_enabled(),
        "autocast": [
            (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
            for kind in ("cpu", "cuda")
        ],
        # As bytes: where subnormal numbers count as 0, they are equal to it.
        "subnormal": (torch.tensor([1e-310], dtype=torch.float64) * 1).numpy().tobytes(),
        "sparse": torch.sparse.check_sparse_tensor_invariants.is_enabled(),
        "script": torch._C._get_graph_executor_optimize(),
        "stance": torch._dynamo.eval_frame._stance.stance,
        "hooks": [
            len(getattr(torch.nn.modules.module, f"_global_forward_{kind}"))
            for kind in ("hooks", "pre_hooks", "hooks_always_called")
        ],
        "modes": torch._C._len_torch_dispatch_stack(),
    }


ENGINES = torch.backends.quantized
OTHER_ENGINE = min({*ENGINES.supported_engines} - {ENGINES.engine}, default=ENGINES.engine)
CHANGES = [
    "backends.mkldnn.enabled = False",
    "backends.mkldnn.deterministic = True",
    "backends.mkldnn.fp32_precision = 'bf16'",
    "backends.mkldnn.matmul.fp32_precision = 'tf32'",
    "backends.cudnn.enabled = False",
    "backends.cudnn.benchmark = True",
    "backends.cudnn.deterministic = True",
    "backends.cudnn.allow_tf32 = False",
    "backends.cudnn.conv.fp32_precision = 'ieee'",
    "backends.fp32_precision = 'tf32'",
    "backends.cuda.matmul.allow_tf32 = True",
    "backends.cuda.matmul.fp32_precision = 'tf32'",
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False",
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False",
    "backends.cuda.matmul.allow_fp16_accumulation = True",
    "set_float32_matmul_precision('high')",
    "backends.cuda.enable_flash_sdp(False)",
    "backends.cuda.enable_mem_efficient_sdp(False)",
    "backends.cuda.enable_math_sdp(False)",
    "backends.cuda.enable_cudnn_sdp(False)",
    "backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)",
    "backends.nnpack.set_flags(False)",
    "backends.mha.set_fastpath_enabled(False)",
    f"backends.quantized.engine = {OTHER_ENGINE!r}",
    "utils.deterministic.fill_uninitialized_memory = False",
    "set_flush_denormal(True)",
    "set_default_dtype(torch.float64)",
    "set_num_threads(3)",
    "set_grad_enabled(False)",
    "autograd.set_detect_anomaly(True)",
    "set_autocast_enabled('cuda', True)",
    "set_autocast_dtype('cpu', torch.float16)",
    "set_autocast_cache_enabled(False)",
    "sparse.check_sparse_tensor_invariants.enable()",
    "_C._set_graph_executor_optimize(False)",
    "compiler.set_stance('force_eager')",
    "nn.modules.module.register_module_forward_hook(lambda *_: None)",
    "nn.modules.module.register_module_forward_pre_hook(lambda *_: None)",
    "utils.flop_counter.FlopCounterMode(display=False).__enter__()",
]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_flags_of_pytorch_are_put_back(change):
    before = public_flags()
    with kept_process_state():
        exec(f"torch.{change}", {"torch": torch})
        assert public_flags() != before
    assert public_flags() == before


# Setters in `torch._C` that are not put back.
NOT_KEPT = {
    "arguments of a context, or of an object": "conj neg dispatch_mode graph_exec_group qengines "
    "meta_in_tls_dispatch_include only_lift_cpu_tensors skip_next_torch_function tensor_metadata "
    "torch_function_state tracing_state value_trace generator_metaclass thread_name "
    "worker_pids worker_signal_handlers should_use_format_with_string_table "
    "fp32_precision_setter override_stale_capture_stream cached_tensors_enabled",
    "for devices that the bench does not run on": "autocast_ipu_dtype autocast_ipu_enabled "
    "autocast_xla_dtype autocast_xla_enabled default_mobile_cpu_allocator",
    "of training": "fwd_grad_enabled grad_layout_enforcement_enabled multithreading_enabled "
    "view_replay_enabled autograd_fallback_mode warn_on_accumulate_grad_stream_mismatch "
    "dtensor_allow_implicit_replication",
    "of what is printed": "warnAlways backcompat_broadcast_warn backcompat_keepdim_warn "
    "print_stack_traces_on_fatal_signal throw_on_mutable_data_ptr "
    "warn_deprecated_on_mutable_data_ptr",
    "set by another name": "autocast_enabled autocast_dtype autocast_cpu_enabled "
    "autocast_cpu_dtype autocast_gpu_dtype grad_enabled default_dtype default_tensor_type "
    "deterministic_algorithms flush_denormal onednn_allow_tf32",
    "that nothing reads": "sdp_use_fa3",
    "that cannot be changed twice": "num_interop_threads",
}


def test_every_setter_of_pytorch_is_kept_or_named():
    """A new one belongs into `process_state`, or into the list above."""
    known = {name for names in NOT_KEPT.values() for name in names.split()}
    kept = {*GETTERS, *OLD_PRECISIONS}
    setters = {n for n in dir(torch._C) if re.match(r"_?set_[a-z]", n, re.IGNORECASE)}
    unknown = {
        name for name in setters - kept if name.lstrip("_").removeprefix("set_") not in known
    }
    assert unknown == set()


PROCESS = {
    "clock": (
        "time.perf_counter = time.time = lambda: 0.0",
        lambda: (time.perf_counter, time.time),
    ),
    "garbage": ("gc.disable()", gc.isenabled),
    "switches": ("sys.setswitchinterval(0.1)", sys.getswitchinterval),
    "profile": ("sys.setprofile(lambda *_: None)", sys.getprofile),
    "trace": ("sys.settrace(lambda *_: None)", sys.gettrace),
    "errors": ("np.seterr(all='raise')", np.geterr),
    "recursion": ("sys.setrecursionlimit(5000)", sys.getrecursionlimit),
    "exit": ("os._exit = print", lambda: os._exit),
}


@pytest.mark.parametrize("name", PROCESS)
def test_settings_of_the_process_are_put_back(name):
    change, read = PROCESS[name]
    before = read()
    with kept_process_state():
        exec(change, {"time": time, "gc": gc, "sys": sys, "np": np, "os": os})
        assert read() != before
    assert read() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_the_cpus_of_the_process_are_put_back():
    before = os.sched_getaffinity(0)
    if len(before) == 1:
        pytest.skip("this process has one CPU")
    with kept_process_state():
        os.sched_setaffinity(0, {min(before)})
    assert os.sched_getaffinity(0) == before


def numbers():
    return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()  # noqa: NPY002


def test_a_cell_draws_what_it_would_draw_alone():
    with kept_cell_state():
        alone = numbers()
    with kept_cell_state():
        for seed in (torch.manual_seed, np.random.seed, random.seed):
            seed(7)
        first = numbers()
    assert first != alone
    assert numbers() == alone


CELL = {
    "variable": "os.environ['A_VARIABLE'] = '1'",
    "removed variable": "os.environ.pop('PATH')",
    "limit of graphs": "torch._dynamo.config.recompile_limit = 3",
    "kept setting": "torch._dynamo.config.verbose = False",
    "part of inductor": "torch._inductor.config.triton.cudagraphs = True",
    "list of inductor": "torch._inductor.config.post_grad_fusion_options['a'] = {}",
    "functorch": "torch._functorch.config.donated_buffer = None",
}


@pytest.mark.parametrize("name", CELL)
def test_a_cell_has_an_environment_and_settings_of_its_own(name):
    """Calls share them: a method sets them where it is built."""
    import_module("torch._inductor.config")
    with torch._dynamo.config.patch(verbose=True):
        before = cell_values()
        with kept_cell_state():
            with kept_process_state():
                exec(CELL[name], {"torch": torch, "os": os})
            assert cell_values() != before
        assert cell_values() == before
        assert torch._inductor.config.triton.cudagraphs in (True, False)


def cell_values():
    parts = [torch._dynamo.config, torch._inductor.config, torch._functorch.config]
    return dict(os.environ), [own.get_config_copy() for own in parts]


FIRST_IMPORT = """
import sys
from vis_bench.runs.process_state import kept_cell_state
assert "torch._inductor" not in sys.modules
with kept_cell_state():
    import torch._inductor.config as config
    config.max_autotune = not config.max_autotune
    changed = config.max_autotune
assert config.max_autotune != changed
"""


def test_settings_of_a_module_that_a_cell_imports_are_put_back():
    subprocess.run([sys.executable, "-c", FIRST_IMPORT], check=True)


def in_a_thread(function):
    """The error that a function raises in another thread."""
    errors = []

    def call():
        try:
            function()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return errors


def measured_in_a_thread(folder):
    config = folder / "c.yaml"
    config.write_text("method: color_key\ndataset: {name: synthetic, split: val}\nresolution: 48\n")
    return in_a_thread(
        lambda: vis_bench.measure(config, ["measure=[flops]"], limit=1, output=folder, device="cpu")
    )


def test_a_second_thread_that_measures_is_refused(tmp_path):
    leave = os._exit
    with kept_process_state(), kept_process_state():
        [error] = measured_in_a_thread(tmp_path)
    assert isinstance(error, InputError)
    assert "thread" in str(error)
    assert os._exit is leave
    assert measured_in_a_thread(tmp_path) == []
    assert os._exit is leave
