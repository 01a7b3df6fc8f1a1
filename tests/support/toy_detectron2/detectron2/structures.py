"""Images of one size."""

import torch


class ImageList:
    """Images padded right and below to a common size that `divisibility` divides."""

    def __init__(self, tensor, image_sizes):
        self.tensor = tensor
        self.image_sizes = image_sizes

    @staticmethod
    def from_tensors(tensors, divisibility=0):
        sizes = [tuple(image.shape[-2:]) for image in tensors]
        step = max(divisibility, 1)
        height, width = (-(-max(sides) // step) * step for sides in zip(*sizes))
        padded = [
            torch.nn.functional.pad(image, (0, width - w, 0, height - h))
            for image, (h, w) in zip(tensors, sizes)
        ]
        return ImageList(torch.stack(padded), sizes)
