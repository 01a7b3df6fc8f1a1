"""MS-STS's ablation: what each part adds to SeqFormer, every variant trained with several seeds.

A reconstruction, of which nothing published can stand beside what is measured. Rows come from
records whose `training` is that of a variant and ends with its seed; see
`configs/train/ms_sts_ablation_synthetic.yaml`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, replace

from vis_bench.data.categories import dataset_title, unit
from vis_bench.records.metrics import AP, ASSA, FPS, GFLOPS_PER_FRAME, PARAMS, Metric
from vis_bench.records.names import arithmetic_words, clip_name
from vis_bench.records.ranking import count, tie_break
from vis_bench.records.schema import Record
from vis_bench.show.number_format import entry_of
from vis_bench.show.over_seeds import (
    BySeed,
    OverSeeds,
    gain_over_seeds,
    mean_entry,
    over_seeds,
)
from vis_bench.show.papers.conditions import describe_conditions
from vis_bench.show.papers.footnotes import Footnotes
from vis_bench.show.tables.model import ABSENT, Column, Entry, Page, Table, rank_marks

NAME = "ms-sts-ablation"
TITLE = "MS-STS VIS, a reconstruction: what each part adds to SeqFormer"
NOTHING_REMARK = (
    "No record yet: train the variants by the commands at the top of "
    "train/ms_sts_ablation_synthetic, then run tables/ms-sts-ablation_synthetic."
)
READING_REMARK = (
    "Each row has the parts of those above it. Figures are means over the seeds, in brackets the "
    "lowest and the highest; gain is over the row above, seed by seed. Behind the AP of one seed "
    "stands its 95 % interval (bootstrap over videos). AssA falls with identity switches. "
    "SeqFormer encodes each frame once, MS-STS once for each clip that holds it."
)
_SEED = re.compile(r"(.*), seed (\d{1,18})")
_ALL_PARTS = ("intra_scale", "inter_scale", "temporal_decoder")
_RECONSTRUCTION = " (reconstruction)"


@dataclass(frozen=True)
class Variant:
    """A row: the method, which of MS-STS's parts it has, and how it was trained."""

    label: str
    method: str = "ms_sts"
    parts: tuple[str, ...] = ()
    training: str = "ablation"

    def is_of(self, record: Record, training: str) -> bool:
        """Whether a record, whose training without its seed is given, is of this variant."""
        options = {**record.options, **record.resolved_options}
        has = {part: options.get(part, True) for part in _ALL_PARTS}
        wanted = {part: part in self.parts for part in _ALL_PARTS}
        return (record.method, training) == (self.method, self.training) and (
            self.method != "ms_sts" or has == wanted
        )


VARIANTS = (
    Variant("SeqFormer", "seqformer"),
    Variant("+ attention within scales" + _RECONSTRUCTION, parts=_ALL_PARTS[:1]),
    Variant("+ attention between scales" + _RECONSTRUCTION, parts=_ALL_PARTS[:2]),
    Variant("+ temporal attention in the decoder" + _RECONSTRUCTION, parts=_ALL_PARTS),
    Variant(
        "+ discriminator" + _RECONSTRUCTION, parts=_ALL_PARTS,
        training="ablation with discriminator",
    ),
)  # fmt: skip


def ms_sts_ablation(records: Sequence[Record]) -> Page:
    """A table for each setting (videos, clips, resolution) in which variants were measured.

    Args:
        records: all that were measured; those of other trainings and of random weights are passed
            over. Of several for one variant, seed and setting the latest of a clean tree counts.
    """
    found: dict[_Setting, _Measured] = defaultdict(_Measured)
    for record in sorted(records, key=_preference):
        training = _SEED.fullmatch(record.training or "")
        if training is None or record.weights_source == "random":
            continue
        for variant in VARIANTS:
            if variant.is_of(record, training[1]):
                found[_Setting.of(record)].add(variant, int(training[2]), record)
    footnotes = Footnotes()
    grids, verdicts = [], []
    for setting in sorted(found, key=astuple):
        title = setting.title(found)
        grids.append(found[setting].grid(title, footnotes))
        verdict = found[setting].verdict()
        verdicts += [f"{title}: {verdict}" if len(found) > 1 else verdict] if verdict else []
    remarks = (READING_REMARK, *verdicts) if grids else (NOTHING_REMARK,)
    return Page(TITLE, tuple(grids), footnotes.texts, remarks)


