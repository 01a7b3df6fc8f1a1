"""The configs of the papers' tables load, and measure every cell that this bench can fill."""

import pytest

from methods import resolve_options
from paths import CONFIGS
from record_example import example_record
from vis_bench.runs.config import load_cells
from vis_bench.show.papers import paper_tables, seed_tables, table_page
from vis_bench.show.papers.table import load_table
from vis_bench.yaml_text import read_yaml

COUNTED = "ifc-encoder"
MEASURED = sorted(set(paper_tables()) - {COUNTED})
MINI = [name for name in MEASURED if load_table(name).mini]
BUILT_IN = {"IDOL", "MaskTrack R-CNN", "VisTR", "IFC", "SeqFormer", "MS-STS VIS", "VidEoMT"}
VITS = {
    "small": "vit_s", "base": "vit_b", "large": "vit_l", "dinov3_large": "vit_l_dinov3",
}  # fmt: skip


def backbone_of(cell):
    if cell.method == "videomt":
        return VITS[cell.options["variant"]]
    return resolve_options(cell.method, cell.options)["backbone"]


def records_of(path):
    """What a run of the config writes, as far as tables look: every figure it measures is there."""
    records = []
    for cell in load_cells(path):
        timed, accurate = "speed" in cell.measure, "accuracy" in cell.measure
        records.append(
            example_record(
                method=cell.method,
                options=cell.options,
                dataset=cell.dataset.name,
                backbone=backbone_of(cell),
                split=cell.dataset.split,
                clip_length=cell.clip_length,
                clip_stride=cell.stride,
                training=cell.training,
                num_checkpoint_entries=50_000_000,
                fps=50.0 if timed else None,
                **dict.fromkeys(("ap", "ap_long", "ar10_long"), 0.5 if accurate else None),
            )
        )
    return records


def test_every_table_has_a_config_for_the_paper_and_one_for_the_mini_models():
    names = {path.stem for path in (CONFIGS / "tables").glob("*.yaml")}
    papers, mini = {*MEASURED, COUNTED}, {*MINI, COUNTED, *seed_tables()}
    assert names == papers | {f"{name}_synthetic" for name in mini}


@pytest.mark.parametrize("name", MEASURED)
def test_one_run_fills_every_row_of_the_methods_that_are_built_in(name):
    grid = table_page(name, records_of(CONFIGS / "tables" / f"{name}.yaml")).tables[0]
    place = next(n for n, column in enumerate(grid.columns) if column.title == "Figures")
    lines = list(grid.rows)
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        if line[place].text != "published":
            continue
        if name.startswith("comparison") and line[0].text not in BUILT_IN:
            continue
        assert following is not None
        assert following[place].text == "measured", [entry.text for entry in line]
        for published, measured in zip(line[place + 1 :], following[place + 1 :], strict=True):
            assert published.text == "-" or measured.text != "-", grid.columns


@pytest.mark.parametrize("name", MINI)
def test_the_mini_models_run_fills_the_whole_table_on_the_synthetic_set(name):
    path = CONFIGS / "tables" / f"{name}_synthetic.yaml"
    filled = table_page(name, records_of(path)).tables[1]
    assert len(filled.rows) == len(load_table(name).mini_rows)
    figures = [entry.text for row in filled.rows for entry in row[filled.num_labels :]]
    assert "-" not in figures


def test_the_counted_tables_config_has_its_sixteen_cells():
    cells = load_cells(CONFIGS / "tables" / f"{COUNTED}.yaml")
    assert len(cells) == 16
    assert {cell.measure for cell in cells} == {("flops",)}
    assert {cell.options["communication"] for cell in cells} == {
        "none",
        "full",
        "decomposed",
        "ifc",
    }


@pytest.mark.parametrize("method", ["ifc", "seqformer", "ms_sts"])
def test_mini_models_have_the_options_that_they_are_trained_with(method):
    trained = read_yaml(CONFIGS / "train" / f"{method}_mini_synthetic.yaml")["options"]
    varied = {"memory_tokens", "memory", "communication", "mode"}
    varied |= {"intra_scale", "inter_scale", "temporal_decoder"}
    used = [
        {key: value for key, value in cell.options.items() if key not in varied}
        for path in sorted((CONFIGS / "tables").glob("*_synthetic.yaml"))
        for cell in load_cells(path)
        if cell.method == method
    ]
    assert used
    assert all(options == trained for options in used)


def test_every_mini_cell_needs_no_data():
    for path in (CONFIGS / "tables").glob("*_synthetic.yaml"):
        names = {cell.dataset.name for cell in load_cells(path)}
        assert names == {"synthetic_images" if path.stem == "ifc-coco_synthetic" else "synthetic"}
