"""Fields of a record: a flat JSON object for one measured cell.

Fields may be added; `SCHEMA_VERSION` rises where one is removed, renamed or means something else.
A value that was not measured is null, and so is an AP or AR without any object to find. AP and AR
are fractions, unrounded.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

SCHEMA_VERSION: Literal[1] = 1


def _absent_as_none(value: Any) -> Any:
    """The evaluator's marks for "no ground truth" as None."""
    return None if isinstance(value, float) and (value == -1 or math.isnan(value)) else value


def _number(value: Any) -> Any:
    """Refuse texts and booleans, which pydantic would turn into numbers."""
    if isinstance(value, bool | str | bytes):
        raise ValueError("expected a number")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
_Part = Annotated[Number, Field(ge=0, le=1)]
Fraction = Annotated[_Part | None, BeforeValidator(_absent_as_none)]
Count = Annotated[StrictInt, Field(ge=0)]
Size = Annotated[StrictInt, Field(ge=1)]

# Marks a field that names a file beside the record.
BESIDE = "beside the record"
FileName = Annotated[StrictStr | None, BESIDE]


class Fields(BaseModel):
    """Fields of one subject in a record."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class IdentityFields(Fields):
    """Fields that identify a measured cell; two records that share them are comparable."""

    method: StrictStr
    options: dict[StrictStr, Any] = Field(default_factory=dict)
    place_options: tuple[StrictStr, ...] | None = None
    """Those of the options that only say where something lies, and identify nothing; null in
    records before this field.
    """
    backbone: StrictStr | None = None
    dataset: StrictStr
    split: StrictStr
    num_videos: Count | None = None
    clip_length: Size | Literal["whole"] | None = None
    clip_stride: Size | None = None
    resolution: Size | Literal["native"] | None = None
    training: StrictStr | None = None
    """Label of the weights' training data, for tables with a row for each."""
    annotations_sha256: StrictStr | None = None


class SubjectFields(IdentityFields):
    """Description of the measured cell."""

    schema_version: Literal[1] = SCHEMA_VERSION
    created_at: StrictStr | None = None
    command: StrictStr | None = None
    vis_bench_version: StrictStr | None = None
    """The version that wrote the record; null in those of 0.1.0, which did not state it."""
    resolved_options: dict[StrictStr, Any] = Field(default_factory=dict)
    """All options of the method, those left to their defaults and to its variant included."""
    method_source: dict[StrictStr, StrictStr | None] | None = None
    """Fields of `method.MethodSource`, of a plug-in or another project; null for built-ins."""
    reconstruction: StrictBool = False
    external: StrictBool = False
    """The results come from other code."""
    note: StrictStr | None = None
    """Label that distinguishes results of one method, given by the user."""
    url: StrictStr | None = None
    """Source of results of other code."""
    num_frames: Count | None = None
    config: dict[StrictStr, Any] = Field(default_factory=dict)
    config_sha256: StrictStr
    weights_source: StrictStr | None = None
    """The weights file, the weights that the method loads by itself, `random` or `none`."""
    weights_sha256: StrictStr | None = None
    contaminated: StrictBool = False
    """AP was measured on videos that the weights were trained on."""
    videos_sha256: StrictStr | None = None
    """Checksum of the ids of the measured videos, in rising order, a line each."""
    split_protocol: StrictStr | None = None
    """Name of the shared rule that chose a held-out part, such as `heldout-v1`."""
    frames_sha256: StrictStr | None = None
    """Fingerprint of the frames' files, by names and sizes, or by their contents if it begins with
    `contents:`; null for videos that are drawn in memory, and if unknown.
    """
    limited: StrictBool = False
    """Only the first videos of the split were measured."""
    failures: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    """Reasons for missing measurements, by their names."""
    measured_again: dict[StrictStr, dict[StrictStr, Any]] = Field(default_factory=dict)
    """Measurements that are later than the record, by their names: when, by which command and at
    which commit they were made. The machine is theirs; `machine_before` has what differed.
    """


