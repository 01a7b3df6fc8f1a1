"""Fields of a record: a flat JSON object for one measured cell.

Fields may be added; `SCHEMA_VERSION` rises where one is removed, renamed or means something else.
A value that was not measured is null, and so is an AP or AR without any object to find. AP and AR
are fractions, unrounded.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictInt, StrictStr

from vis_bench.record.fields import (
    BASIS,
    CONDITION,
    DATA,
    DIFFERS,
    IDENTITY,
    IN_POINTS,
    MACHINE,
    PROVENANCE,
    RESULT,
    SCHEDULED,
    UNCOMPARED,
    Count,
    Fields,
    FileName,
    Fraction,
    LikeNull,
    NotNegative,
    Number,
    Positive,
    Role,
    Size,
    fields_with,
    marked,
    number_fields,
)
from vis_bench.record.metrics import metrics_of

SCHEMA_VERSION: Literal[1] = 1


class IdentityFields(Fields, role=IDENTITY):
    """Fields that identify a measured cell; two records that share them are comparable."""

    method: StrictStr
    options: Annotated[dict[StrictStr, Any], IDENTITY, DIFFERS] = Field(default_factory=dict)
    place_options: Annotated[tuple[StrictStr, ...] | None, BASIS] = None
    """Those that only say where something lies; null in records before this field."""
    backbone: StrictStr | None = None
    dataset: StrictStr
    split: StrictStr
    num_videos: Annotated[Count | None, DATA] = None
    clip_length: Size | Literal["whole"] | None = None
    clip_stride: Size | None = None
    resolution: Size | Literal["native"] | None = None
    training: StrictStr | None = None
    """Label of the weights' training data, for tables with a row for each."""
    annotations_sha256: Annotated[StrictStr | None, DATA] = None


class SubjectFields(IdentityFields, role=CONDITION):
    """Description of the measured cell."""

    schema_version: Literal[1] = SCHEMA_VERSION
    created_at: Annotated[StrictStr | None, PROVENANCE, DIFFERS] = None
    command: Annotated[StrictStr | None, Role.PROVENANCE, DIFFERS] = None
    vis_bench_version: Annotated[StrictStr | None, PROVENANCE] = None
    """The version that wrote the record; null in those of 0.1.0, which did not state it."""
    resolved_options: Annotated[dict[StrictStr, Any], DIFFERS] = Field(default_factory=dict)
    """All options of the method, those left to their defaults and to its variant included."""
    method_source: Annotated[dict[StrictStr, StrictStr | None] | None, BASIS] = None
    """Fields of `method.MethodSource`, of a plug-in or another project; null for built-ins."""
    reconstruction: Annotated[StrictBool, IDENTITY] = False
    external: Annotated[StrictBool, IDENTITY] = False
    """The results come from other code."""
    note: Annotated[StrictStr | None, IDENTITY] = None
    """Label that distinguishes results of one method, given by the user."""
    url: StrictStr | None = None
    """Source of results of other code."""
    num_frames: Count | None = None
    config: Annotated[dict[StrictStr, Any], BASIS, DIFFERS] = Field(default_factory=dict)
    config_sha256: Annotated[StrictStr, BASIS, DIFFERS]
    weights_source: Annotated[StrictStr | None, BASIS] = None
    """The weights file, the weights that the method loads by itself, `random` or `none`."""
    weights_sha256: Annotated[StrictStr | None, BASIS] = None
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
    failures: Annotated[dict[StrictStr, StrictStr], BASIS] = Field(default_factory=dict)
    """Reasons for missing measurements, by their names."""
    measured_again: Annotated[dict[StrictStr, dict[StrictStr, Any]], BASIS] = Field(
        default_factory=dict
    )
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
    """Of the short and the long videos of two files; the other AP and AR are the means of both."""
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
    tracking_score_threshold: Annotated[Number | None, BASIS] = None
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


class AccuracyFields(MetricFields, role=BASIS):
    """The metrics, intervals, and the results file that they were computed from."""

    predictions: FileName = None
    max_tracks: Annotated[Size | None, IDENTITY] = None
    """The best tracks of a category and video that AP counts; null for the official 100."""
    ap_low: Fraction = None
    """The ends of the 95 % interval of AP, by 1,000 half-samples of the videos, seed 0."""
    ap_high: Fraction = None
    hota_low: Fraction = None
    """The same of HOTA, IDF1 and TETA; null in records of 0.2.0 and before."""
    hota_high: Fraction = None
    idf1_low: Fraction = None
    idf1_high: Fraction = None
    groups: Annotated[dict[StrictStr, dict[StrictStr, Any]], RESULT] = Field(default_factory=dict)
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
    flop_convention: Annotated[StrictStr | None, BASIS] = None
    uncounted_ops: Annotated[tuple[StrictStr, ...] | None, CONDITION] = None
    upper_bound_ops: Annotated[tuple[StrictStr, ...] | None, CONDITION] = None


