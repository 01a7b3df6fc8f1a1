"""The linear probe of an encoder's features, and the cells that it is fitted to and judged on."""

import json

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import norm

from methods import build_method
from methods.layers.feature_levels import FeatureLevels
from methods.seqformer.model import STRIDES
from methods.training.linear_probe import fit_probe
from methods.training.separability.__main__ import main
from methods.training.separability.areas import gains, held_out_pairs, judge
from methods.training.separability.cells import Cells, cells_of, cover_of_cells
from vis_bench.data.synthetic import VideoKey, render, scene_of
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.metrics.area_under_roc import OrderedPairs
from vis_bench.metrics.bootstrap import draw_videos

SMALL = {
    "backbone": "mini", "width": 32, "heads": 4, "hidden": 32, "points": 2, "num_queries": 7,
    "encoder_layers": 1, "decoder_layers": 1,
}  # fmt: skip


def two_gaussians(number, seed, distance_C, mixing_CC):
    """Positives and negatives whose means lie a distance apart, with one covariance."""
    draw = np.random.default_rng(seed)
    positive_N = np.arange(number) % 3 == 0
    noise_NC = draw.standard_normal((number, len(distance_C))) @ mixing_CC.T
    return noise_NC + positive_N[:, None] * distance_C, positive_N


DISTANCE = np.array([1.0, 0.0, -0.5])
MIXING = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.5, 2.0]])


@pytest.mark.parametrize("penalty", [1e-3, 0.3])
def test_the_probe_is_the_minimum_of_its_loss(penalty):
    """Found again without derivatives, from the loss as it is written."""
    features_NC, positive_N = two_gaussians(200, 0, DISTANCE, MIXING)
    probe = fit_probe(features_NC, positive_N, penalty)
    standard_NC = (features_NC - features_NC.mean(0)) / features_NC.std(0)

    def loss(coefficients):
        probs_N = 1 / (1 + np.exp(-(standard_NC @ coefficients[:-1] + coefficients[-1])))
        chance_N = np.where(positive_N, probs_N, 1 - probs_N)
        return -np.log(chance_N).mean() + penalty / 2 * (coefficients[:-1] ** 2).sum()

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(probe.coefficients_D, found.x, atol=1e-4)
    assert loss(probe.coefficients_D) <= found.fun + 1e-12


def test_two_gaussians_reach_the_closed_form():
    """With one covariance the best direction is its inverse times the distance of the means, and
    the area is that of their Mahalanobis distance.
    """
    probe = fit_probe(*two_gaussians(30_000, 1, DISTANCE, MIXING))
    held_out_NC, positive_N = two_gaussians(30_000, 2, DISTANCE, MIXING)
    scores_N = probe.scores(held_out_NC)
    area = OrderedPairs.of(scores_N, positive_N, np.zeros(len(scores_N), int), 1).area()
    best_C = np.linalg.solve(MIXING @ MIXING.T, DISTANCE)
    assert area == pytest.approx(norm.cdf(np.sqrt(DISTANCE @ best_C / 2)), abs=0.01)
    direction_C = probe.coefficients_D[:-1] / probe.spread_C
    cosine = direction_C @ best_C / np.linalg.norm(direction_C) / np.linalg.norm(best_C)
    assert cosine > 0.999


def test_units_of_the_features_make_no_difference_and_constant_ones_have_no_say():
    features_NC, positive_N = two_gaussians(500, 3, DISTANCE, MIXING)
    wanted_N = fit_probe(features_NC, positive_N).scores(features_NC)
    changed_NC = features_NC * [1e3, 1e-3, 5] + [0, 7, -1e3]
    changed_N = fit_probe(changed_NC, positive_N).scores(changed_NC)
    np.testing.assert_allclose(changed_N, wanted_N, atol=1e-6)
    more_NC = np.concatenate([features_NC, np.full((500, 1), 0.1), np.zeros((500, 1))], 1)
    more_N = fit_probe(more_NC, positive_N).scores(more_NC)
    np.testing.assert_allclose(more_N, wanted_N, atol=1e-9)


def test_features_that_a_plane_separates_have_a_finite_probe():
    positive_N = np.arange(60) < 30
    features_NC = np.where(positive_N, 1.0, -1.0)[:, None] * [1.0, 2.0]
    probe = fit_probe(features_NC, positive_N)
    assert np.isfinite(probe.coefficients_D).all()
    assert ((probe.scores(features_NC) > 0) == positive_N).all()
    for one_kind in (positive_N | True, positive_N & False):
        with pytest.raises(ValueError, match="positives and negatives"):
            fit_probe(features_NC, one_kind)


def test_the_cover_of_a_cell_is_counted_pixel_by_pixel():
    """The maps of a frame of 64x128 have cells of 16, 32, 64 and 128 pixels of a video of twice
    the size.
    """
    owners_THW = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (2, 128, 256)))
    covers_TS = cover_of_cells(owners_THW.to(torch.uint8), (64, 128))
    wanted = []
    for stride in STRIDES:
        side = 2 * stride
        for top in range(0, 128, side):
            for left in range(0, 256, side):
                block = owners_THW[:, top : top + side, left : left + side]
                wanted.append((block > 0).double().mean((1, 2)))
    np.testing.assert_allclose(covers_TS, torch.stack(wanted, 1), atol=1e-6)