class MetricFields(Fields):
    """AP, AR and tracking metrics.

    Of single images AP and AR are COCOeval's, whose small objects end at 32^2 pixels and medium
    ones at 96^2, and there are no tracking metrics.
    """

    ap: Fraction = None
    ap50: Fraction = None
    ap75: Fraction = None
    ap_s: Fraction = None
    ap_m: Fraction = None
    ap_l: Fraction = None
    ar1: Fraction = None
    ar10: Fraction = None
    ar100: Fraction = None
    ar_s: Fraction = None
    ar_m: Fraction = None
    ar_l: Fraction = None
    ap_short: Fraction = None
    """Of short and of long videos, for data sets with an annotations file of each; the other AP and
    AR are then the means of both.
    """
    ap50_short: Fraction = None
    ap75_short: Fraction = None
    ar1_short: Fraction = None
    ar10_short: Fraction = None
    ap_long: Fraction = None
    ap50_long: Fraction = None
    ap75_long: Fraction = None
    ar1_long: Fraction = None
    ar10_long: Fraction = None
    ap_so: Fraction = None
    """AP of lightly, moderately and heavily occluded objects, as OVIS has it."""
    ap_mo: Fraction = None
    ap_ho: Fraction = None
    ap_returning: Fraction = None
    """AP of objects that are seen again after frames in which they are not."""
    ap_staying: Fraction = None
    """AP of all others, where some object returns."""
    tracking_score_threshold: Number | None = None
    """Tracks with a higher score take part in the tracking metrics that follow."""
    hota: Fraction = None
    """HOTA, DetA, AssA, LocA and IDF1 over all detections."""
    deta: Fraction = None
    assa: Fraction = None
    loca: Fraction = None
    idf1: Fraction = None
    teta: Fraction = None
    """TETA, averaged over the categories."""
    boundary_ap: Fraction = None
    """AP, AP50 and AP75 by masks and their boundaries (Tube-Boundary AP of HQ-YTVIS)."""
    boundary_ap50: Fraction = None
    boundary_ap75: Fraction = None


class AccuracyFields(MetricFields):
    """The metrics, intervals, and the results file that they were computed from."""

    predictions: FileName = None
    ap_low: Fraction = None
    """The ends of the 95 % interval of AP, by 1,000 half-samples of the videos, seed 0."""
    ap_high: Fraction = None
    hota_low: Fraction = None
    """The same of HOTA, IDF1 and TETA; null in records of 0.2.0 and before."""
    hota_high: Fraction = None
    idf1_low: Fraction = None
    idf1_high: Fraction = None
    groups: dict[StrictStr, dict[StrictStr, Any]] = Field(default_factory=dict)
    """AP and AR of groups of categories or videos, by name: `kind`, numbers of categories, videos
    and objects, the 12 numbers, `ap_low`, `ap_high` and so on, and the `reason` of an empty group.
    """
    teta_low: Fraction = None
    teta_high: Fraction = None
    boundary_ap_low: Fraction = None
    """The interval of `boundary_ap`, as that of AP."""
    boundary_ap_high: Fraction = None
    ap_short_low: Fraction = None
    """The interval of `ap_short`, over the short videos alone, and that of `ap_long`."""
    ap_short_high: Fraction = None
    ap_long_low: Fraction = None
    ap_long_high: Fraction = None


class SizeFields(Fields):
    """Size of the method."""

    num_params: Count | None = None
    """Distinct parameters that training could change."""
    num_checkpoint_entries: Count | None = None
    """Numbers in the authors' checkpoint, duplicates and frozen statistics included."""


class CostFields(Fields):
    """Multiply-adds; G = 1e9 of them."""

    gflops_per_clip: NotNegative | None = None
    gflops_per_frame: NotNegative | None = None
    flop_convention: StrictStr | None = None
    uncounted_ops: tuple[StrictStr, ...] | None = None
    upper_bound_ops: tuple[StrictStr, ...] | None = None


class MemoryBytes(Fields):
    """Peaks in bytes: of the process, of the GPU's allocator, and of the whole GPU."""

    process: Count | None = None
    allocator: Count | None = None
    device: Count | None = None