@dataclass(frozen=True)
class _Setting:
    """What figures have to share to stand in one table, in words, and the annotations."""

    words: str
    annotations: str

    @classmethod
    def of(cls, record: Record) -> _Setting:
        size = record.resolution
        parts = [
            f"{dataset_title(record.dataset)} {record.split}",
            None if record.num_videos is None else count(record.num_videos, unit(record.dataset)),
            None if record.backbone is None else f"backbone {record.backbone}",
            clip_name(record),
            f"short side {size}" if isinstance(size, int) else size,
            *arithmetic_words(record),
        ]
        words = ", ".join(part for part in parts if part)
        return cls(words, record.annotations_sha256 or "")

    def title(self, among: Iterable[_Setting]) -> str:
        """Names the annotations only where others of these settings differ by nothing else."""
        same = sum(other.words == self.words for other in among)
        return self.words if same == 1 else f"{self.words}, annotations {self.annotations[:8]}"


@dataclass
class _Measured:
    """What was measured in one setting."""

    found: dict[Variant, dict[int, Record]] = field(default_factory=dict)

    def add(self, variant: Variant, seed: int, record: Record) -> None:
        """Takes a record in; of one variant and seed, the last one stays."""
        self.found.setdefault(variant, {})[seed] = record

    @property
    def rows(self) -> list[tuple[Variant, BySeed]]:
        """The variants that were measured, in the order of the table."""
        return [(variant, self.found[variant]) for variant in VARIANTS if variant in self.found]

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, records in self.rows for seed in records})

    def gain(self, variant: Variant) -> OverSeeds | None:
        """Of AP over the variant above, if both were measured with a common seed."""
        place = VARIANTS.index(variant)
        above = self.found.get(VARIANTS[place - 1], {}) if place else {}
        return gain_over_seeds(self.found[variant], above, AP)

    def grid(self, title: str, footnotes: Footnotes) -> Table:
        """The table."""
        columns = (
            Column("Variant", numeric=False),
            Column("mean", "AP", has_interval=True),
            Column("gain", "AP", has_interval=True),
            *(Column(f"seed {seed}", "AP", has_interval=True) for seed in self.seeds),
            *(Column(metric.title, has_interval=True) for metric in (ASSA, FPS)),
            *(Column(metric.title) for metric in (GFLOPS_PER_FRAME, PARAMS)),
        )
        lines = [self._line(variant, by_seed, footnotes) for variant, by_seed in self.rows]
        devices = {record.device for _, by_seed in self.rows for record in by_seed.values()}
        speed = FPS if len(devices) == 1 else None
        ranked = (None, AP, *[None] * (1 + len(self.seeds)), ASSA, speed, GFLOPS_PER_FRAME, None)
        return Table(columns, tuple(map(tuple, _marked(lines, ranked))), title, 1)

    def verdict(self) -> str:
        """Which parts gain AP with every seed, and which do not; empty where none has a gain."""
        gains = {v.label.removeprefix("+ "): self.gain(v) for v, _ in self.rows}
        known = {label: gain for label, gain in gains.items() if gain is not None}
        helps = [label for label, gain in known.items() if gain.lowest > 0]
        fails = [label for label, gain in known.items() if gain.lowest <= 0]
        parts = [f"higher than in the row above with every seed: {', '.join(helps) or 'none'}"]
        parts += [f"not with every seed: {', '.join(fails)}"] if fails else []
        return f"AP is {'; '.join(parts)}." if known else ""

    def _line(self, variant: Variant, by_seed: BySeed, footnotes: Footnotes) -> list[Entry]:
        conditions = dict.fromkeys(describe_conditions(record) for record in by_seed.values())
        notes = tuple(key for text in conditions for key in footnotes.conditions(text))
        return [
            Entry(variant.label, notes=notes),
            mean_entry(over_seeds(by_seed, AP), AP),
            mean_entry(self.gain(variant), AP, signed=True),
            *(entry_of(by_seed[s], AP) if s in by_seed else Entry(ABSENT) for s in self.seeds),
            *(
                mean_entry(over_seeds(by_seed, metric), metric)
                for metric in (ASSA, FPS, GFLOPS_PER_FRAME, PARAMS)
            ),
        ]


def _marked(
    lines: Sequence[Sequence[Entry]], metrics: Sequence[Metric | None]
) -> list[list[Entry]]:
    """The lines with the best and second best mean of each of these metrics marked."""
    marked = [list(line) for line in lines]
    for place, metric in enumerate(metrics):
        if metric is not None:
            texts = [line[place].text for line in marked]
            marks = rank_marks(
                [None if text == ABSENT else text for text in texts],
                higher_is_better=metric.higher_is_better is True,
            )
            for line, mark in zip(marked, marks, strict=True):
                line[place] = replace(line[place], mark=mark)
    return marked


def _preference(record: Record) -> tuple:
    return not record.git_dirty, record.created_at or "", tie_break(record)
