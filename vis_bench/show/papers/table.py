"""Tables of papers as YAML: rows, columns, conditions on records, published values and sources.

A bundled table is `<name>.yaml` beside this file; `published.yaml` holds what tables share.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vis_bench.data.categories import dataset_title
from vis_bench.errors import InputError
from vis_bench.record.metrics import FPS, Metric
from vis_bench.record.schema import RESULTS, Record
from vis_bench.record.store import first_problem
from vis_bench.yaml_text import read_yaml

_FOLDER = Path(__file__).parent
_ENCODER = Metric("encoder_gmacs", "GFLOPs", digits=2, higher_is_better=False)
METRICS = {**RESULTS, _ENCODER.field: _ENCODER}


def _check_keys(where: dict[str, Any]) -> dict[str, Any]:
    for key in where:
        if not key.startswith("options.") and key not in Record.model_fields:
            raise ValueError(f"expected fields of a record or options.NAME, not {key}")
    return where


# Field of a record, or `options.<name>` -> the value it must have, or a list of allowed ones.
Where = Annotated[dict[str, Any], AfterValidator(_check_keys)]


def _metric(name: object) -> Metric:
    if name not in METRICS:
        raise ValueError(f"expected one of {', '.join(METRICS)}")
    return METRICS[str(name)]


def _listed(source: object) -> object:
    if source is None:
        return []
    return [source] if isinstance(source, str) else source


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperColumn(_StrictModel):
    """A column of values; `where` holds for every measurement in it.

    Attributes:
        clip: of a counted column, the frames of the clip, their height and their width.
    """

    title: str
    metric: Annotated[Metric, BeforeValidator(_metric)]
    group: str = ""
    where: Where = Field(default_factory=dict)
    clip: tuple[int, int, int] | None = None
    remark: str = ""


class PaperRow(_StrictModel):
    """A row with its published values, one per column, whole numbers where they are printed so.

    Attributes:
        source: keys of the sources, that of FPS last; in the file one alone needs no list.
    """

    labels: list[str | int | None]
    where: Where = Field(default_factory=dict)
    values: list[int | float | None] = Field(default_factory=list)
    source: Annotated[list[str], BeforeValidator(_listed)] = Field(default_factory=list)


class MiniRows(_StrictModel):
    """Rows of the bundled mini models: those of the paper unless listed."""

    dataset: str = "synthetic"
    where: Where = Field(default_factory=dict)
    rows: list[PaperRow] = Field(default_factory=list)


class CountedModule(_StrictModel):
    """Multiply-adds of one module of a method, counted instead of measured."""

    method: str
    options: dict[str, Any]
    dataset: str
    module: str
    conditions: str


class PaperTable(_StrictModel):
    """A table of a paper.

    Attributes:
        question: that the table answers, for lists of tables.
        data: what the published values were measured on, for readers.
        labels: title of each leading column -> the record field that its labels state, if any.
        means: field -> label -> the conditions that stand for the label, beside the shared ones.
    """

    title: str
    question: str = ""
    data: str = ""
    dataset: str = ""
    split: str = ""
    labels: dict[str, str | None]
    where: Where = Field(default_factory=dict)
    means: dict[str, dict[str | int, Where]] = Field(default_factory=dict)
    columns: list[PaperColumn]
    rows: list[PaperRow]
    mini: MiniRows | None = None
    count: CountedModule | None = None
    remarks: list[str] = Field(default_factory=list)

    @property
    def data_title(self) -> str:
        """The heading above the published values."""
        return self.data or dataset_title(self.dataset)

    @property
    def mini_rows(self) -> list[PaperRow]:
        """The mini models' rows, of which nothing is published."""
        rows = self.mini.rows or self.rows if self.mini else []
        return [row.model_copy(update={"values": [], "source": []}) for row in rows]

    def row_labels(self, row: PaperRow) -> dict[str, str]:
        """Printed labels by title; a dash where the row states none."""
        labels = ["-" if label is None else str(label) for label in row.labels]
        return dict(zip(self.labels, [*labels, *["-"] * len(self.labels)], strict=False))

    def conditions(self, row: PaperRow, extra: Where | None = None) -> Where:
        """Conditions on records of a row, from the table, its labels, `extra`, and its own."""
        where = dict(self.where)
        for key, label in zip(self.labels.values(), row.labels, strict=False):
            if key is not None and label is not None:
                shared = published()["means"].get(key, {})
                where |= {**shared, **self.means.get(key, {})}.get(label, {key: label})
        return {**where, **(extra or {}), **row.where}

    def cells_of(self, row: PaperRow, extra: Where, dataset: str) -> list[Where]:
        """Conditions on the record of each of a row's values."""
        where = {**self.conditions(row, extra), "dataset": dataset}
        return [{**where, **column.where} for column in self.columns]

    @property
    def cells(self) -> list[Where]:
        """The same of all rows, those of the mini models too."""
        found = [cell for row in self.rows for cell in self.cells_of(row, {}, self.dataset)]
        if self.mini is not None:
            extra, data = self.mini.where, self.mini.dataset
            found += [cell for row in self.mini_rows for cell in self.cells_of(row, extra, data)]
        return found

    def remarks_on(self, column: PaperColumn, data: str) -> tuple[str, ...]:
        """The column's remark, and above published FPS what was timed on what.

        Args:
            data: heading above the values.
        """
        own = (column.remark,) if column.remark else ()
        if column.metric is not FPS or data != self.data_title:
            return own
        places = [n for n, column in enumerate(self.columns) if column.metric is FPS]
        timed = [row for row in self.rows if any(row.values[n] is not None for n in places)]
        cited = {source for row in timed for source in row.source[-1:]}
        sources = [source for key, source in published()["sources"].items() if key in cited]
        conditions = [
            f"{source['text']}: {source.get('hardware', 'hardware not stated')}"
            + "".join(f"; {method}: {what}" for method, what in source.get("timed", {}).items())
            for source in sources
        ]
        return (*own, f"Published FPS. {'. '.join(conditions)}.") if conditions else own


@cache
def published() -> Mapping[str, Any]:
    """Shared facts: names of bundled tables, sources, sizes of data sets, meanings of labels."""
    return read_yaml(_FOLDER / "published.yaml")


def source_text(key: str) -> str:
    """Text of a source for a footnote; an unknown key is itself the text."""
    return published()["sources"].get(key, {"text": key})["text"]


@cache
def load_table(name: str) -> PaperTable:
    """Read a bundled table by name, or any by the path of its YAML file."""
    if not name.endswith((".yaml", ".yml")) and name not in published()["tables"]:
        names = ", ".join(published()["tables"])
        raise InputError(f"table is {name!r}; expected a YAML file or one of: {names}")
    path = _FOLDER / f"{name}.yaml" if name in published()["tables"] else Path(name)
    content = read_yaml(path, "table")
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping; expected the keys of a table")
    try:
        table = PaperTable(**content)
    except ValidationError as error:
        raise InputError(f"table {path}: {first_problem(error)}") from None
    for row in table.rows:
        if len(row.labels) > len(table.labels) or len(row.values) != len(table.columns):
            raise InputError(
                f"table {path}: the row {row.labels} has {len(row.values)} values; expected "
                f"{len(table.columns)} and at most {len(table.labels)} labels"
            )
    return table
