"""MS-STS: its parts beside SeqFormer's, its symmetries, its size and the growth of its cost."""

import itertools

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from methods import build_method
from methods.layers.deformable_attention import FeatureLevels
from methods.ms_sts.model import MSSTSAttention
from methods.training.trainable import load_initial_weights
from vis_bench.errors import InputError

SMALL = {
    "backbone": "mini", "width": 32, "heads": 4, "hidden": 32, "points": 2, "num_queries": 7,
    "encoder_layers": 2, "decoder_layers": 3,
}  # fmt: skip
INNER, INNER_HEADS = 16, 2
PARTS = ("intra_scale", "inter_scale", "temporal_decoder")
CHOICES = [dict(zip(PARTS, on, strict=True)) for on in itertools.product([True, False], repeat=3)]
WITHOUT = CHOICES[-1]
LEVELS = FeatureLevels(((5, 7), (3, 4), (2, 2), (1, 1)))


@pytest.fixture(scope="module")
def seqformer():
    torch.manual_seed(1)
    return build_method("seqformer", num_classes=3, **SMALL).double().eval()


@pytest.fixture
def ms_sts(seqformer):
    method = built()
    method.double().eval().load_state_dict(seqformer.state_dict(), strict=False)
    return method


def built(**parts):
    torch.manual_seed(2)
    return build_method(
        "ms_sts", num_classes=3, **SMALL, ms_sts_width=INNER, ms_sts_heads=INNER_HEADS, **parts
    )


def trained(method):
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


def test_seqformers_weights_file_starts_it(ms_sts, seqformer, tmp_path):
    save_file(seqformer.float().state_dict(), tmp_path / "seqformer.safetensors")
    fresh = build_method("ms_sts", num_classes=3, **SMALL, ms_sts_width=INNER)
    load_initial_weights(fresh, tmp_path / "seqformer.safetensors")
    torch.testing.assert_close(fresh.class_heads[2].weight, seqformer.class_heads[2].weight)
    seqformer.double()


def test_parameters_of_resnet_50_counted_both_ways():
    """The published 50.6 M do not say which they are; SeqFormer's 49.3 M are the second."""
    with torch.device("meta"):
        method = build_method("ms_sts", num_classes=40, backbone="r50")
    assert round(method.num_params / 1e6, 1) == 50.6
    assert round(method.num_checkpoint_entries / 1e6, 1) == 51.5


@pytest.mark.parametrize("parts", CHOICES, ids=str)
def test_each_part_has_the_parameters_of_its_layers_and_no_others(parts, seqformer):
    """Weights and biases: an attention has four projections, a norm two vectors."""

    def linear(inputs, outputs):
        return (inputs + 1) * outputs

    def attention(width):
        return 4 * linear(width, width) + 2 * width

    width, inner = SMALL["width"], INNER
    attend = attention(inner) + linear(inner, 2 * inner) + linear(2 * inner, inner) + 2 * inner
    wanted = parts["intra_scale"] * attend
    wanted += parts["inter_scale"] * (attend + 2 * linear(inner, inner) + 2 * inner)
    if wanted:
        wanted += linear(width, inner) + linear(inner, width)
    wanted *= SMALL["encoder_layers"]
    wanted += parts["temporal_decoder"] * SMALL["decoder_layers"] * attention(width)
    assert built(**parts).num_params - seqformer.num_params == wanted


@pytest.mark.parametrize("parts", CHOICES, ids=str)
def test_every_parameter_is_read_whichever_parts_are_left_out(parts):
    method = trained(built(**parts))
    encoded = method.encode_clip(method.encode_frames(frames(3).float()))
    total = encoded.maps["memory"].sum()
    for layer, output in enumerate(method.decode(encoded, last_boxes=True)):
        masks = method.masks(output, encoded, torch.arange(2))
        total = total + masks.sum() + output.boxes_TQ4.sum()
        total = total + method.class_logits(output, layer).sum()
    total.backward()
    unread = {name for name, p in method.named_parameters() if p.requires_grad and p.grad is None}
    # The published SeqFormer has a second projection in its encoder's attention, too.
    assert unread == {n for n in method.state_dict() if "encoder." in n and "_proj_box." in n}


@torch.no_grad()
def test_without_its_parts_it_is_seqformer_to_the_digit(seqformer):
    method = built(**WITHOUT).double().eval()
    method.load_state_dict(seqformer.state_dict())
    encoded = method.encode_clip(method.encode_frames(frames()))
    wanted = seqformer.encode_frames(frames())
    for name, tensor in wanted.maps.items():
        assert torch.equal(encoded.maps[name], tensor), name
    own = method.decode(encoded, last_boxes=True)
    for left, right in zip(own, seqformer.decode(wanted, last_boxes=True), strict=True):
        assert torch.equal(left.instances_QC, right.instances_QC)
        assert torch.equal(left.boxes_TQ4, right.boxes_TQ4)
    left, right = method(frames()), seqformer(frames())
    assert torch.equal(left.class_probs_NK, right.class_probs_NK)
    assert torch.equal(left.mask_logits_NTHW, right.mask_logits_NTHW)
    assert method.reconstruction
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


@pytest.mark.parametrize(
    ("intra", "inter"), [(True, True), (True, False), (False, True)], ids=["both", "intra", "inter"]
)
@torch.no_grad()
def test_module_is_attention_over_frames_at_each_location(intra, inter):
    """Location by location, with the coarser level read by hand."""
    torch.manual_seed(0)
    module = trained(MSSTSAttention(8, 4, 2, intra_scale=intra, inter_scale=inter)).double()
    positions = sum(h * w for h, w in LEVELS.shapes_L2)
    tokens = torch.randn(3, positions, 8, dtype=torch.float64)
    found = LEVELS.maps(module(tokens, LEVELS))

    narrow = LEVELS.maps(module.narrow(tokens))
    own = [level.clone() for level in narrow]
    for level, result in zip(narrow, own if intra else [], strict=intra):
        for y in range(level.shape[2]):
            for x in range(level.shape[3]):
                result[..., y, x] = module.intra_scale(level[:, None, :, y, x])[:, 0]
    for index, (height, width) in enumerate(LEVELS.shapes_L2):
        coarse = own[index + 1] if index < 3 else narrow[3]
        for y, x in [(0, 0), (height - 1, width - 1), (height // 2, width // 2)]:
            if not inter:
                wanted = module.widen(own[index][:, :, y, x])
                torch.testing.assert_close(found[index][:, :, y, x], wanted)
                continue
            fine_TE = module.inter_scale.fine_projection(own[index][:, :, y, x])
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
    for part, value in itertools.product(PARTS, [0, 1, "on", None, []]):
        with pytest.raises(InputError) as error:
            build_method("ms_sts", num_classes=3, **SMALL, **{part: value})
        assert f"{part} is {value!r}; expected true or false" in str(error.value)
    with pytest.raises(ValueError, match="intra_scale or inter_scale"):
        MSSTSAttention(8, 4, 2, intra_scale=False, inter_scale=False)
    with pytest.raises((InputError, ValueError), match="not a multiple of the 3 heads"):
        build_method("ms_sts", num_classes=3, **SMALL, ms_sts_heads=3)
