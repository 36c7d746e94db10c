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
        self.single = getattr(pixels, "ndim", 0) == 3
        self.count = len(images)
        self._arrays = [_planes(image, index) for index, image in enumerate(images)]
        self.size = sum(array.size for array in self._arrays)
        entries = (_ffi.Image * self.count)()
        for entry, array in zip(entries, self._arrays):
            entry.struct_size = ctypes.sizeof(_ffi.Image)
            entry.format = _ffi.PIXELS["prepared"]
            entry.pixels = array.ctypes.data
            entry.channels, entry.height, entry.width = array.shape
            entry.channel_stride, entry.row_stride, entry.pixel_stride = array.strides
        self._entries = entries

    @property
    def arguments(self) -> tuple[Any, int]:
        """What the C functions take."""
        return self._entries, self.count


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
    array = array.astype(np.float32, copy=False)
    # A stride of 0 means another thing in C.
    return np.ascontiguousarray(array) if 0 in array.strides else array
