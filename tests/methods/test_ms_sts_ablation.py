"""The commands at the top of the ablation's training config make the weights of its table."""

import re
import shlex

import pytest
import torch

from methods import build_method
from methods.training.config import load_train_config
from methods.training.ms_sts_criterion import WEIGHTS
from methods.training.trainable import build_criterion, build_trainable
from paths import CONFIGS
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.runs.config import cell_digest, load_cells

CONFIG = CONFIGS / "train" / "ms_sts_ablation_synthetic.yaml"
CELLS = load_cells(CONFIGS / "tables" / "ms-sts-ablation_synthetic.yaml")


def commands():
    """Variant -> its --set options, as the loop in the config's header gives them."""
    lines = [line.removeprefix("#").strip() for line in CONFIG.read_text().splitlines()]
    start, stop = lines.index("for seed in 0 1 2; do"), lines.index("done")
    words = [shlex.split(line) for line in lines[start + 1 : stop]]
    assert all(word[0] == "train" for word in words)
    return {word[1]: [w for w in word[2:] if w != "--set"] for word in words}


COMMANDS = commands()


def settings_of(variant):
    return load_train_config(CONFIG, COMMANDS[variant])


def test_the_commands_write_the_weights_that_the_table_measures():
    header = CONFIG.read_text()
    assert "--output runs/ms_sts_ablation/${variant}_seed$seed" in header
    assert "--set seed=$seed" in header
    written = [
        f"runs/ms_sts_ablation/{variant}_seed{seed}/weights.safetensors"
        for variant in COMMANDS
        for seed in (0, 1, 2)
    ]
    assert [cell.weights for cell in CELLS] == written
    for cell in CELLS:
        seed = re.search(r"_seed(\d)/", cell.weights)[1]
        assert cell.training.endswith(f", seed {seed}")


@pytest.mark.parametrize("variant", COMMANDS)
def test_a_trained_variant_fits_its_cells(variant):
    settings = settings_of(variant)
    cells = [cell for cell in CELLS if f"/{variant}_seed" in cell.weights]
    assert len(cells) == 3
    for cell in cells:
        assert cell.method == settings.method
        assert cell.options == settings.options
        assert ("with discriminator" in cell.training) == (variant == "discriminator")
    with torch.device("meta"):
        trained = build_trainable(settings)
        measured = build_method(cells[0].method, num_classes=6, **cells[0].options)
    shapes = [{k: t.shape for k, t in m.state_dict().items()} for m in (trained, measured)]
    assert shapes[0] == shapes[1]


def test_variants_differ_in_method_parts_and_discriminator_alone():
    varied = {"method", "options", "loss_weights"}
    plain = [settings_of(variant).model_dump(exclude=varied) for variant in COMMANDS]
    assert all(settings == plain[0] for settings in plain)


@pytest.mark.parametrize("variant", COMMANDS)
def test_only_the_last_variant_learns_with_the_discriminator(variant):
    settings = settings_of(variant)
    method = build_trainable(settings)
    criterion = build_criterion(settings.method, method, 6, settings.loss_weights)
    found = {name: criterion.weights.get(name, 0) for name in WEIGHTS}
    assert found == (WEIGHTS if variant == "discriminator" else dict.fromkeys(WEIGHTS, 0))
    assert criterion.weights["dense"] == 2


def test_weights_that_are_not_there_name_the_training_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "tables/ms-sts-ablation_synthetic", "--output", "records", "--limit", "1"]
    # A file of this name may lie in the source tree, where runs write by default.
    monkeypatch.setattr("vis_bench.runs.jobs.find_file", lambda named: None)
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"weights file {CELLS[0].weights} does not exist" in message
    assert "training config train/ms_sts_ablation_synthetic" in message
    assert main([*arguments, "--weights", "mine.pth"]) == 2
    assert "mine.pth does not exist; --weights takes" in capsys.readouterr().err


def test_the_training_config_that_a_cell_names_exists_and_is_no_part_of_the_measurement():
    assert {cell.trained_by for cell in CELLS} == {"train/ms_sts_ablation_synthetic"}
    untold = CELLS[0].model_copy(update={"trained_by": None})
    assert cell_digest(untold) == cell_digest(CELLS[0])
    with pytest.raises(InputError, match="trained_by is 3"):
        load_cells(CONFIGS / "tables" / "ms-sts-ablation_synthetic.yaml", ["trained_by=3"])
