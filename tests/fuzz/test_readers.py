"""Every reader over seeded mutations of what it reads.

A command ends with exit code 0, 1 or 2, and with one sentence where it is 2; a reader gives a value
or raises an `InputError` of one line. No code in a file runs. `--slow` takes thousands of seeds.
"""

import io
import json
import zipfile

import pytest
import torch
from PIL import Image
from safetensors.torch import save

from hostile_calls import call
from methods import build_method
from methods.training.config import TrainConfig, load_train_config
from methods.training.loop import prepare
from mutations import (
    HOSTILE_YAML,
    Harm,
    hostile_mask,
    hostile_pickle,
    mutated_bytes,
    mutated_json,
    mutated_text,
    one_sentence,
)
from paths import CONFIGS
from short_videos import write_short_videos
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.frames import decode_image
from vis_bench.data.results_file import parse_results
from vis_bench.data.video import find_videos
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.check_results import check_results
from vis_bench.progress import Bars
from vis_bench.runs.config import load_cells

SIZES = {"backbone": "mini", "width": 32, "heads": 4, "hidden": 32, "num_queries": 6,
         "encoder_layers": 1, "decoder_layers": 1}  # fmt: skip
TRAINING = {"method": "ifc", "options": SIZES, "videos": 1, "clips": 1, "clip_frames": [2],
            "resolutions": [64], "steps": 2, "learning_rate": 1e-3, "clip_norm": 1.0}  # fmt: skip


def seeds(few, many=None):
    """The seeds of a quick run, and of a slow one that goes on behind it."""
    slow = pytest.param(range(few, many or 30 * few), marks=pytest.mark.slow)
    return pytest.mark.parametrize("seeds", [range(few), slow], ids=len)


def sentence(reader, *arguments):
    """True if a reader gave a value; an error has to be one sentence."""
    try:
        reader(*arguments)
    except InputError as error:
        said = str(error)
    else:
        return True
    assert "\n" not in said
    assert 0 < len(said) < 2000
    return False


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two plain synthetic videos of three frames and a results file."""
    root = tmp_path_factory.mktemp("data")
    content = write_short_videos(root)
    keys = ("video_id", "category_id", "segmentations")
    tracks = [
        {key: entry[key] for key in keys} | {"score": 0.5} for entry in content["annotations"]
    ]
    (root / "r.json").write_text(json.dumps(tracks))
    return root


@seeds(500)
def test_annotations(data, seeds):
    whole = json.loads((data / "val.json").read_text())
    read = [sentence(GroundTruth.of, mutated_json(whole, seed)) for seed in seeds]
    assert len(seeds) / 10 < sum(read) < 0.9 * len(seeds)


@seeds(500)
def test_results(data, seeds):
    whole = json.loads((data / "r.json").read_text())
    truth = GroundTruth.of(json.loads((data / "val.json").read_text()))

    def read(content):
        check_results(truth, parse_results(content, "the results"))

    done = [sentence(read, json.dumps(mutated_json(whole, seed)).encode()) for seed in seeds]
    assert len(seeds) / 20 < sum(done) < 0.9 * len(seeds)


@seeds(1500)
def test_masks(seeds):
    video = {"id": 1, "height": 17, "width": 17, "length": 1}
    content = {"videos": [video], "categories": [{"id": 1, "name": "a"}]}
    entry = {"id": 1, "video_id": 1, "category_id": 1, "areas": [1], "score": 0.5}

    def evaluated(mask):
        tracks = json.dumps([{**entry, "segmentations": [mask]}]).encode()
        truth = GroundTruth.of({**content, "annotations": [{**entry, "segmentations": [mask]}]})
        evaluate(truth, parse_results(tracks, "the results"))

    done = 0
    for seed in seeds:
        mask = hostile_mask(seed)
        done += sentence(evaluated, mask)
    assert len(seeds) / 50 < done < 0.9 * len(seeds)


@seeds(300)
def test_images(data, tmp_path, seeds):
    whole = sorted(data.rglob("*.png"))[0].read_bytes()
    jpeg = io.BytesIO()
    Image.open(io.BytesIO(whole)).save(jpeg, "JPEG")
    for seed in seeds:
        for ending, content in (("png", whole), ("jpg", jpeg.getvalue())):
            path = tmp_path / f"a.{ending}"
            path.write_bytes(mutated_bytes(content[: 200 + 50 * seed], seed))
            sentence(decode_image, path, "frame 0 of it")
            sentence(find_videos, tmp_path)
            path.unlink()


@seeds(500)
def test_damaged_json(data, seeds):
    for name in ("r.json", "val.json"):
        whole = (data / name).read_bytes()
        for seed in seeds:
            sentence(parse_results, mutated_bytes(whole, seed), "the results")


@pytest.mark.parametrize(
    ("command", "mutated"),
    [
        (
            ("eval", "--annotations", "val.json", "--predictions", "r.json", "--tracking"),
            "val.json",
        ),
        (("eval", "--annotations", "val.json", "--predictions", "r.json", "--tracking"), "r.json"),
        (("validate", "val.json", "--frames", "val/JPEGImages"), "val.json"),
        (("split", "val.json", "=parts", "--fraction", "=0.5"), "val.json"),
        (("submit", "r.json", "=s.zip", "--annotations", "val.json"), "r.json"),
        (("submit", "r.json", "=s.zip", "--annotations", "val.json"), "val.json"),
        (
            ("compare", "r.json", "r.json", "--annotations", "val.json", "--resamples", "=5"),
            "r.json",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
@seeds(25, 1500)
def test_commands_over_annotations_and_results(
    data, tmp_path, monkeypatch, command, mutated, seeds
):
    monkeypatch.chdir(tmp_path)
    whole = json.loads((data / mutated).read_text())
    for seed in seeds:
        (tmp_path / "m.json").write_text(json.dumps(mutated_json(whole, seed)))
        words = [word_of(word, mutated, data, tmp_path) for word in command[1:]]
        code, _, said = call(command[0], *words)
        assert one_sentence(code, said), (seed, code, said)


def word_of(word, mutated, data, folder):
    if word == mutated:
        return folder / "m.json"
    if word.startswith("="):
        return word[1:]
    return word if word.startswith("--") else data / word


@seeds(300)
def test_configs(tmp_path, monkeypatch, seeds):
    monkeypatch.chdir(tmp_path)
    texts = [path.read_text() for path in sorted(CONFIGS.rglob("*.yaml"))]
    path = tmp_path / "c.yaml"
    for seed in seeds:
        text = texts[seed % len(texts)]
        path.write_text(mutated_text(text, seed), encoding="utf-8", errors="surrogatepass")
        sentence(load_train_config if "steps:" in text else load_cells, path)
    assert list(tmp_path.iterdir()) == [path]


@seeds(300)
def test_overrides(tmp_path, monkeypatch, seeds):
    monkeypatch.chdir(tmp_path)
    keys = (
        "method",
        "options",
        "options.variant",
        "options.a.b",
        "dataset",
        "dataset.name",
        "clip_length",
        "resolution",
        "seed",
        "speed.seconds",
        "measure",
        "weights",
    )
    for seed in seeds:
        value = mutated_text(HOSTILE_YAML[seed % len(HOSTILE_YAML)], seed)
        override = f"{keys[seed % len(keys)]}={value}"
        sentence(load_cells, CONFIGS / "ifc_mini_synthetic.yaml", [override])
    assert list(tmp_path.iterdir()) == []


def weights_files(harm):
    """Weights of a small IFC in every form, and files that mean harm."""
    torch.manual_seed(0)
    state = build_method("ifc", num_classes=3, **SIZES).state_dict()
    new, old, harmful = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"model": state}, new)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    torch.save({"model": {"weight": Harm(harm)}}, harmful)
    return [new.getvalue(), old.getvalue(), save(state), harmful.getvalue()]


def pickled(content):
    """A PyTorch file around a pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", b"3\n")
    return out.getvalue()


