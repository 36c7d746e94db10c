"""Images as users pass them, as the C interface wants them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _ffi
from .errors import InvalidArgumentError


class Pixels:
    """A batch of prepared images: float32 [n, channels, height, width], or a list of arrays [channels, height, width] of
    any sizes. One array [channels, height, width] is a single image.

    Arrays are used where they lie, whatever their strides, if they are float32; other numbers are converted.

    Attributes
    ----------
    count : int
        Images.
    size : int
        Numbers in all of them.
    single : bool
        One image was given, not a batch: the result is given without the batch dimension.
    """

    def __init__(self, pixels: Any) -> None:
        if isinstance(pixels, (str, bytes, bytearray, Mapping)) or not isinstance(pixels, Iterable):
            raise TypeError(f"expected pixels as arrays of float, got {type(pixels).__name__}")
        images: list[Any] = [pixels] if getattr(pixels, "ndim", 0) == 3 else list(pixels)
        single = getattr(pixels, "ndim", 0) == 3
        self._set([_planes(image, index) for index, image in enumerate(images)], "prepared", single)

    def _set(self, arrays: list[npt.NDArray[Any]], form: str, single: bool) -> None:
        """Describes arrays [channels, height, width] in C; `form` is that of floats."""
        self.single = single
        self.count = len(arrays)
        self.size = sum(array.size for array in arrays)
        self._arrays = arrays
        entries = (_ffi.Image * self.count)()
        for entry, array in zip(entries, arrays):
            entry.struct_size = ctypes.sizeof(_ffi.Image)
            entry.format = _ffi.PIXELS["u8" if array.dtype == np.uint8 else form]
            entry.pixels = array.ctypes.data
            entry.channels, entry.height, entry.width = array.shape
            entry.channel_stride, entry.row_stride, entry.pixel_stride = array.strides
        self._entries = entries

    @property
    def arguments(self) -> tuple[Any, int]:
        """What the C functions take."""
        return self._entries, self.count


class Images(Pixels):
    """A batch of images that the library prepares: arrays [height, width] or [height, width, channels] of uint8 or of floats
    from 0 to 1, or Pillow images. One of them is a single image.
    """

    def __init__(self, images: Any) -> None:
        single = _is_pillow(images) or getattr(images, "ndim", 0) in (2, 3)
        if not single and (isinstance(images, (str, bytes, bytearray, Mapping)) or not isinstance(images, Iterable)):
            raise TypeError(f"expected images as arrays or Pillow images, got {type(images).__name__}")
        listed: list[Any] = [images] if single else list(images)
        self._set([_colours(image, index) for index, image in enumerate(listed)], "f32", single)


def _is_pillow(image: Any) -> bool:
    return hasattr(image, "getbands") and hasattr(image, "convert")


def _colours(image: Any, index: int) -> npt.NDArray[Any]:
    """Returns one image as uint8 or float32 [channels, height, width]."""
    if _is_pillow(image):
        # Palettes, CMYK and the like have no colours in their arrays; transparency becomes alpha.
        if "A" in image.getbands() or image.info.get("transparency") is not None:
            image = image.convert("RGBA")
        elif image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
    elif not hasattr(image, "__array__"):
        raise TypeError(f"image {index} must be an array or a Pillow image, not {type(image).__name__}")
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3:
        raise InvalidArgumentError(
            f"image {index} must be [height, width] or [height, width, channels], not of {array.ndim} dimensions"
        )
    if 0 in array.shape or max(array.shape) >= 2**31:
        raise InvalidArgumentError(f"image {index} of shape {list(array.shape)} cannot be meant")
    if array.dtype != np.uint8:
        if array.dtype.kind != "f":
            raise TypeError(f"image {index} must be of uint8, or of floats from 0 to 1, not {array.dtype}")
        array = array.astype(np.float32, copy=False)
    return _without_zero_strides(array).transpose(2, 0, 1)


def _planes(image: Any, index: int) -> npt.NDArray[np.float32]:
    """Returns one image as float32 [channels, height, width]; no copy if it is one."""
    try:
        array = np.asarray(image)
    except (ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"image {index}: {error}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"image {index} must be of numbers, not {array.dtype}")
    if array.ndim != 3:
        raise InvalidArgumentError(f"image {index} must be [channels, height, width], not of {array.ndim} dimensions")
    if 0 in array.shape or max(array.shape) >= 2**31:
        raise InvalidArgumentError(f"image {index} of shape {list(array.shape)} cannot be meant")
    return _without_zero_strides(array.astype(np.float32, copy=False))


def _without_zero_strides(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A stride of 0 means memory without gaps in C, and the same element again in NumPy."""
    return np.ascontiguousarray(array) if 0 in array.strides else array