class RegionFields(Fields):
    """The speed of one timed region, in the process of median FPS."""

    fps: Positive | None = None
    fps_low: Positive | None = None
    """The least and the most FPS of several processes; null of one."""
    fps_high: Positive | None = None
    latency_ms_p50: NotNegative | None = None
    latency_ms_p90: NotNegative | None = None
    latency_ms_p99: NotNegative | None = None
    num_warmup: Count | None = None
    num_timed: Count | None = None
    num_timed_clips: Count | None = None
    speed_spread: NotNegative | None = None
    stage_ms_per_frame: dict[StrictStr, Number] = Field(default_factory=dict)
    peak_memory_bytes: Count | None = None
    memory_bytes: MemoryBytes | None = None
    energy_joules_per_frame: Number | None = None


class SpeedFields(RegionFields):
    """The speed of the first region, and of every region by name.

    `timed_alone`: whether no other worker of the run was on the node.
    """

    timed_alone: StrictBool | None = None
    speed_processes: Count | None = None
    """Processes that timed it, fresh ones if several; null in earlier records, which one timed."""
    timed_region: StrictStr | None = None
    speed_protocol: StrictStr | None = None
    """`bench` or null, or `paper` for what the method's authors timed."""
    regions: dict[StrictStr, RegionFields] = Field(default_factory=dict)
    untimed_regions: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    """Reasons for regions that the config names and the method does not have."""
    compile_seconds: NotNegative | None = None
    """Additional time of the first runs, from empty caches; null if nothing was compiled. It is no
    part of FPS and latency.
    """
    load_average: NotNegative | None = None
    num_cpus: Size | None = None
    gpu: dict[StrictStr, Any] | None = None


class StreamPoint(Fields):
    """Streaming AP at one rate and delay."""

    rate: Positive
    delay_ms: NotNegative | None = None
    """Null for an infinite delay."""
    ap: Fraction = None


class StreamFields(StreamPoint):
    """One rate and delay of a streaming measurement; see docs/streaming.md.

    Figures are of the pass of median length; in records of 0.2.0 and before, latency is of all.
    """

    predictions: FileName = None
    """The results file of what was on show in the pass of median length."""
    ap_low: Fraction = None
    """The ends of the 95 % interval of AP, by 1,000 half-samples of the videos, seed 0."""
    ap_high: Fraction = None
    ap_pass_low: Fraction = None
    """The least and the most AP of the passes over all videos; null of one pass, and in records of
    0.2.0 and before.
    """
    ap_pass_high: Fraction = None
    ap_draws_low: Fraction = None
    """Percentiles 2.5, 50 and 97.5 of AP over draws of a recorded run for each video, seed 0; in
    records of 0.2.0 and before.
    """
    ap_draws_median: Fraction = None
    ap_draws_high: Fraction = None
    frame_latency_ms_mean: NotNegative | None = None
    """From a frame's arrival to the first result that holds it, over the computed frames."""
    frame_latency_ms_p50: NotNegative | None = None
    frame_latency_ms_p90: NotNegative | None = None
    frame_latency_ms_p99: NotNegative | None = None
    frame_latency_ms_max: NotNegative | None = None
    frame_latency_spread: NotNegative | None = None
    """Spread of the mean over passes: (longest - shortest) / mean; null for one pass."""
    fill_ms: NotNegative | None = None
    """The mean's parts: until the clip's last frame is there, until the device begins, compute."""
    queue_ms: NotNegative | None = None
    compute_ms: NotNegative | None = None
    last_queue_ms: NotNegative | None = None
    """Queue of each video's last clip, which grows with the video where the device falls behind."""
    first_mask_ms: NotNegative | None = None
    throughput: Positive | None = None
    """Source frames per second of computing, which could be sustained."""
    keeps_up: StrictBool | None = None
    share_computed: Fraction = None
    share_served: Fraction = None
    """Frames of a computed clip, and frames that showed anything in time, of all."""
    age_frames: NotNegative | None = None
    """Age of the masks on show, in frames; mean and most over the served frames."""
    age_frames_max: Count | None = None
    age_ms: NotNegative | None = None
    delay_95_ms: NotNegative | None = None
    """The least delay of `streaming_by_delay` with 95 % of the AP of an infinite one."""
    closest_ms: NotNegative | None = None
    """The least time between a finish and a query: where clocks are less exact, AP may move."""
    num_clips: Count | None = None
    """Timed clips."""


