"""Frames of a video: image files, and arrays that are made when they are indexed.

Pixels are taken as they are stored: alpha, color profiles and gamma are ignored, and a rotation
that EXIF asks for is not applied, because annotations and predictions lie on the stored pixels (as
YouTube-VIS's own tools read them). detectron2's `read_image` does apply it, but the data sets have
none; a frame that has the annotated size only when turned is refused. Of 16 bits per channel the
upper 8 are kept, in gray as in color. Of an animated image the first picture is the frame.
"""

from __future__ import annotations

import errno
import hashlib
import io
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np

from vis_bench.digests import ChangedFileError, file_sha256, reading
from vis_bench.errors import InputError
from vis_bench.files import shown, write_atomically

if TYPE_CHECKING:  # evaluation reads no frames
    from PIL import Image

Content = TypeVar("Content")


# Backslashes, drives, roots, and folders that lead nowhere or up.
_OF_OTHER_SYSTEMS = re.compile(r"\\|^[A-Za-z]:[\\/]|^/|(^|/)\.{1,2}(/|$)")
# Formats of frames; Pillow knows others whose reading starts programs (EPS) or that hold no frames.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF", "AVIF")
ORIENTATION = 274  # the tag of TIFF and EXIF


class FrameError(InputError):
    """A frame that is missing or cannot be decoded."""


@dataclass(frozen=True)
class ImageHeader:
    """Height and width in pixels, whether EXIF asks to turn the image, and how many it is of."""

    size_HW: tuple[int, int]
    is_turned: bool
    num_pages: int


def open_image(path: Path) -> Image.Image:
    """Open an image for reading its header; pixels are read when they are asked for.

    Raises:
        OSError: for what is not a regular file, such as a pipe, which may never end.
        Exception: whatever Pillow raises for broken files and for files of no format of `FORMATS`,
            and for images of so many pixels that they would fill the memory
            (`Image.MAX_IMAGE_PIXELS`, twice).
    """
    from PIL import Image
    from PIL.TiffImagePlugin import TiffImageFile

    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    image = Image.open(path, formats=FORMATS)
    if isinstance(image, TiffImageFile) and image.tag_v2.get(ORIENTATION, 1) != 1:
        image.close()  # Pillow would turn it
        raise ValueError("it is a TIFF with an Orientation other than 1; expected upright pixels")
    return image


def read_header(path: Path) -> ImageHeader:
    """Size and orientation, without the pixels.

    Raises:
        Exception: as `open_image`.
    """
    with open_image(path) as image:
        num_pages = getattr(image, "n_frames", 1)
        return ImageHeader((image.height, image.width), _is_turned(image), num_pages)


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
    """True if EXIF asks for another orientation than the stored one."""
    if "exif" not in image.info:  # `getexif` would decode a whole PNG to look for it
        return False
    with suppress(Exception):  # broken EXIF counts as none
        return image.getexif().get(ORIENTATION, 1) in range(2, 9)
    return False


ImageFormat = Literal["png", "jpg"]
SAVE_OPTIONS: dict[ImageFormat, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 3},
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}


class LazyFrames(Sequence[np.ndarray]):
    """`length` frames, the t-th of which is `load(t)`: uint8 RGB (H, W, 3). Keeps none of them."""

    def __init__(self, length: int, load: Callable[[int], np.ndarray]) -> None:
        self._length = length
        self._load = load

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> LazyFrames: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | LazyFrames:
        chosen = range(self._length)[index]
        if isinstance(chosen, range):
            return LazyFrames(len(chosen), partial(self._load_chosen, chosen))
        return self._load(chosen)

    def _load_chosen(self, chosen: range, t: int) -> np.ndarray:
        return self._load(chosen[t])


def there_and_back(frames: Sequence[np.ndarray], length: int) -> LazyFrames:
    """`length` frames that go through some forward and backward, as often as it takes."""

    def load(t: int) -> np.ndarray:
        place = t % (2 * len(frames))
        return frames[min(place, 2 * len(frames) - 1 - place)]

    return LazyFrames(length, load)


