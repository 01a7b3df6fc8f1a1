"""Systems without code here: their own results files fill their rows of the comparison."""

import json
import re

import numpy as np
import pytest

from vis_bench.cli import main
from vis_bench.data.categories import CATEGORIES
from vis_bench.masks.rle import encode_masks
from vis_bench.record.store import RecordStore
from vis_bench.show.papers import table_page
from vis_bench.show.papers.table import load_table
from vis_bench.table import render

T, H, W = 3, 40, 60


def square(left):
    mask_HW = np.zeros((H, W), bool)
    mask_HW[5:25, left : left + 20] = True
    return encode_masks(mask_HW[None])[0]


EMPTY = encode_masks(np.zeros((1, H, W), bool))[0]


def annotations():
    """Two videos with ids 1 and 2; a dog in the first, a cat that leaves in the second."""
    masks = {1: [square(2), square(4), square(6)], 2: [square(9), square(9), None]}
    return {
        "info": {},
        "videos": [
            {
                "id": key,
                "height": H,
                "width": W,
                "length": T,
                "file_names": [f"v{key}/{t:05d}.jpg" for t in range(T)],
            }
            for key in masks
        ],
        "categories": [{"id": k, "name": n} for k, n in CATEGORIES["ytvis2019"].items()],
        "annotations": [
            {
                "id": key,
                "video_id": key,
                "category_id": category,
                "iscrowd": 0,
                "segmentations": masks[key],
                "areas": [None if m is None else 400 for m in masks[key]],
                "bboxes": [None] * T,
            }
            for key, category in ((1, 8), (2, 14))
        ],
    }


def entry(video, category, score, masks, **more):
    return {
        "video_id": video,
        "score": score,
        "category_id": category,
        "segmentations": masks,
        **more,
    }


def mmdetection_file():
    """Write as SipMask and SG-Net do: scores of 32 bits, null for absent masks."""
    scores = np.array([0.8, 0.55], np.float32)
    return json.dumps(
        [
            entry(1, 8, float(scores[0]), [square(2), square(4), square(6)]),
            entry(2, 14, float(scores[1]), [square(9), square(9), None]),
        ]
    )


def detectron2_file():
    """Write as detectron2's evaluators do: empty masks, an entry per class, further keys."""
    way, more = [square(2), square(4), square(6)], {"bbox": [[2.0, 5.0, 20.0, 20.0]] * T}
    return json.dumps(
        [
            entry(1, 8, 0.91, way, **more),
            entry(1, 14, 0.02, way, **more),
            entry(2, 14, 0.7, [square(9), square(9), EMPTY], height=H),
        ]
    )


# The code of the last three is not read here or not published: for them the form that detectron2's
# evaluators for videos share (as sukjunhwang/IFC's).
SYSTEMS = [
    ("SipMask", "ResNet-50", mmdetection_file),
    ("SG-Net", "ResNet-101", mmdetection_file),
    ("CrossVIS", "ResNet-50", detectron2_file),
    ("STEm-Seg", "ResNet-101", detectron2_file),
    ("MaskProp", "ResNet-50", detectron2_file),
]


@pytest.mark.parametrize(("method", "backbone", "results"), SYSTEMS)
def test_a_results_file_fills_the_row(tmp_path, method, backbone, results):
    """From the file to the table; all objects are found, so that AP is 100."""
    files = {"valid.json": json.dumps(annotations()), "R.pkl.json": results()}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [
        "eval",
        "--annotations",
        tmp_path / "valid.json",
        "--predictions",
        tmp_path / "R.pkl.json",
        "--record",
        method,
        "--backbone",
        backbone,
        "--output",
        tmp_path / "records",
    ]
    assert main([str(part) for part in command]) == 0
    [record] = RecordStore(tmp_path / "records")
    assert record.ap == pytest.approx(1)
    assert (record.dataset, record.external) == ("ytvis2019", True)
    [grid] = table_page("comparison", [record]).tables
    lines = [[entry.text for entry in row] for row in grid.rows]
    measured = [line for line in lines if "measured" in line]
    published = [line for line in lines if line[:2] == [method, backbone] and "published" in line]
    assert len(measured) == len(published) >= 1
    assert all(lines[lines.index(line) + 1] in measured for line in published)
    assert all("100.0" in line for line in measured)


def test_every_system_without_code_has_its_facts():
    """Each of the comparison's methods is built in, or the page tells how it is measured."""
    built_in = {"MaskTrack R-CNN", "VisTR", "IFC", "SeqFormer", "MS-STS VIS", "IDOL", "VidEoMT"}
    text = render(table_page("comparison", []))
    assert "vis-bench eval --annotations GT.json --predictions R.json --record NAME" in text
    for method in {row.labels[0] for row in load_table("comparison").rows} - built_in:
        name = method.removesuffix(" (online)").removesuffix(" (offline)")
        remarks = [line for line in text.splitlines() if re.search(rf"{re.escape(name)}\W", line)]
        assert any("(license: " in line or "docs/other_code.md" in line for line in remarks), method


def test_what_the_page_says_of_ids_holds(tmp_path, capsys):
    """Ids that are not 1, 2, ... are named, since such a file counts places."""
    content = annotations()
    for video, thing in zip(content["videos"], content["annotations"], strict=True):
        video["id"] = thing["video_id"] = 10 * video["id"]
    (tmp_path / "valid.json").write_text(json.dumps(content))
    (tmp_path / "R.pkl.json").write_text(mmdetection_file())
    command = [
        "eval",
        "--annotations",
        tmp_path / "valid.json",
        "--predictions",
        tmp_path / "R.pkl.json",
    ]
    assert main([str(part) for part in command]) == 2
    assert "has video_id 1; expected one of the 2 videos" in capsys.readouterr().err