class StreamingFields(Fields):
    """Streaming AP and latency, by rate and delay."""

    streaming: tuple[StreamFields, ...] = ()
    streaming_policy: StrictStr | None = None
    streaming_by_delay: tuple[StreamPoint, ...] = ()
    """AP at every rate over delays up to that from which it no longer changes."""
    streaming_by_rate: tuple[StreamPoint, ...] = ()
    """AP over rates, each with a delay of one frame."""
    streaming_trace: FileName = None
    """The file beside the record with the time of every clip, its digest, and its machine."""
    streaming_trace_sha256: StrictStr | None = None
    streaming_device: StrictStr | None = None
    streaming_runs: Count | None = None
    """Passes over all videos: recorded runs of every video."""
    streaming_processes: Count | None = None
    """Processes that timed them, fresh ones if several; null for a trace and in earlier records."""


class MemoryPoint(Fields):
    """The memory of one length; see docs/cost.md."""

    num_frames: Size
    num_tracks: Count | None = None
    """Entries of the results; their masks take memory, too."""
    start_bytes: Count | None = None
    """Before the video, weights included; null for a method that another process runs."""
    peak_bytes: Count
    device_bytes: Count | None = None
    """In use on the whole GPU afterwards: the allocator's cache, the context, other processes."""


class MemoryFields(Fields):
    """Peak memory of inference over the length of a video."""

    memory_points: tuple[MemoryPoint, ...] = ()
    memory_of: Literal["process", "allocator"] | None = None
    """Resident memory of the process, or the tensors of the GPU's allocator."""
    memory_over: Literal["clip", "video"] | None = None
    """The growing length: of the clip that is the whole video, or of the video in equal clips."""
    memory_video_size: tuple[Size, Size] | None = None
    """Height and width of the video, and of the network's input, in pixels."""
    memory_input_size: tuple[Size, Size] | None = None
    memory_growth: Literal["line", "parabola", "flat", "irregular"] | None = None
    """The curve of bytes over frames; `flat` and `irregular` have none."""
    memory_coefficients: tuple[Number, ...] = ()
    """Of the curve: bytes of no frame, per frame, and per squared frame."""
    memory_curve_from: Size | None = None
    """The shortest measured length of the curve."""
    memory_bytes_per_frame: Number | None = None
    """Slope of the line."""
    memory_error_bytes: NotNegative | None = None
    """The most by which the curve misses a length beside it; null if unchecked."""
    memory_max_frames: Size | None = None
    """The most frames that the method takes; null for any number."""
    memory_limit_bytes: Count | None = None
    memory_longest: Count | None = None
    """The most frames within the limit."""
    memory_longest_extrapolated: StrictBool | None = None
    """`memory_longest` is outside the measured lengths."""
    memory_longest_is_bound: StrictBool | None = None
    """More frames than `memory_longest` may fit, which is not known."""


class MachineFields(Fields):
    """Machine and arithmetic of the measurement."""

    precision: StrictStr | None = None
    kernel_backend: StrictStr | None = None
    kernel_build: StrictStr | None = None
    """Compiler and flags of the kernels' library; null without one."""
    device: StrictStr | None = None
    driver: StrictStr | None = None
    cuda: StrictStr | None = None
    torch: StrictStr | None = None
    python: StrictStr | None = None
    num_threads: Size | None = None
    tf32: StrictBool | None = None
    """True if a GPU rounded the factors of float32 products; null on a CPU."""
    compile: StrictStr | None = None
    """Use of `torch.compile`: `none` or null, `default`, or `cuda_graphs`."""


class SourceFields(Fields):
    """Source that measured it."""

    git_commit: StrictStr | None = None
    git_dirty: StrictBool | None = None
    sources_sha256: StrictStr | None = None
    """Digest of the code that computes accuracy, a plug-in's included; null if unknown."""
    seed: StrictInt | None = None


class Record(
    SourceFields,
    MachineFields,
    MemoryFields,
    StreamingFields,
    SpeedFields,
    CostFields,
    SizeFields,
    AccuracyFields,
    SubjectFields,
):
    """All fields, those of the subject first; unknown fields of later versions are kept."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def of(cls, *parts: Fields) -> Record:
        """Join parts to a record; later parts override earlier ones."""
        values: dict[str, Any] = {}
        for part in parts:
            values |= part.model_dump()
        return cls(**values)
