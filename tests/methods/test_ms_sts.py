"""MS-STS: what it shares with SeqFormer, its symmetries, its size and how its cost grows."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from methods import build_method
from methods.layers.feature_levels import FeatureLevels
from methods.ms_sts.attention import MSSTSAttention
from methods.training.initial_weights import load_initial_weights
from vis_bench.errors import InputError

SMALL = {
    "backbone": "mini", "width": 32, "heads": 4, "hidden": 32, "points": 2, "num_queries": 7,
    "encoder_layers": 2, "decoder_layers": 3,
}  # fmt: skip
INNER, INNER_HEADS = 16, 2
LEVELS = FeatureLevels(((5, 7), (3, 4), (2, 2), (1, 1)))


@pytest.fixture(scope="module")
def seqformer():
    torch.manual_seed(1)
    return build_method("seqformer", num_classes=3, **SMALL).double().eval()


@pytest.fixture
def ms_sts(seqformer):
    """Fresh, with SeqFormer's weights where both have them."""
    torch.manual_seed(2)
    method = build_method(
        "ms_sts", num_classes=3, **SMALL, ms_sts_width=INNER, ms_sts_heads=INNER_HEADS
    )
    method.double().eval().load_state_dict(seqformer.state_dict(), strict=False)
    return method


def trained(method):
    """No parameter at the zero that it starts from."""
    for parameter in method.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return method


def frames(number=4, size=(48, 72)):
    torch.manual_seed(3)
    return torch.randn(number, 3, *size, dtype=torch.float64)


@torch.no_grad()
def test_a_fresh_encoder_is_seqformers(ms_sts, seqformer):
    encoded = ms_sts.encode_clip(ms_sts.encode_frames(frames()))
    wanted = seqformer.encode_frames(frames())
    assert torch.equal(encoded.maps["memory"], wanted.maps["memory"])
    assert torch.equal(encoded.maps["mask_features"], wanted.maps["mask_features"])


@torch.no_grad()
def test_a_trained_encoder_is_not(ms_sts, seqformer):
    encoded = trained(ms_sts).encode_clip(ms_sts.encode_frames(frames()))
    assert (encoded.maps["memory"] - seqformer.encode_frames(frames()).maps["memory"]).std() > 0.01


def test_every_parameter_of_seqformer_has_its_place(ms_sts, seqformer):
    own, other = ms_sts.state_dict(), seqformer.state_dict()
    assert all(own[name].shape == tensor.shape for name, tensor in other.items())
    assert all(".ms_sts." in name or ".temporal_" in name for name in own.keys() - other.keys())


def test_seqformers_weights_file_starts_it(ms_sts, seqformer, tmp_path):
    save_file(seqformer.float().state_dict(), tmp_path / "seqformer.safetensors")
    fresh = build_method("ms_sts", num_classes=3, **SMALL, ms_sts_width=INNER)
    load_initial_weights(fresh, tmp_path / "seqformer.safetensors")
    torch.testing.assert_close(fresh.class_heads[2].weight, seqformer.class_heads[2].weight)
    seqformer.double()
    ifc = build_method("ifc", num_classes=3, backbone="mini", width=32, heads=4, hidden=32)
    save_file(ifc.state_dict(), tmp_path / "ifc.safetensors")
    with pytest.raises(InputError, match="do not fit the method"):
        load_initial_weights(fresh, tmp_path / "ifc.safetensors")
    with pytest.raises(InputError, match="does not exist"):
        load_initial_weights(fresh, tmp_path / "none.safetensors")


@pytest.mark.parametrize(("classes", "learnable", "in_checkpoint"), [(40, 50.6, 51.5)])
def test_parameters_of_resnet_50_counted_both_ways(classes, learnable, in_checkpoint):
    """The published 50.6 M do not say which they are; SeqFormer's 49.3 M are the second."""
    with torch.device("meta"):
        method = build_method("ms_sts", num_classes=classes, backbone="r50")
    assert round(method.num_params / 1e6, 1) == learnable
    assert round(method.num_checkpoint_entries / 1e6, 1) == in_checkpoint


def test_it_is_marked_as_a_reconstruction(ms_sts, seqformer):
    assert ms_sts.reconstruction
    assert not seqformer.reconstruction


