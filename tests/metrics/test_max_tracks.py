"""A limit of tracks of one's own: AP against slow rules, and where it is named or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import eval_reference
import vis_bench
from eval_problems import parsed
from record_example import example_record
from report_page import report_page
from run_case import jobs_of
from vis_bench.cli import main
from vis_bench.data.categories import CATEGORIES
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.measures.accuracy.facts import AccuracySettings
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.precision_recall import accumulate
from vis_bench.metrics.resample import resample
from vis_bench.metrics.scores import Asked
from vis_bench.record.store import RecordStore
from vis_bench.runs.identity import identity_of

SIDE = 16


def squares(number, shift=0):
    """Masks of one pixel and of two in a grid, of a video of one frame."""
    masks_NHW = np.zeros((number, SIDE, SIDE), bool)
    for n in range(number):
        masks_NHW[n, n // SIDE, [n % SIDE, (n + shift) % SIDE]] = True
    return [[code] for code in encode_masks(masks_NHW)]


def problem(numbers, seed=0):
    """Videos with so many objects of one category, and tracks of random scores that meet most."""
    draw = np.random.default_rng(seed)
    videos = [
        {"id": v, "height": SIDE, "width": SIDE, "length": 1, "file_names": [f"v{v}/0.jpg"]}
        for v in range(1, len(numbers) + 1)
    ]
    objects, tracks = [], []
    for video, number in zip(videos, numbers, strict=True):
        own = {"video_id": video["id"], "category_id": 1}
        for n, masks in enumerate(squares(number)):
            key = len(objects) + 1
            crowd = int(n % 37 == 36)
            objects.append(
                {**own, "id": key, "iscrowd": crowd, "areas": [1], "segmentations": masks}
            )
        for masks in [*squares(number), *squares(number // 3, shift=3)]:
            score = round(float(draw.random()), 2)
            tracks.append({**own, "score": score, "segmentations": masks})
    content = {"videos": videos, "categories": [{"id": 1, "name": "cell"}], "annotations": objects}
    return content, tracks


@pytest.fixture
def files(tmp_path):
    content, _ = problem([120])
    tracks = [
        {"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": own["segmentations"]}
        for own in content["annotations"]
    ]
    for own in content["annotations"]:
        own["iscrowd"] = 0
    paths = [str(tmp_path / name) for name in ("gt.json", "perfect.json")]
    for path, value in zip(paths, (content, tracks), strict=True):
        Path(path).write_text(json.dumps(value))
    return paths


@pytest.mark.parametrize(("seed", "most"), [(0, 100), (1, 120), (2, 150), (3, 400)])
def test_ap_is_that_of_the_slow_rules_with_the_limit_in_the_place_of_100(monkeypatch, seed, most):
    content, tracks = problem([140, 60, 3, 125], seed)
    monkeypatch.setattr(eval_reference, "MAX_DETECTIONS", [10, 100, most])
    monkeypatch.setattr(
        eval_reference,
        "best_hundred",
        lambda detections: sorted(detections, key=lambda own: -own["score"])[:most],
    )
    precision, recall, scores = eval_reference.arrays(content, tracks)
    evaluation = evaluate(*parsed(content, tracks), Asked(max_tracks=most))
    curves = accumulate(evaluation.matches)
    np.testing.assert_array_equal(curves.precision_TRKAM[..., 2], precision[..., 2])
    np.testing.assert_array_equal(curves.scores_TRKAM[..., 2], scores[..., 2])
    numbers = evaluation.summary()
    assert numbers["ap"] == eval_reference.mean(precision[..., 0, 2])
    assert numbers["ar10"] == eval_reference.mean(recall[..., 0, 0])
    assert numbers["ar100"] == eval_reference.mean(recall[..., 0, 1]), "AR100 keeps its 100"
    drawn = resample(evaluation.matches, np.ones((1, 4), int)).numbers()
    for name in ("ap", "ap50", "ap75", "ar10", "ar100"):
        assert drawn[name][0] == pytest.approx(numbers[name], abs=1e-12), name


def test_tracks_equal_to_the_truth_get_100_and_every_output_names_the_limit(files, capsys):
    truth, perfect = files
    given = ["--annotations", truth, "--predictions", perfect, "--json"]
    assert main(["eval", *given]) == 0
    official = json.loads(capsys.readouterr().out)
    assert official["ap"] == pytest.approx(84 / 101)
    assert "max_tracks" not in official
    assert any("83.2" in text for text in official["warnings"])
    assert main(["eval", *given, "--max-tracks", "200"]) == 0
    own = json.loads(capsys.readouterr().out)
    assert (own["ap"], own["max_tracks"], own["warnings"]) == (1.0, 200, [])
    found = vis_bench.evaluate(truth, perfect, max_tracks=200)
    assert found.summary()["ap"] == 1.0
    assert "200" in found.as_text()
    compared = vis_bench.compare(perfect, perfect, annotations=truth, max_tracks=200)
    assert compared.as_json()["max_tracks"] == 200
    assert "200" in compared.head().remarks[-1]
    several = vis_bench.compare(perfect, perfect, perfect, annotations=truth, max_tracks=200)
    assert several.as_json()["max_tracks"] == 200
    assert "200" in several.page().remarks[-1]
    evaluator = vis_bench.Evaluator(truth, max_tracks=200)
    tracks = json.loads(Path(perfect).read_text())
    ones = [1] * len(tracks)
    evaluator.add(1, ones, ones, [own["segmentations"] for own in tracks])
    assert evaluator.compute().summary()["ap"] == 1.0
    page = report_page(Path(truth), perfect, options=["--max-tracks", 200])
    assert "200 best tracks" in " ".join(page.root.itertext())
    with pytest.raises(InputError):
        vis_bench.evaluate(truth, perfect, max_tracks=99)


def test_a_record_names_its_limit_and_others_are_not_compared_without_a_word(
    files, tmp_path, capsys
):
    truth, perfect = files
    given = ["--annotations", truth, "--predictions", perfect, "--record", "perfect"]
    for more in ([], ["--max-tracks", "200"]):
        output = ["--output", str(tmp_path / "records"), "--dataset", "mine"]
        assert main(["eval", *given, *output, *more]) == 0
    stored = RecordStore(tmp_path / "records").readable()
    pairs = zip(stored.records, map(str, stored.paths), strict=True)
    path_of = {own.max_tracks: path for own, path in pairs}
    aps = {own.max_tracks: own.ap for own in stored.records}
    assert aps == {None: pytest.approx(84 / 101), 200: 1.0}
    paths = [path_of[None], path_of[200]]
    capsys.readouterr()
    assert main(["compare", *paths, "--annotations", truth]) == 2
    assert "--max-tracks" in capsys.readouterr().err
    assert main(["compare", *paths, "--annotations", truth, "--max-tracks", "150", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max_tracks"] == 150
    assert main(["compare", paths[1], paths[1], "--annotations", truth, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max_tracks"] == 200, "that of the records"
    assert main(["check", "--baseline", paths[0], "--current", paths[1], "--json"]) == 1
    cells = {row["cell"] for row in json.loads(capsys.readouterr().out)["findings"]}
    assert len(cells) == 2
    assert any("200" in cell for cell in cells)


def test_the_limit_is_part_of_a_cells_identity_once():
    plain = example_record()
    own = example_record(max_tracks=200, config={"accuracy": {"max_tracks": 200}})
    assert identity_of(plain).key != identity_of(own).key
    without = own.model_copy(update={"config": {}})
    assert identity_of(own).key == identity_of(without).key


def test_a_run_says_what_the_official_limit_allows_and_takes_another(files, tmp_path):
    (tmp_path / "v1").mkdir()
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "v1/0.jpg")
    text = (
        f"{{method: color_key, clip_length: 1, measure: [accuracy], accuracy: {{max_tracks: MOST}},"
        f"dataset: {{name: NAME, annotations: {files[0]}, frames: {tmp_path}}}}}"
    )
    digests = set()
    for most, sentences in ((100, 1), (110, 1), (200, 0)):
        said = []
        config = text.replace("MOST", str(most)).replace("NAME", "mine")
        [job] = jobs_of(tmp_path, config, say=said.append)
        assert job.ground_truth.max_tracks == most
        assert sum(f"the {most} best" in line for line in said) == len(said) == sentences
        digests.add(job.digest)
    assert len(digests) == 3
    for most, name in ((99, "mine"), (200, "lvvis")):
        with pytest.raises(InputError):
            jobs_of(tmp_path, text.replace("MOST", str(most)).replace("NAME", name))


@pytest.mark.parametrize("name", ["ytvis2019", "ovis"])
def test_public_data_sets_refuse_it(name):
    content, tracks = problem([3])
    content["categories"] = [{"id": k, "name": text} for k, text in CATEGORIES[name].items()]
    truth, results = parsed(content, tracks)
    assert evaluate(truth, results, Asked(max_tracks=100)).asked.max_tracks is None
    with pytest.raises(InputError):
        evaluate(truth, results, Asked(max_tracks=200))


def test_images_refuse_it(tmp_path):
    content = {
        "images": [{"id": 1, "height": 4, "width": 4, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [],
    }
    (tmp_path / "gt.json").write_text(json.dumps(content))
    with pytest.raises(InputError):
        vis_bench.Evaluator(tmp_path / "gt.json", max_tracks=200)


def test_a_cell_without_accuracy_counts_the_official_number():
    """Its digest knows no limit, so that two limits must not give two results."""
    settings = AccuracySettings(max_tracks=200)
    assert settings.counted(["accuracy", "speed"]) == 200
    assert settings.counted(["streaming"]) == 100
