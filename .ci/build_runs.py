"""The package's compiled part, `vis_bench/masks/runs.c`; left out where it cannot be built."""

import sys
import sysconfig
import tempfile
from importlib import import_module
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "vis_bench/masks"
NAME = "_runs.dll" if sys.platform == "win32" else "_runs.so"


def build(source: Path, folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """Build the library in a folder, by the compiler that extensions of Python are built with.

    Raises:
        Exception: of setuptools, where there is no compiler, or it fails.
    """
    import_module("setuptools")  # first: it brings distutils, which Python 3.12 lacks
    from distutils.ccompiler import new_compiler
    from distutils.sysconfig import customize_compiler

    compiler = new_compiler()
    customize_compiler(compiler)
    with tempfile.TemporaryDirectory() as scratch:
        objects = compiler.compile([str(source)], output_dir=scratch, extra_preargs=[*flags])
        compiler.link_shared_object(objects, str(folder / NAME), extra_preargs=[*flags])
    return folder / NAME


class CompiledRuns(BuildHookInterface):
    """Puts the library into a wheel, or beside its source for an editable installation."""

    def initialize(self, version: str, build_data: dict) -> None:
        """Build it; a wheel that has it is one of this platform, for every Python."""
        if self.target_name != "wheel":
            return
        own = Path(self.root) / FOLDER
        editable = version == "editable"
        self.scratch = None if editable else tempfile.TemporaryDirectory()
        try:
            library = build(own / "runs.c", own if editable else Path(self.scratch.name))
        except Exception as error:
            self.app.display_warning(
                f"NumPy reads all masks: {FOLDER}/runs.c is not built: {error}"
            )
            return
        if not editable:
            build_data["force_include"][str(library)] = f"{FOLDER}/{NAME}"
            build_data["pure_python"] = False
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform}"

    def finalize(self, version: str, build_data: dict, artifact_path: str) -> None:
        """Remove what was built for a wheel."""
        if getattr(self, "scratch", None):
            self.scratch.cleanup()
