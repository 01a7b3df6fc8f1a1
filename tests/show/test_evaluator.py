"""`vis_bench.Evaluator`: equal to evaluating the written file, and wrong input is named at once."""

import json
from itertools import groupby

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

import vis_bench
from paths import GOLDEN
from vis_bench.data.results_file import Track, read_results
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode


def of_golden(name, **settings):
    """An evaluator with the tracks of a golden, as run lengths, added in the order of the file."""
    evaluator = vis_bench.Evaluator(GOLDEN / f"{name}.gt.json", **settings)
    by_video = {}
    for track in read_results(GOLDEN / f"{name}.preds.json").tracks:
        by_video.setdefault(track.video_id, []).append(track)
    for video_id, tracks in by_video.items():
        columns = zip(*[(t.score, t.category_id, t.segmentations) for t in tracks], strict=True)
        evaluator.add(video_id, *columns)
    return evaluator


@pytest.mark.parametrize("golden", ["eval_quirks", "ovis_made"])
def test_it_is_equal_to_the_written_file(golden, tmp_path):
    settings = {"tracking_threshold": 0.3, "boundary": True}
    evaluator = of_golden(golden, **settings)
    own = evaluator.compute()
    evaluator.write(tmp_path / "results.json")
    for file in (tmp_path / "results.json", GOLDEN / f"{golden}.preds.json"):
        other = vis_bench.evaluate(GOLDEN / f"{golden}.gt.json", file, **settings)
        assert own.summary() == other.summary()
        assert own.interval == other.interval
        assert own.flat() == other.flat()
        ours, theirs = own.as_json(per_category=True), other.as_json(per_category=True)
        assert ours.keys() == theirs.keys()
        assert {k: v for k, v in ours.items() if k != "warnings"} == {
            k: v for k, v in theirs.items() if k != "warnings"
        }


class Loop:
    """Annotations of three videos of 4 frames of 6x8 pixels with an object each, and masks."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.masks_VNTHW = rng.random((3, 2, 4, 6, 8)) < 0.4
        self.masks_VNTHW[:, 1, 2] = False  # absent in a frame
        self.path = folder / "val.json"
        content = {
            "videos": [
                {"id": v, "width": 8, "height": 6, "length": 4, "file_names": ["f.jpg"] * 4}
                for v in (7, 8, 9)
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {
                    "id": v + 1,
                    "video_id": 7 + v,
                    "category_id": 1,
                    "iscrowd": 0,
                    "segmentations": [
                        {"size": [6, 8], "counts": _run_lengths(mask)}
                        for mask in self.masks_VNTHW[v, 0]
                    ],
                }
                for v in range(3)
            ],
        }
        self.path.write_text(json.dumps(content))

    def filled(self, form=lambda masks_NTHW: masks_NTHW, videos=(7, 8, 9)):
        evaluator = vis_bench.Evaluator(self.path)
        for video in videos:
            self.add(evaluator, video, form=form)
        return evaluator

    def add(self, evaluator, video, scores=(0.9, 0.4), form=lambda masks_NTHW: masks_NTHW):
        evaluator.add(video, list(scores), [1, 2], form(self.masks_VNTHW[video - 7]))


def _run_lengths(mask_HW):
    lengths = [len(list(run)) for _, run in groupby(mask_HW.T.ravel())]
    return [0, *lengths] if mask_HW[0, 0] else lengths


@pytest.fixture
def loop(tmp_path):
    return Loop(tmp_path)


def codes_of(change):
    """Each mask as pycocotools' code, changed, in a dict that is filled anew for each video."""
    shared = [[{} for _ in range(4)] for _ in range(2)]

    def form(masks_NTHW):
        for own, masks_THW in zip(shared, masks_NTHW, strict=True):
            for code, mask_HW in zip(own, masks_THW, strict=True):
                code.update(change(coco_mask.encode(np.asfortranarray(mask_HW, np.uint8))))
        return shared

    return form


def uncompressed(code):
    return {**code, "counts": _run_lengths(coco_mask.decode(code).astype(bool))}


