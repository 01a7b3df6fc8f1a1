"""A method whose network compiles itself, in each way of authors; a backend counts the calls.

In a module of its own: what puts a method in evaluation mode looks through the globals of its
package, which in tests/ are those of all tests.
"""

import torch
from torch import nn
from torch._dynamo.backends.common import aot_autograd

from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod

COMPILED = []


def counting(graph, examples):
    """A backend of torch.compile that counts its calls."""
    COMPILED.append(1)
    return graph.forward


@torch.compile(backend=counting)
def decorated(x):
    return x.sin() + 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(x).sin()


def itself(net):
    net.compile(backend=counting)
    return net


def replaced_forward(net):
    net.forward = torch.compile(net.forward, backend=counting)
    return net


# The ways in which authors compile a network.
WAYS = {
    "part": lambda net: nn.Sequential(torch.compile(net, backend=counting)),
    "whole": lambda net: torch.compile(net, backend=counting),
    "fullgraph": lambda net: torch.compile(net, backend=counting, fullgraph=True, dynamic=False),
    "itself": itself,
    "decorator": lambda net: lambda x: decorated(net(x)),
    "forward": replaced_forward,
    "at the first call": lambda net: lambda x: torch.compile(net, backend=counting)(x),
    "by Dynamo": lambda net: torch._dynamo.optimize(counting)(net),
    "autograd": lambda net: torch.compile(net.forward, backend=aot_autograd(fw_compiler=counting)),
    "plain": lambda net: net,
}


class Method(VISMethod):
    weights_source = "seed"

    def __init__(self, way):
        super().__init__()
        self.net = Net()
        self.run = [WAYS[way](self.net)]

    def encode_frames(self, frames_T3HW):
        maps = self.run[0](frames_T3HW).mean(1)
        return FrameFeatures({"maps": maps}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features):
        masks = features.maps["maps"][None]
        return ClipPrediction(masks.new_full((1, 3), 0.5), masks)


def build(name, *, num_classes, way="part"):
    method = Method(way)
    method.remember_build(name, {"way": way})
    return method