@torch.no_grad()
def test_permuted_frames_give_permuted_results(ms_sts):
    method, order = trained(ms_sts), [2, 0, 3, 1]
    one = method.encode_clip(method.encode_frames(frames()))
    other = method.encode_clip(method.encode_frames(frames()[order]))
    torch.testing.assert_close(other.maps["memory"], one.maps["memory"][order])
    decoded = (method.decode(encoded, last_boxes=True) for encoded in (one, other))
    for left, right in zip(*decoded, strict=True):
        torch.testing.assert_close(right.instances_QC, left.instances_QC)
        torch.testing.assert_close(right.boxes_TQ4, left.boxes_TQ4[order])
    here, there = method.predict_clip(method.encode_frames(frames())), method(frames()[order])
    torch.testing.assert_close(there.class_probs_NK, here.class_probs_NK)
    torch.testing.assert_close(there.mask_logits_NTHW, here.mask_logits_NTHW[:, order])


@torch.no_grad()
def test_frames_see_each_other(ms_sts):
    method = trained(ms_sts)
    changed = frames()
    changed[3] += 1
    one, other = (method.encode_clip(method.encode_frames(f)) for f in (frames(), changed))
    assert (one.maps["memory"][0] - other.maps["memory"][0]).abs().max() > 1e-4


@torch.no_grad()
def test_module_is_attention_over_frames_at_each_location():
    """Location by location, with the coarser level read by hand."""
    torch.manual_seed(0)
    module = trained(MSSTSAttention(8, 4, 2)).double()
    positions = sum(h * w for h, w in LEVELS.shapes_L2)
    tokens = torch.randn(3, positions, 8, dtype=torch.float64)
    found = LEVELS.maps(module(tokens, LEVELS))

    narrow = LEVELS.maps(module.narrow(tokens))
    intra = [torch.zeros_like(level) for level in narrow]
    for level, result in zip(narrow, intra, strict=True):
        for y in range(level.shape[2]):
            for x in range(level.shape[3]):
                result[..., y, x] = module.intra_scale(level[:, None, :, y, x])[:, 0]
    for index, (height, width) in enumerate(LEVELS.shapes_L2):
        coarse = intra[index + 1] if index < 3 else narrow[3]
        for y, x in [(0, 0), (height - 1, width - 1), (height // 2, width // 2)]:
            fine_TE = module.inter_scale.fine_projection(intra[index][:, :, y, x])
            point = torch.tensor([(x + 0.5) / width, (y + 0.5) / height]).double() * 2 - 1
            grid = point.expand(3, 1, 1, 2)
            read = F.grid_sample(coarse, grid, padding_mode="border", align_corners=False)
            coarse_TE = module.inter_scale.coarse_projection(read[:, :, 0, 0])
            both = module.inter_scale.input_norm(torch.cat([fine_TE, coarse_TE]))
            attended = module.inter_scale.attention(both[:3], both, both)
            mixed = module.inter_scale.attention_norm(fine_TE + attended)
            wanted = module.widen(module.inter_scale.feed_forward(mixed))
            torch.testing.assert_close(found[index][:, :, y, x], wanted)


class LargestTensor(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@torch.no_grad()
def test_no_tensor_grows_with_the_square_of_the_area(ms_sts):
    largest = []
    for side in (128, 256):
        features = ms_sts.encode_frames(frames(2, (side, side)))
        with LargestTensor() as seen:
            ms_sts.encode_clip(features)
        largest.append(seen.elements)
    assert largest[1] <= 4.01 * largest[0]


def encoder_and_decoder_flops(method, number):
    method.requires_grad_(False)
    features = method.encode_frames(frames(number))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        method.decode(method.encode_clip(features))
    return counter.get_total_flops()


@torch.no_grad()
def test_cost_is_linear_in_frames_up_to_the_temporal_attention(ms_sts):
    one, two, three = (encoder_and_decoder_flops(ms_sts, number) for number in (2, 4, 6))
    positions = sum(h * w for h, w in FeatureLevels.of_frame((48, 72), (8, 16, 32, 64)).shapes_L2)
    # Attention of T queries to K keys is 2 T K products of a location's channels, each two
    # operations: T keys within a scale, 2 T between scales, T in the decoder's second and third
    # layers (before the first, all frames' box queries are one).
    encoder = SMALL["encoder_layers"] * (1 + 2) * 4 * INNER * positions
    decoder = (SMALL["decoder_layers"] - 1) * 4 * SMALL["width"] * SMALL["num_queries"]
    second_difference = three - 2 * two + one
    assert second_difference == 2 * 2**2 * (encoder + decoder)


def test_wrong_options_are_refused():
    with pytest.raises(InputError, match="top_k is 0"):
        build_method("ms_sts", num_classes=3, **SMALL, top_k=0)
    with pytest.raises((InputError, ValueError), match="not a multiple of the 3 heads"):
        build_method("ms_sts", num_classes=3, **SMALL, ms_sts_heads=3)