def mixed(masks_NTHW):
    """A track whose frames have a code, an array, a tensor and nested lists."""
    forms = (coco_mask.encode, np.asarray, torch.from_numpy, np.ndarray.tolist)
    return [
        [form(np.asfortranarray(m, np.uint8)) for form, m in zip(forms, own, strict=True)]
        for own in masks_NTHW
    ]


FORMS = {
    "array": lambda masks: masks,
    "uint8": lambda masks: masks.astype(np.uint8) * 255,
    "tensor": torch.from_numpy,
    "sparse tensor": lambda masks: torch.from_numpy(masks).to_sparse(),
    "iterator of arrays": iter,
    "list of tensors": lambda masks: list(torch.from_numpy(masks)),
    "lists of (H, W) arrays": lambda masks: [list(own) for own in masks],
    "lists of (H, W) tensors": lambda masks: [list(torch.from_numpy(own)) for own in masks],
    "iterators of (H, W) arrays": lambda masks: (iter(own) for own in masks),
    "None where absent": lambda masks: [[m if m.any() else None for m in own] for own in masks],
    "nested lists": lambda masks: masks.tolist(),
    "nested lists of 0 and 1": lambda masks: masks.astype(int).tolist(),
    "array of codes": lambda masks: np.array(codes_of(dict)(masks), object),
    "mixed": mixed,
    "codes of bytes": codes_of(dict),
    "codes of a view": codes_of(lambda code: {**code, "counts": memoryview(code["counts"])}),
    "codes of text": codes_of(lambda code: {**code, "counts": code["counts"].decode()}),
    "size as a tuple": codes_of(lambda code: {**code, "size": tuple(code["size"])}),
    "size as an array": codes_of(lambda code: {**code, "size": np.array(code["size"])}),
    "uncompressed": codes_of(uncompressed),
    "uncompressed arrays": codes_of(
        lambda code: {**code, "counts": np.array(uncompressed(code)["counts"])}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_masks_come_in_any_form(loop, form, tmp_path):
    evaluator = loop.filled(FORMS[form])
    evaluator.write(tmp_path / "results.json")
    tracks = read_results(tmp_path / "results.json").tracks
    assert [(t.video_id, t.category_id, t.score) for t in tracks] == [
        (video, *pair) for video in (7, 8, 9) for pair in ((1, 0.9), (2, 0.4))
    ]
    for place, track in enumerate(tracks):
        masks_THW = loop.masks_VNTHW[divmod(place, 2)]
        for mask_HW, code in zip(masks_THW, track.segmentations, strict=True):
            assert np.array_equal(np.zeros((6, 8)) if code is None else decode(code), mask_HW)
    report = evaluator.compute()
    assert report.summary()["ap"] == 1.0
    assert report.warnings == []


def test_numbers_come_as_arrays_and_tensors(loop):
    evaluator = vis_bench.Evaluator(loop.path)
    masks = loop.masks_VNTHW[0]
    evaluator.add(np.int64(7), np.array([0.9, 0.4], np.float32), np.array([1, 2]), masks)
    evaluator.add(torch.tensor(8), torch.tensor([0.9, 0.4]), torch.tensor([1, 2]), masks)
    first, second = (evaluator.tracks[video] for video in (7, 8))
    assert (
        [t.score for t in first]
        == [t.score for t in second]
        == [float(np.float32(0.9)), float(np.float32(0.4))]
    )
    assert {type(t.score) for t in first} == {float}
    assert {type(t.category_id) for t in second} == {int}


def test_a_repeated_video_counts_once_and_another_answer_is_refused(loop):
    evaluator = loop.filled()
    loop.add(evaluator, 8)
    assert evaluator.compute().flat() == loop.filled().compute().flat()
    with pytest.raises(InputError, match=r"reset\(\)"):
        loop.add(evaluator, 8, scores=(0.8, 0.4))
    evaluator.reset()
    assert not evaluator.tracks
    loop.add(evaluator, 8, scores=(0.8, 0.4))


def test_videos_that_were_not_added_are_named(loop):
    evaluator = loop.filled(videos=(7, 9))
    with pytest.warns(UserWarning, match="1 of 3 videos") as caught:
        report = evaluator.compute()
    assert report.summary()["ap"] < 1
    assert [str(own.message) for own in caught] == report.warnings
    assert caught[0].filename == __file__
    evaluator.add(8, [], [], [])
    assert not evaluator.compute().warnings


def test_tracks_that_stand_twice_are_named(loop):
    evaluator = vis_bench.Evaluator(loop.path)
    for video in (7, 8, 9):
        masks = loop.masks_VNTHW[video - 7, [0, 0]]
        evaluator.add(video, [0.9, 0.4], [1, 1], masks)
    with pytest.warns(UserWarning, match="every track stands twice.* 3 of 6"):
        evaluator.compute()


def test_processes_are_merged_and_padding_counts_once(loop):
    first, second = loop.filled(videos=(9, 7)), loop.filled(videos=(8,))
    loop.add(second, 7, scores=(0.1, 0.05))  # on another device, a sampler's padding
    first.merge(second.tracks)
    assert first.compute().flat() == loop.filled().compute().flat()
    assert [t.score for t in first.tracks[7]] == [0.9, 0.4]


def gather_in(rank, path, store, folder):
    """What one of two processes does."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2
    )
    loop = Loop(folder)
    evaluator = loop.filled(videos=[(7, 8), (9,)][rank])
    if rank == 1:
        loop.add(evaluator, 7, scores=(0.1, 0.05))  # on another device; the lowest rank's count
    evaluator.gather()
    scores = {video: [track.score for track in evaluator.tracks[video]] for video in (7, 8, 9)}
    (folder / f"{rank}.json").write_text(json.dumps([evaluator.compute().flat(), scores]))
    torch.distributed.destroy_process_group()


def test_every_process_gathers_all_tracks(loop, tmp_path):
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        folder.mkdir()
    context = torch.multiprocessing.get_context("fork")
    workers = [
        context.Process(target=gather_in, args=(rank, loop.path, tmp_path / "store", folder))
        for rank, folder in enumerate(folders)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    found = [json.loads((f / f"{rank}.json").read_text()) for rank, f in enumerate(folders)]
    one = loop.filled()
    scores = {str(video): [track.score for track in one.tracks[video]] for video in (7, 8, 9)}
    assert found[0] == found[1] == [one.compute().flat(), scores]


MASKS = np.ones((1, 4, 6, 8), bool)
CODE = {"size": [6, 8], "counts": [0, 48]}
ROWS = [[1] * 8] * 6


def coded(**change):
    return 7, [0.5], [1], [[CODE, CODE, {**CODE, **change}, None]]


WRONG = {
    "unknown video": (6, [0.5], [1], MASKS),
    "video of no number": ("7", [0.5], [1], MASKS),
    "videos": (torch.tensor([7, 8]), [0.5], [1], MASKS),
    "score of no number": (7, ["high"], [1], MASKS),
    "score that is true": (7, [True], [1], MASKS),
    "score that is NaN": (7, [float("nan")], [1], MASKS),
    "score that is infinite": (7, np.array([np.inf]), [1], MASKS),
    "score beyond floats": (7, [10**400], [1], MASKS),
    "complex score": (7, [0.5j], [1], MASKS),
    "one score": (7, 0.5, [1], MASKS),
    "no scores": (7, None, [1], MASKS),
    "scores in rows": (7, [[0.5]], [1], MASKS),
    "category that is half": (7, [0.5], [1.5], MASKS),
    "category as text": (7, [0.5], "1", MASKS),
    "class index": (7, [0.5], [0], MASKS),
    "unlisted category": (7, [0.5], [3], MASKS),
    "more scores": (7, [0.5, 0.4], [1], MASKS),
    "fewer masks": (7, [0.5], [1], MASKS[:0]),
    "fewer frames": (7, [0.5], [1], MASKS[:, :3]),
    "another size": (7, [0.5], [1], MASKS[..., :7]),
    "without frames": (7, [0.5], [1], MASKS[0]),
    "logits": (7, [0.5], [1], MASKS.astype(np.float32)),
    "no masks": (7, [0.5], [1], None),
    "masks without values": (7, [0.5], [1], torch.zeros(1, 4, 6, 8, dtype=bool, device="meta")),
    "masks as text": (7, [0.5], [1], "masks"),
    "track of a number": (7, [0.5], [1], [3]),
    "one code as a track": (7, [0.5], [1], [CODE]),
    "fewer codes": (7, [0.5], [1], [[CODE] * 3]),
    "more masks": (7, [0.5], [1], [[MASKS[0, 0]] * 5]),
    "mask of another size": (7, [0.5], [1], [[*MASKS[0, :3], MASKS[0, 0].T]]),
    "mask of three dimensions": (7, [0.5], [1], [[MASKS[0]] * 4]),
    "mask of probabilities": (7, [0.5], [1], [[MASKS[0, 0] * 0.5] * 4]),
    "mask of text": (7, [0.5], [1], ["xxxx"]),
    "mask of a number": (7, [0.5], [1], [[1, 1, 1, 1]]),
    "rows of unequal lengths": (7, [0.5], [1], [[[[1], [1, 0]], None, None, None]]),
    "rows of object numbers": (7, [0.5], [1], [[[[5] * 8] * 6, None, None, None]]),
    "rows of floats": (7, [0.5], [1], [[[[0.5] * 8] * 6, None, None, None]]),
    "rows of another size": (7, [0.5], [1], [[ROWS[:5], None, None, None]]),
    "polygons": (7, [0.5], [1], [[[[1.0, 2, 3, 2, 3, 4]], None, None, None]]),
    "malformed code": coded(counts="x"),
    "malformed bytes": coded(counts=b"\xff"),
    "empty counts": coded(counts=""),
    "counts of none": coded(counts=None),
    "counts that fill less": coded(counts=[0, 47]),
    "counts that fill more": coded(counts=[0, 49]),
    "counts below 0": coded(counts=[0, 50, -2]),
    "counts of halves": coded(counts=[0.5, 47.5]),
    "code of another size": coded(size=[8, 6]),
    "size of none": coded(size=None),
    "size of text": coded(size="68"),
    "size of three": coded(size=[6, 8, 1]),
    "size of 0": coded(size=[0, 8], counts=[]),
    "code of other keys": (7, [0.5], [1], [[{"rle": "0"}, None, None, None]]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_added_is_refused_at_once(loop, case):
    evaluator = vis_bench.Evaluator(loop.path)
    with pytest.raises(InputError):
        evaluator.add(*WRONG[case])
    assert not evaluator.tracks


@pytest.mark.parametrize("track", [Track(7, 3, 0.5, [None] * 4), Track(7, 1, 0.5, [None] * 3)])
def test_tracks_of_other_annotations_are_not_merged(loop, track):
    evaluator = vis_bench.Evaluator(loop.path)
    with pytest.raises(InputError):
        evaluator.merge({7: [track]})
    assert not evaluator.tracks


@pytest.mark.parametrize(
    "settings",
    [{"groups": "missing.yaml"}, {"groups": "partition"}, {"groups": 3}, {"tracking_threshold": 2}],
)
def test_settings_are_refused_when_it_is_made(loop, settings):
    with pytest.raises(InputError):
        vis_bench.Evaluator(loop.path, **settings)


def test_flat_numbers_are_floats_under_names_of_records(loop):
    from vis_bench.record.schema import Record

    report = of_golden("ovis_made", tracking_threshold=0.3, boundary=True).compute()
    flat = report.flat()
    assert f"HOTA {100 * flat['vis/hota']:.1f} on" in report.finding()
    assert {type(value) for value in flat.values()} == {float}
    assert {"vis/ap", "vis/ap_low", "vis/hota", "vis/hota_high", "vis/boundary_ap"} <= flat.keys()
    plain = {name.removeprefix("vis/") for name in flat if "boundary" not in name}
    assert plain <= Record.model_fields.keys()
    assert flat["vis/ap"] == report.summary()["ap"]
    assert report.flat("")["hota"] == report.tracking.headline()["hota"]
    assert -1 not in flat.values()
