"""`vis-bench --version --json`: what a bug report needs to name."""

from __future__ import annotations

from vis_bench.commands.output import json_text, print_text


def print_installation() -> None:
    """Prints versions, extras, devices and compilers as JSON."""
    from cuda_ops.build import compiler_versions
    from vis_bench.record.environment import describe_installation

    print_text(json_text({**describe_installation(), "compilers": compiler_versions()}))