class ImageFiles(LazyFrames):
    """Frames decoded from image files of one size.

    Args:
        files: one per frame, in order.
        name: what messages call the video.
        size_HW: height and width in pixels that every frame has to have.
        pins: the number of bytes that each file has to have when it is read, or its SHA-256.
    """

    def __init__(
        self,
        files: Sequence[Path],
        name: str,
        size_HW: tuple[int, int],
        pins: Sequence[int | str] = (),
    ) -> None:
        super().__init__(len(files), self._decode)
        self.files = files
        self._name = name
        self._size_HW = size_HW
        self._pins = pins

    def pinned(self, *, contents: bool) -> ImageFiles:
        """The same frames, whose files have to stay as they are: in size, or in their contents."""
        pins = [file_sha256(path) if contents else path.stat().st_size for path in self.files]
        return ImageFiles(self.files, self._name, self._size_HW, pins)

    @property
    def fingerprint(self) -> str | None:
        """Digest of the names and pins of the files; None without pins.

        The annotations, which have a digest of their own, name the folders.
        """
        if not self._pins:
            return None
        total = hashlib.sha256()
        for path, pin in zip(self.files, self._pins, strict=True):
            total.update(f"{path.name}\n{pin}\n".encode())
        return total.hexdigest()

    def check(self) -> list[Path]:
        """Read the header of every file.

        Returns:
            The files that EXIF asks to turn, which is not applied.

        Raises:
            InputError: for the first file that is missing, cannot be opened as an image, or has
                another size than the video.
        """
        turned = []
        for t, path in enumerate(self.files):
            header = _tried(read_header, path, f"frame {t} of video {self._name}", "read")
            self._check_size(t, header.size_HW)
            if header.is_turned:
                turned.append(path)
        return turned

    def _decode(self, t: int) -> np.ndarray:
        path, pin = self.files[t], self._pins[t] if self._pins else None
        with reading(path, pin if isinstance(pin, str) else None):
            frame_HW3 = decode_image(path, f"frame {t} of video {self._name}")
        if isinstance(pin, int) and (size := path.stat().st_size) != pin:
            raise ChangedFileError(
                f"{path} has changed since the run began: it has {size} bytes; expected {pin}"
            )
        self._check_size(t, frame_HW3.shape[:2])
        return frame_HW3

    def _check_size(self, t: int, size_HW: tuple[int, ...]) -> None:
        if size_HW != self._size_HW:
            given, expected = (f"{height}x{width}" for height, width in (size_HW, self._size_HW))
            turned = (
                " as stored (EXIF asks to turn it)" if read_header(self.files[t]).is_turned else ""
            )
            raise InputError(
                f"frame {t} of video {self._name}, {self.files[t]}, is {given}{turned}; the video "
                f"is {expected}"
            )


def decode_image(path: Path, where: str) -> np.ndarray:
    """The image as uint8 RGB (H, W, 3).

    Args:
        where: what a message calls the frame.

    Raises:
        FrameError: for a file that is missing, or that cannot be decoded to its end.
    """
    return _tried(read_pixels, path, where, "decoded")


def _tried(read: Callable[[Path], Content], path: Path, where: str, done: str) -> Content:
    try:
        return read(path)
    except FileNotFoundError:
        raise FrameError(f"{where} is missing: there is no file {path}") from None
    except Exception as error:  # Pillow raises many kinds for broken files
        raise FrameError(f"{where}, {path}, cannot be {done}: {_one_line(error)}") from None


def turned_warning(turned: Sequence[Path], num_frames: int, of: str) -> str:
    """Warning about frames that EXIF asks to turn; `of` describes all frames."""
    return (
        f"{len(turned)} of {num_frames} frames {of} ask by EXIF to be turned (the first is "
        f"{turned[0].name}); this is not applied, and masks fit the frames as they are stored"
    )


def _one_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def write_frame(path: Path, frame_HW3: np.ndarray, image_format: ImageFormat) -> None:
    """Write one frame, making its folder.

    Args:
        frame_HW3: uint8 RGB.
        image_format: `png` keeps every byte; `jpg` has quality 95 without chroma subsampling.
    """
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(frame_HW3).save(encoded, **SAVE_OPTIONS[image_format])
    write_atomically(path, encoded.getvalue())


def frame_paths(file_names: Sequence[Any], frames: Path, where: str) -> list[Path]:
    """The files of a video's frames. Refuses names that leave the folder."""
    for file_name in file_names:
        if not isinstance(file_name, str) or not _stays_inside(file_name):
            raise InputError(
                f"{where} has the file name {shown(file_name)}; expected a path below the "
                "folder of frames"
            )
    return [frames / plain_name(file_name) for file_name in file_names]


def plain_name(file_name: str) -> str:
    """A path of any system as a POSIX one without `.` and `..`; the drive `c:` becomes `/C`."""
    if not _OF_OTHER_SYSTEMS.search(file_name):
        return file_name
    path = PureWindowsPath(file_name)
    parts: list[str] = []
    for part in path.parts[bool(path.anchor) :]:
        if part == ".." and parts[-1:] not in ([], [".."]):
            parts.pop()
        else:
            parts.append(part)
    root = path.drive.replace("\\", "/").strip("/:")
    root = root.upper() if len(root) == 1 else root
    return ("/" if path.anchor else "") + "/".join([*filter(None, [root]), *parts])


def is_file(path: Path) -> bool:
    """True if there is a file; False also for names that the file system cannot hold.

    Raises:
        InputError: where a folder above it does not let anybody look.
    """
    try:
        return path.is_file()
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (OSError, ValueError):
        return False


def _stays_inside(file_name: str) -> bool:
    path = PurePosixPath(plain_name(file_name))
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and "\0" not in file_name
