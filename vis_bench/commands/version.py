"""`--version`, and with `--json` all that a bug report needs."""

from __future__ import annotations

from vis_bench.commands.output import json_text, print_text


def print_version(program: str, *, as_json: bool) -> None:
    """Print the version; as JSON also extras, devices and compilers."""
    from vis_bench.record.environment import describe_installation, package_version

    if not as_json:
        print_text(f"{program} {package_version() or '(not installed)'}")
        return
    found = describe_installation()
    if "num_threads" in found:  # PyTorch is there
        from cuda_ops.build import compiler_versions

        found["compilers"] = compiler_versions()
    print_text(json_text(found))
