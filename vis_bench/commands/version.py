"""`--version`, and with `--json` all that a bug report needs."""

from __future__ import annotations

from vis_bench.commands.output import json_text, print_text


def print_version(program: str, *, as_json: bool) -> None:
    """Prints the version; as JSON also extras, devices and compilers."""
    from vis_bench.record.environment import describe_installation, package_version

    if not as_json:
        print_text(f"{program} {package_version() or '(not installed)'}")
        return
    from cuda_ops.build import compiler_versions

    print_text(json_text({**describe_installation(), "compilers": compiler_versions()}))
