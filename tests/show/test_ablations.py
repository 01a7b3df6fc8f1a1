"""Ablations: a table per question, a row per variant, a column per clip length, and no rank."""

from record_example import example_record
from vis_bench.show.ablations import MEAN_NOTE, ablation_pages
from vis_bench.show.tables import render

OPTIONS = {"memory_tokens": 8, "communication": "ifc"}


def trained(ap, length=5, training="encoder afresh", **options):
    return example_record(
        ap=ap, clip_length=length, training=training, options=options,
        resolved_options={**OPTIONS, **options}, config_sha256=f"{ap:.4f}".replace(".", "0") * 2,
    )  # fmt: skip


def rows_of(table):
    titles = [column.full_title for column in table.columns]
    return [dict(zip(titles, [e.text for e in row], strict=True)) for row in table.rows]


def test_each_changed_option_has_a_table_by_clip_length():
    records = [trained(0.5), trained(0.6, 10), trained(0.3, memory_tokens=16),
               trained(0.4, 10, memory_tokens=2), trained(0.2, communication="none")]  # fmt: skip
    (page,) = ablation_pages(records)
    by_data = {table.data: rows_of(table) for table in page.tables}
    assert sorted(by_data) == ["by communication", "by memory tokens"]
    assert by_data["by memory tokens"] == [
        {"Variant": "2 memory tokens", "AP T=5 S=1": "-", "AP T=10 S=1": "40.0"},
        {"Variant": "8 memory tokens (default)", "AP T=5 S=1": "50.0", "AP T=10 S=1": "60.0"},
        {"Variant": "16 memory tokens", "AP T=5 S=1": "30.0", "AP T=10 S=1": "-"},
    ]
    text = render(page)
    assert "Rank" not in text
    assert "ifc memory_tokens=16" in text, "names in the records"


def test_seeds_are_averaged():
    records = [trained(0.3, training="x, seed 0"), trained(0.5, training="x, seed 1"),
               trained(0.1, training="x, seed 0", memory_tokens=2)]  # fmt: skip
    (page,) = ablation_pages(records)
    (table,) = page.tables
    assert [(row["Variant"], row["AP"]) for row in rows_of(table)] == [
        ("2 memory tokens", "10.0"), ("8 memory tokens (default)", "40.0"),
    ]  # fmt: skip
    assert MEAN_NOTE in page.remarks


def test_the_unchanged_method_tells_what_is_a_change():
    (page,) = ablation_pages([trained(0.3, communication="none")], [example_record()])
    (table,) = page.tables
    assert [row["Variant"] for row in rows_of(table)] == ["no communication"]
    assert "(reconstruction)" in render(ablation_pages([
        trained(0.3).model_copy(update={"reconstruction": True})
    ])[0])  # fmt: skip
