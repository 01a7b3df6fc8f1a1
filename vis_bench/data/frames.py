"""A video's frames as a sequence that makes each array when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal, overload

import numpy as np
from PIL import Image

from vis_bench.data.image_file import ImageHeader, read_header, read_pixels
from vis_bench.errors import InputError
from vis_bench.files import shown

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


class ImageFiles(LazyFrames):
    """Frames decoded from image files of one size.

    Args:
        files: one per frame, in order.
        name: what messages call the video.
        size_HW: height and width in pixels that every frame has to have; None allows any.
    """

    def __init__(
        self, files: Sequence[Path], name: str, size_HW: tuple[int, int] | None = None
    ) -> None:
        super().__init__(len(files), self._decode)
        self._files = files
        self._name = name
        self._size_HW = size_HW

    @property
    def files(self) -> Sequence[Path]:
        """One per frame, in order."""
        return self._files

    def check(self) -> list[Path]:
        """Reads the header of every file.

        Returns:
            The files that EXIF asks to turn, which is not applied.

        Raises:
            InputError: for the first file that is missing, cannot be opened as an image, or has
                another size than the video.
        """
        turned = []
        for t, path in enumerate(self._files):
            header = self._header(t, path)
            self._check_size(t, header.size_HW)
            if header.is_turned:
                turned.append(path)
        return turned

    def _header(self, t: int, path: Path) -> ImageHeader:
        where = f"frame {t} of video {self._name}"
        try:
            return read_header(path)
        except FileNotFoundError:
            raise InputError(f"{where} is missing: there is no file {path}") from None
        except Exception as error:  # Pillow raises many kinds for broken files
            raise InputError(f"{where}, {path}, cannot be read: {_one_line(error)}") from None

    def _decode(self, t: int) -> np.ndarray:
        frame_HW3 = decode_image(self._files[t], f"frame {t} of video {self._name}")
        self._check_size(t, frame_HW3.shape[:2])
        return frame_HW3

    def _check_size(self, t: int, size_HW: tuple[int, ...]) -> None:
        if self._size_HW is not None and size_HW != self._size_HW:
            given, expected = (f"{height}x{width}" for height, width in (size_HW, self._size_HW))
            raise InputError(
                f"frame {t} of video {self._name}, {self._files[t]}, is {given}; the video is "
                f"{expected}"
            )


def decode_image(path: Path, where: str) -> np.ndarray:
    """The image as uint8 RGB (H, W, 3).

    Args:
        where: what a message calls the frame.

    Raises:
        InputError: for a file that is missing, or that cannot be decoded to its end.
    """
    try:
        return read_pixels(path)
    except FileNotFoundError:
        raise InputError(f"{where} is missing: there is no file {path}") from None
    except Exception as error:  # Pillow raises many kinds for broken files
        raise InputError(f"{where}, {path}, cannot be decoded: {_one_line(error)}") from None


def turned_warning(turned: Sequence[Path], num_frames: int, of: str) -> str:
    """What to say of frames that EXIF asks to turn; `of` says which frames they are among."""
    return (
        f"{len(turned)} of {num_frames} frames {of} ask by EXIF to be turned (the first is "
        f"{turned[0].name}); this is not applied, and masks fit the frames as they are stored"
    )


def _one_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def write_frame(path: Path, frame_HW3: np.ndarray, image_format: ImageFormat) -> None:
    """Writes one frame, making its folder.

    Args:
        frame_HW3: uint8 RGB.
        image_format: `png` keeps every byte; `jpg` has quality 95 without chroma subsampling.

    Raises:
        InputError: when the folder cannot be made or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame_HW3).save(path, **SAVE_OPTIONS[image_format])
    except OSError as error:
        raise InputError(f"cannot write frame {path}: {error.strerror or error}") from None


def frame_paths(file_names: Sequence[Any], frames: Path, where: str) -> list[Path]:
    """Where the frames of a video are.

    Raises:
        InputError: for a file name that is not text, or that leaves the folder.
    """
    for file_name in file_names:
        if not isinstance(file_name, str) or not _stays_inside(file_name):
            raise InputError(
                f"{where} has the file name {shown(file_name)}; expected a path below the "
                "folder of frames"
            )
    return [frames / file_name for file_name in file_names]


def is_file(path: Path) -> bool:
    """Whether there is a file; False also for names that the file system cannot hold.

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
    path = PurePosixPath(file_name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and "\0" not in file_name