class MemoryBytes(Fields):
    """Peaks in bytes: of the process, of the GPU's allocator, and of the whole GPU."""

    process: Count | None = None
    allocator: Count | None = None
    device: Count | None = None


class RegionFields(Fields, role=CONDITION):
    """The speed of one timed region, in the process of median FPS."""

    fps: Annotated[Positive | None, RESULT] = None
    fps_low: Annotated[Positive | None, BASIS] = None
    """The least and the most FPS of several processes; null of one."""
    fps_high: Annotated[Positive | None, BASIS] = None
    latency_ms_p50: Annotated[NotNegative | None, UNCOMPARED] = None
    latency_ms_p90: Annotated[NotNegative | None, UNCOMPARED] = None
    latency_ms_p99: Annotated[NotNegative | None, UNCOMPARED] = None
    num_warmup: Count | None = None
    num_timed: Count | None = None
    num_timed_clips: Count | None = None
    speed_spread: Annotated[NotNegative | None, BASIS] = None
    stage_ms_per_frame: Annotated[dict[StrictStr, Number], UNCOMPARED] = Field(default_factory=dict)
    peak_memory_bytes: Annotated[Count | None, RESULT] = None
    memory_bytes: MemoryBytes | None = None
    energy_joules_per_frame: Annotated[Number | None, UNCOMPARED] = None


class SpeedFields(RegionFields, role=BASIS):
    """The speed of the first region, and of every region by name.

    `timed_alone`: whether no other worker of the run was on the node.
    """

    timed_alone: Annotated[StrictBool | None, CONDITION] = None
    speed_processes: Count | None = None
    """Processes that timed it, fresh ones if several; null in earlier records, which one timed."""
    timed_region: StrictStr | None = None
    speed_protocol: Annotated[StrictStr | None, IDENTITY, LikeNull("bench")] = None
    """`bench` or null, or `paper` for what the method's authors timed."""
    regions: Annotated[dict[StrictStr, RegionFields], RESULT] = Field(default_factory=dict)
    untimed_regions: Annotated[dict[StrictStr, StrictStr], UNCOMPARED] = Field(default_factory=dict)
    """Reasons for regions that the config names and the method does not have."""
    compile_seconds: Annotated[NotNegative | None, UNCOMPARED] = None
    """Additional time of the first runs, which FPS leaves out; null if nothing was compiled."""
    load_average: NotNegative | None = None
    num_cpus: Size | None = None
    gpu: Annotated[dict[StrictStr, Any] | None, CONDITION] = None


class StreamPoint(Fields):
    """Streaming AP at one rate and delay."""

    rate: Annotated[Positive, BASIS]
    delay_ms: Annotated[NotNegative | None, BASIS] = None
    """Null for an infinite delay."""
    ap: Fraction = None


class StreamFields(StreamPoint, role=SCHEDULED):
    """One rate and delay of a streaming measurement; see docs/streaming.md.

    Figures are of the pass of median length; in records of 0.2.0 and before, latency is of all.
    """

    predictions: Annotated[FileName, RESULT] = None
    """The results file of what was on show in the pass of median length."""
    ap_low: Annotated[Fraction, BASIS] = None
    """The ends of the 95 % interval of AP, by 1,000 half-samples of the videos, seed 0."""
    ap_high: Annotated[Fraction, BASIS] = None
    ap_pass_low: Annotated[Fraction, BASIS] = None
    """The least and the most AP of the passes over all videos; null of one pass, and in records of
    0.2.0 and before.
    """
    ap_pass_high: Annotated[Fraction, BASIS] = None
    ap_draws_low: Annotated[Fraction, BASIS] = None
    """Percentiles 2.5, 50 and 97.5 of AP over draws of a recorded run for each video, seed 0; in
    records of 0.2.0 and before.
    """
    ap_draws_median: Annotated[Fraction, BASIS] = None
    ap_draws_high: Annotated[Fraction, BASIS] = None
    frame_latency_ms_mean: NotNegative | None = None
    """From a frame's arrival to the first result that holds it, over the computed frames."""
    frame_latency_ms_p50: NotNegative | None = None
    frame_latency_ms_p90: NotNegative | None = None
    frame_latency_ms_p99: NotNegative | None = None
    frame_latency_ms_max: NotNegative | None = None
    frame_latency_spread: Annotated[NotNegative | None, BASIS] = None
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
    keeps_up: Annotated[StrictBool | None, RESULT] = None
    share_computed: Fraction = None
    share_served: Fraction = None
    """Frames of a computed clip, and frames that showed anything in time, of all."""
    age_frames: NotNegative | None = None
    """Age of the masks on show, in frames; mean and most over the served frames."""
    age_frames_max: Count | None = None
    age_ms: NotNegative | None = None
    delay_95_ms: Annotated[NotNegative | None, RESULT] = None
    """The least delay of `streaming_by_delay` with 95 % of the AP of an infinite one."""
    closest_ms: NotNegative | None = None
    """The least time between a finish and a query: where clocks are less exact, AP may move."""
    num_clips: Count | None = None
    """Timed clips."""


