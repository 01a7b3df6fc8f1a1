"""One image file: what its header says, and its pixels as uint8 RGB.

Pixels are taken as they are stored: a rotation that EXIF asks for is not applied, because
annotations and predictions lie on the stored pixels (as YouTube-VIS's own tools read them). Of 16
bits per channel the upper 8 are kept, in gray as in color, so that the range is scaled and nothing
saturates.
"""

from __future__ import annotations

import errno
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image


@dataclass(frozen=True)
class ImageHeader:
    """Height and width in pixels, and whether EXIF asks to turn the image."""

    size_HW: tuple[int, int]
    is_turned: bool


def open_image(path: Path) -> Image.Image:
    """Opens an image for reading its header; pixels are read when they are asked for.

    Raises:
        OSError: for what is not a regular file, such as a pipe, which may never end.
        Exception: whatever Pillow raises for broken files, and for images of so many pixels that
            they would fill the memory (`Image.MAX_IMAGE_PIXELS`, twice).
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return Image.open(path)


def read_header(path: Path) -> ImageHeader:
    """Size and orientation, without the pixels.

    Raises:
        Exception: as `open_image`.
    """
    with open_image(path) as image:
        return ImageHeader((image.height, image.width), _is_turned(image))


def read_pixels(path: Path) -> np.ndarray:
    """The image as uint8 RGB (H, W, 3).

    Raises:
        Exception: as `open_image`; ValueError for values that are not of 8 or 16 bits.
    """
    with open_image(path) as image:
        if image.mode == "F":
            raise ValueError("it holds floating-point values; expected 8 or 16 bits per channel")
        if image.mode.startswith("I"):
            return _from_16_bits(np.asarray(image))
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _from_16_bits(gray_HW: np.ndarray) -> np.ndarray:
    if gray_HW.min() < 0 or gray_HW.max() >= 1 << 16:
        raise ValueError("it holds values of more than 16 bits; expected 8 or 16 bits per channel")
    return np.repeat((gray_HW >> 8).astype(np.uint8)[..., None], 3, axis=2)


def _is_turned(image: Image.Image) -> bool:
    """Whether EXIF says another orientation than the stored one."""
    if "exif" not in image.info:  # `getexif` would decode a whole PNG to look for it
        return False
    with suppress(Exception):  # broken EXIF says nothing
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    return False