@pytest.mark.parametrize("name", ["seqformer", "ms_sts"])
@torch.inference_mode()
def test_cells_are_the_encoders_features_with_the_cover_of_the_frame(name):
    torch.manual_seed(0)
    method = build_method(name, num_classes=6, **SMALL).eval()
    keys = [VideoKey("train", 2), VideoKey("train", 5)]
    cells = cells_of(method, 64, keys, 2)
    assert set(cells.video_N) == {0, 1}
    assert cells.features_NC.shape == (len(cells.video_N), 32)

    scene = scene_of(keys[1])
    drawn = [render(scene, t) for t in (0, scene.length - 1)]
    owners_THW = torch.from_numpy(np.stack([owners for _, owners in drawn]))
    size_HW = input_size(*owners_THW.shape[1:], 64, method.input_format)
    images = [resize_frame(image, size_HW) for image, _ in drawn]
    features = method.encode_frames(to_input(images, method.input_format))
    memory_TSC = method.encode_clip(features).maps["memory"]
    covers_TS = cover_of_cells(owners_THW, size_HW)
    clear_TS = (covers_TS > 0.5) | (covers_TS < 0.1)
    second = cells.video_N == 1
    assert 0 < clear_TS.sum() < clear_TS.numel()
    np.testing.assert_allclose(cells.features_NC[second], memory_TSC[clear_TS], atol=1e-5)
    assert (cells.foreground_N[second] == (covers_TS > 0.5)[clear_TS].numpy()).all()
    sizes = [h * w for h, w in FeatureLevels.of_frame(size_HW, STRIDES).shapes_L2]
    levels_S = np.arange(4).repeat(sizes)
    assert (cells.level_N[second] == np.tile(levels_S, (2, 1))[clear_TS.numpy()]).all()


def made_up(seed, num_videos=6, number=900, strength=1.0):
    """Cells of which the first feature tells foreground on the finest level, and none elsewhere;
    on the coarsest there is no foreground.
    """
    draw = np.random.default_rng(seed)
    level_N = draw.integers(4, size=number)
    foreground_N = (draw.random(number) < 0.4) & (level_N < 3)
    features_NC = draw.standard_normal((number, 3))
    features_NC[:, 0] += 3 * strength * foreground_N * (level_N == 0)
    return Cells(features_NC, foreground_N, level_N, draw.integers(num_videos, size=number))


def test_each_level_has_a_probe_and_an_area_of_its_own():
    train, held_out = made_up(0), made_up(1)
    pairs = held_out_pairs(train, held_out, 6)
    counts_BV = draw_videos(6, 300, 0)
    rows = judge(pairs, held_out, counts_BV)
    assert [row.stride for row in rows] == [8, 16, 32, 64, "all"]
    assert rows[0].auc > 0.95
    assert all(abs(row.auc - 0.5) < 0.12 for row in rows[1:3])
    assert (rows[3].foreground, rows[3].auc, rows[3].low, rows[3].high) == (0, None, None, None)
    assert 0.5 < rows[4].auc < rows[0].auc
    for row in (*rows[:3], rows[4]):
        assert row.low <= row.auc <= row.high
    assert rows[4].foreground == held_out.foreground_N.sum() == sum(r.foreground for r in rows[:4])
    assert rows[4].background == (~held_out.foreground_N).sum()
    assert judge(held_out_pairs(train, held_out, 6), held_out, counts_BV) == rows


def test_a_gain_is_the_difference_of_two_areas_on_the_same_resamples():
    pairs = held_out_pairs(made_up(0), made_up(1), 6)
    weaker = held_out_pairs(made_up(0, strength=0.2), made_up(1, strength=0.2), 6)
    counts_BV = draw_videos(6, 300, 0)
    found = gains(pairs, weaker, counts_BV)
    assert found[0].gain == pytest.approx(pairs[0].area() - weaker[0].area())
    assert 0 < found[0].low <= found[0].gain <= found[0].high
    assert (found[3].gain, found[3].low) == (None, None)
    assert all(
        row.gain in (0, None) and row.high in (0, None) for row in gains(pairs, pairs, counts_BV)
    )


def test_the_command_prints_json_or_a_table(capsys):
    arguments = ["seqformer_mini_synthetic", "--videos", "2", "--held-out", "2", "--frames", "1",
                 "--set", "resolution=64"]  # fmt: skip
    against = ["--against", "methods/weights/seqformer_mini.safetensors"]
    assert main([*arguments, "--json", *against]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["stride"] for row in shown["areas"]] == [8, 16, 32, 64, "all"]
    assert 0.5 < shown["areas"][0]["auc"] <= 1
    assert {row["gain"] for row in shown["gains"]} <= {0, None}
    assert main([*arguments, "--background-below", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "|      all |" in printed
    assert "fitted to 2 training videos and judged on 2 held-out videos, 1 frame each" in printed
    more = int(printed.split("|      all |")[1].split("|")[1])
    assert more > shown["areas"][4]["background"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "the following arguments are required: CONFIG"),
     (["seqformer_mini_synthetic", "--videos", "x"], "argument --videos: invalid int value: 'x'"),
     (["ifc_mini_synthetic"], "method ifc has no deformable encoder; expected seqformer or ms_sts"),
     (["nothing"], "config nothing does not exist"),
     (["seqformer_mini_synthetic", "--frames", "0"], "--frames is 0; expected a whole number from"),
     (["seqformer_mini_synthetic", "--held-out", "-1"], "--held-out is -1; expected"),
     (["seqformer_mini_synthetic", "--background-below", "0.6"],
      "--background-below is 0.6; expected a number above 0, up to 0.5"),
     (["seqformer_mini_synthetic", "--weights", "none.pth"], "none.pth does not exist")],
)  # fmt: skip
def test_wrong_input_ends_in_a_sentence(arguments, words, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