def mutated_archive(content, seed):
    """A PyTorch file whose pickle is damaged while its checksums are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as archive:
        for name in source.namelist():
            inner = source.read(name)
            archive.writestr(name, mutated_bytes(inner, seed) if name.endswith(".pkl") else inner)
    return out.getvalue()


@seeds(25, 3000)
def test_weights(tmp_path, seeds):
    new, old, tensors, harmful = weights_files(tmp_path / "harm")
    method = build_method("ifc", num_classes=3, **SIZES)
    for seed in seeds:
        cases = {
            "new.pth": mutated_bytes(new, seed),
            "archive.pth": mutated_archive(new, seed),
            "old.pth": mutated_bytes(old, seed),
            "t.safetensors": mutated_bytes(tensors, seed),
            "harmful.pth": mutated_bytes(harmful, seed),
            "head.pth": mutated_bytes(new[:900], seed),
            "h.safetensors": mutated_bytes(tensors[:900], seed) + tensors[900:],
            "pickle.pth": hostile_pickle(seed),
            "zipped.pth": pickled(hostile_pickle(seed)),
        }
        for name, content in cases.items():
            (tmp_path / name).write_bytes(content)
            sentence(load_weights, method, WeightsFile.at(tmp_path / name))
    assert not (tmp_path / "harm").exists()


@seeds(8, 1000)
def test_training_states(tmp_path, seeds):
    trainer = prepare(TrainConfig(**TRAINING), Bars(quiet=True))
    trainer.advance()
    trainer.save(tmp_path / "checkpoint.pt")
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    for seed in seeds:
        for content in (
            mutated_bytes(whole, seed),
            mutated_archive(whole, seed),
            pickled(hostile_pickle(seed)),
        ):
            (tmp_path / "checkpoint.pt").write_bytes(content)
            sentence(trainer.restore, tmp_path / "checkpoint.pt")
