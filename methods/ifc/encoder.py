"""IFC's encoder (Hwang et al., 2021, section 3.1) and the three that the paper compares it with.

Shape letters: T frames, S locations of a frame's stride-32 map, M memory tokens, C channels.

Each encoder splits its work where frames first meet: the result of `encode_frames` is shared by all
clips that hold a frame, `encode_clip` continues from there. `forward` is one after the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.layers.checkpoint import drop_on_load, rename_on_load
from methods.layers.transformer import TransformerEncoderLayer

# Attention weights by layer, where they are recorded.
Notes = list[Tensor] | None


class EncodedClip(NamedTuple):
    """Tokens for the decoder to attend to; M is 0 where the encoder has no memory tokens."""

    tokens_TSC: Tensor
    memory_TMC: Tensor
    memory_position_MC: Tensor


class ClipEncoder(nn.Module, ABC):
    """An encoder of a clip's frame tokens; `frame_only` where no frame ever sees another one.

    `num_memory_layers`: how many layers have memory tokens that attend to their frame.
    """

    frame_only: bool = False
    num_memory_layers: int = 0

    @abstractmethod
    def encode_frames(self, tokens_TSC: Tensor, position_SC: Tensor, record: Notes) -> Tensor:
        """Encode single frames; (T, S or S + M, C).

        Args:
            record: gets, of each layer in which memory tokens attend to their frame, the weights
                (T, heads, M, S); nothing where the encoder has no memory tokens.
        """

    @abstractmethod
    def encode_clip(self, tokens_TNC: Tensor, position_SC: Tensor, record: Notes) -> EncodedClip:
        """Encode a clip from the results of `encode_frames`; `record` as there."""

    def forward(self, tokens_TSC: Tensor, position_SC: Tensor) -> EncodedClip:
        """Encode one clip from its projected stride-32 features."""
        encoded_TNC = self.encode_frames(tokens_TSC, position_SC, None)
        return self.encode_clip(encoded_TNC, position_SC, None)


class NoCommunication(ClipEncoder):
    """Every frame by itself ("No Comm")."""

    frame_only = True

    def __init__(self, layers: Sequence[TransformerEncoderLayer]) -> None:
        super().__init__()
        self.frame_layers = nn.ModuleList(layers)

    def encode_frames(self, tokens_TSC: Tensor, position_SC: Tensor, record: Notes) -> Tensor:
        for layer in self.frame_layers:
            tokens_TSC = layer(tokens_TSC, position_SC)
        return tokens_TSC

    def encode_clip(self, tokens_TNC: Tensor, position_SC: Tensor, record: Notes) -> EncodedClip:
        return _without_memory(tokens_TNC)


class EncoderWithoutMemory(NoCommunication):
    """The paper's encoder with 0 memory tokens, as it is compared on single images.

    It computes what `NoCommunication` does. The authors' checkpoint keeps Gather-Communicate layers
    that have nothing to gather, and memory tokens of shape (0, C); neither is kept here.
    """

    def __init__(self, layers: Sequence[TransformerEncoderLayer]) -> None:
        super().__init__(layers)
        # As many Gather-Communicate layers as others, of the same sizes.
        self.checkpoint_entries_not_kept = sum(p.numel() for p in self.parameters())
        rename_on_load(self, [(r"enc_layers\.", "frame_layers.")])
        drop_on_load(self, r"bus_layers\..*")
        drop_on_load(self, "memory_bus", "memory_pos", when=lambda tensor: not tensor.numel())


class FullCommunication(ClipEncoder):
    """Every token of the clip attends to every other one ("Full THW")."""

    def __init__(self, layers: Sequence[TransformerEncoderLayer]) -> None:
        super().__init__()
        self.clip_layers = nn.ModuleList(layers)

    def encode_frames(self, tokens_TSC: Tensor, position_SC: Tensor, record: Notes) -> Tensor:
        return tokens_TSC

    def encode_clip(self, tokens_TNC: Tensor, position_SC: Tensor, record: Notes) -> EncodedClip:
        frames = tokens_TNC.shape[0]
        tokens, position = tokens_TNC.flatten(0, 1), position_SC.repeat(frames, 1)
        for layer in self.clip_layers:
            tokens = layer(tokens[None], position)[0]
        return _without_memory(tokens.unflatten(0, (frames, -1)))


class DecomposedCommunication(ClipEncoder):
    """Attention within frames and, between two such layers, over time at each location
    ("Decomp T-HW"); the layers over time know no position.
    """

    def __init__(
        self,
        frame_layers: Sequence[TransformerEncoderLayer],
        time_layers: Sequence[TransformerEncoderLayer],
    ) -> None:
        super().__init__()
        self.frame_layers = nn.ModuleList(frame_layers)
        self.time_layers = nn.ModuleList(time_layers)

    def encode_frames(self, tokens_TSC: Tensor, position_SC: Tensor, record: Notes) -> Tensor:
        return self.frame_layers[0](tokens_TSC, position_SC)

    def encode_clip(self, tokens_TNC: Tensor, position_SC: Tensor, record: Notes) -> EncodedClip:
        for time_layer, layer in zip(self.time_layers, self.frame_layers[1:], strict=True):
            tokens_TNC = time_layer(tokens_TNC.transpose(0, 1)).transpose(0, 1)
            tokens_TNC = layer(tokens_TNC, position_SC)
        return _without_memory(tokens_TNC)


class InterFrameCommunication(ClipEncoder):
    """Frames talk through a few memory tokens each (the paper's encoder).

    Encode-Receive: within a frame, its tokens and its memory tokens attend to each other.
    Gather-Communicate: the memory tokens attend to each other over time, without position;
    `decomposed` among the tokens of the same index, `unified` among all of them.
    """

    def __init__(
        self,
        encode_receive_layers: Sequence[TransformerEncoderLayer],
        gather_communicate_layers: Sequence[TransformerEncoderLayer],
        *,
        memory_tokens: int,
        channels: int,
        unified: bool = False,
    ) -> None:
        super().__init__()
        self.unified = unified
        self.encode_receive_layers = nn.ModuleList(encode_receive_layers)
        self.gather_communicate_layers = nn.ModuleList(gather_communicate_layers)
        self.num_memory_layers = len(encode_receive_layers)
        self.memory_tokens_MC = nn.Parameter(torch.randn(memory_tokens, channels))
        self.memory_position_MC = nn.Parameter(torch.randn(memory_tokens, channels))
        rename_on_load(
            self,
            [
                (r"enc_layers\.", "encode_receive_layers."),
                (r"bus_layers\.", "gather_communicate_layers."),
                (r"memory_bus$", "memory_tokens_MC"),
                (r"memory_pos$", "memory_position_MC"),
            ],
        )

    def encode_frames(self, tokens_TSC: Tensor, position_SC: Tensor, record: Notes) -> Tensor:
        """The first Encode-Receive: until memory tokens have met, a frame is alone with its own."""
        memory_TMC = self.memory_tokens_MC.expand(tokens_TSC.shape[0], -1, -1)
        tokens_TNC = torch.cat([tokens_TSC, memory_TMC], 1)
        return self._encode_receive(0, tokens_TNC, position_SC, record)

    def encode_clip(self, tokens_TNC: Tensor, position_SC: Tensor, record: Notes) -> EncodedClip:
        locations = position_SC.shape[0]
        memory_TMC = self._communicate(0, tokens_TNC[:, locations:])
        tokens_TSC = tokens_TNC[:, :locations]
        for index in range(1, len(self.encode_receive_layers)):
            tokens_TNC = torch.cat([tokens_TSC, memory_TMC], 1)
            tokens_TNC = self._encode_receive(index, tokens_TNC, position_SC, record)
            tokens_TSC = tokens_TNC[:, :locations]
            memory_TMC = self._communicate(index, tokens_TNC[:, locations:])
        return EncodedClip(tokens_TSC, memory_TMC, self.memory_position_MC)

    def _encode_receive(
        self, index: int, tokens_TNC: Tensor, position_SC: Tensor, record: Notes
    ) -> Tensor:
        position_NC = torch.cat([position_SC, self.memory_position_MC])
        layer = self.encode_receive_layers[index]
        if record is not None:
            locations = position_SC.shape[0]
            weights_THMN = layer.weights_of(locations, tokens_TNC, position_NC)
            record.append(weights_THMN[..., :locations])
        return layer(tokens_TNC, position_NC)

    def _communicate(self, index: int, memory_TMC: Tensor) -> Tensor:
        layer = self.gather_communicate_layers[index]
        if self.unified:
            return layer(memory_TMC.flatten(0, 1)[None])[0].unflatten(0, memory_TMC.shape[:2])
        return layer(memory_TMC.transpose(0, 1)).transpose(0, 1)


def _without_memory(tokens_TSC: Tensor) -> EncodedClip:
    return EncodedClip(tokens_TSC, tokens_TSC[:, :0], tokens_TSC[0, :0])
