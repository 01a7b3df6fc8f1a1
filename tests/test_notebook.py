"""docs/notebook.ipynb runs from top to bottom, and shows what it showed when it was written."""

import os
import re
import sys
from pathlib import Path

import pytest

from paths import ROOT

NUMBER = re.compile(r"-?\d+\.\d+")


def shown(cell):
    """The kinds of a code cell's outputs, and the text of those with a value."""
    kinds = [(output["output_type"], *sorted(output.get("data", ()))) for output in cell["outputs"]]
    values = [
        o["data"]["text/plain"] for o in cell["outputs"] if o["output_type"] == "execute_result"
    ]
    return kinds, "\n".join(values)


@pytest.mark.extra("nbclient", "ipykernel")
def test_it_runs_and_shows_the_stored_figures(tmp_path, monkeypatch):
    import nbclient
    import nbformat

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    stored = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    fresh = nbformat.from_dict(stored)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        fresh, timeout=600, kernel_name="python3", resources=resources
    ).execute()
    assert (tmp_path / "report.html").exists()
    pairs = [
        (shown(old), shown(new))
        for old, new in zip(stored.cells, fresh.cells, strict=True)
        if old.cell_type == "code"
    ]
    assert sum(bool(kinds) for (kinds, _), _ in pairs) == 8
    for (old_kinds, old), (new_kinds, new) in pairs:
        assert new_kinds == old_kinds
        assert NUMBER.sub("", new).split() == NUMBER.sub("", old).split() or "object at" in old
        # Points; networks' outputs differ in their last bits between machines.
        assert [float(n) for n in NUMBER.findall(new)] == pytest.approx(
            [float(n) for n in NUMBER.findall(old)], abs=1
        )