class StreamingFields(Fields):
    """Streaming AP and latency, by rate and delay."""

    streaming: tuple[StreamFields, ...] = ()
    streaming_policy: Annotated[StrictStr | None, BASIS] = None
    streaming_by_delay: Annotated[tuple[StreamPoint, ...], UNCOMPARED] = ()
    """AP at every rate over delays up to that from which it no longer changes."""
    streaming_by_rate: Annotated[tuple[StreamPoint, ...], UNCOMPARED] = ()
    """AP over rates, each with a delay of one frame."""
    streaming_trace: FileName = None
    """The file beside the record with the time of every clip, its digest, and its machine."""
    streaming_trace_sha256: Annotated[StrictStr | None, BASIS] = None
    streaming_device: Annotated[StrictStr | None, BASIS] = None
    streaming_runs: Annotated[Count | None, CONDITION] = None
    """Passes over all videos: recorded runs of every video."""
    streaming_processes: Annotated[Count | None, CONDITION] = None
    """Processes that timed them, fresh ones if several; null for a trace and in earlier records."""


class MemoryPoint(Fields):
    """The memory of one length; see docs/cost.md."""

    num_frames: Annotated[Size, BASIS]
    num_tracks: Annotated[Count | None, BASIS] = None
    """Entries of the results; their masks take memory, too."""
    start_bytes: Annotated[Count | None, BASIS] = None
    """Before the video, weights included; null for a method that another process runs."""
    peak_bytes: Count
    device_bytes: Annotated[Count | None, BASIS] = None
    """In use on the whole GPU afterwards: the allocator's cache, the context, other processes."""


class MemoryFields(Fields, role=CONDITION):
    """Peak memory of inference over the length of a video."""

    memory_points: Annotated[tuple[MemoryPoint, ...], RESULT] = ()
    memory_of: Literal["process", "allocator"] | None = None
    """Resident memory of the process, or the tensors of the GPU's allocator."""
    memory_over: Literal["clip", "video"] | None = None
    """The growing length: of the clip that is the whole video, or of the video in equal clips."""
    memory_video_size: tuple[Size, Size] | None = None
    """Height and width of the video, and of the network's input, in pixels."""
    memory_input_size: tuple[Size, Size] | None = None
    memory_growth: Literal["line", "parabola", "flat", "irregular"] | None = None
    """The curve of bytes over frames; `flat` and `irregular` have none."""
    memory_coefficients: Annotated[tuple[Number, ...], UNCOMPARED] = ()
    """Of the curve: bytes of no frame, per frame, and per squared frame."""
    memory_curve_from: Size | None = None
    """The shortest measured length of the curve."""
    memory_bytes_per_frame: Annotated[Number | None, UNCOMPARED] = None
    """Slope of the line."""
    memory_error_bytes: NotNegative | None = None
    """The most by which the curve misses a length beside it; null if unchecked."""
    memory_max_frames: Size | None = None
    """The most frames that the method takes; null for any number."""
    memory_limit_bytes: Count | None = None
    memory_longest: Annotated[Count | None, UNCOMPARED] = None
    """The most frames within the limit."""
    memory_longest_extrapolated: StrictBool | None = None
    """`memory_longest` is outside the measured lengths."""
    memory_longest_is_bound: StrictBool | None = None
    """More frames than `memory_longest` may fit, which is not known."""


class MachineFields(Fields, role=CONDITION):
    """Machine and arithmetic of the measurement."""

    precision: Annotated[StrictStr | None, IDENTITY] = None
    kernel_backend: Annotated[StrictStr | None, MACHINE] = None
    kernel_build: Annotated[StrictStr | None, MACHINE] = None
    """Compiler and flags of the kernels' library; null without one."""
    device: Annotated[StrictStr | None, MACHINE] = None
    driver: StrictStr | None = None
    cuda: StrictStr | None = None
    torch: StrictStr | None = None
    packages: dict[StrictStr, StrictStr | None] = Field(default_factory=dict)
    """Versions of the method's `packages`."""
    python: StrictStr | None = None
    num_threads: Annotated[Size | None, MACHINE] = None
    tf32: Annotated[StrictBool | None, BASIS] = None
    """True if a GPU rounded the factors of float32 products; null on a CPU."""
    compile: Annotated[StrictStr | None, BASIS] = None
    """Use of `torch.compile`: `none` or null, `default`, or `cuda_graphs`."""


class SourceFields(Fields, role=PROVENANCE):
    """Source that measured it."""

    git_commit: StrictStr | None = None
    git_dirty: StrictBool | None = None
    sources_sha256: Annotated[StrictStr | None, CONDITION] = None
    """Digest of the code that computes accuracy, a plug-in's included; null if unknown."""
    seed: Annotated[StrictInt | None, IDENTITY] = None


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


# Every number of a record as a column of a table, in its unit.
NUMBERS = metrics_of(number_fields(Record), marked(Record, IN_POINTS))
RESULTS = {field: NUMBERS[field] for field in fields_with(Record, Role.RESULT) if field in NUMBERS}
