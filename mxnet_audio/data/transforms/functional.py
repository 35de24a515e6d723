"""Crops and normalization as functions, with the names of GluonAR. They take NumPy arrays and NDArrays alike."""

from __future__ import annotations

import random
from typing import Any, TypeVar

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import InvalidAudioError

__all__ = ["center_crop", "norm_audio", "random_crop"]

Array = TypeVar("Array", bound=Any)


def random_crop(x: Array, crop_length: int) -> Array:
    """Cut a piece out of a sound, from a random position.

    The position is drawn by Python's ``random.randint``, as in GluonAR. `RandomCrop` draws by seed, epoch and sample
    instead, and pads shorter sounds.

    Parameters
    ----------
    x : np.ndarray or NDArray [shape=(..., n)]
    crop_length : int > 0 [samples]

    Returns
    -------
    np.ndarray or NDArray [shape=(..., crop_length)]
        An array of the same kind.

    Raises
    ------
    InvalidAudioError
        If the sound is shorter than `crop_length`.

    Examples
    --------
    >>> import numpy as np
    >>> random_crop(np.zeros((2, 8)), 5).shape
    (2, 5)
    """
    length = whole_number("crop_length", crop_length)
    return _crop(x, random.randint(0, _last_start(x, length)), length)


def center_crop(x: Array, crop_length: int) -> Array:
    """Cut the middle out of a sound.

    Parameters
    ----------
    x : np.ndarray or NDArray [shape=(..., n)]
    crop_length : int > 0 [samples]

    Returns
    -------
    np.ndarray or NDArray [shape=(..., crop_length)]
        An array of the same kind.

    Raises
    ------
    InvalidAudioError
        If the sound is shorter than `crop_length`.

    See Also
    --------
    mxnet_audio.audio.fit_length : the same, with zeros after shorter sounds.

    Examples
    --------
    >>> import numpy as np
    >>> center_crop(np.arange(6), 3)
    array([1, 2, 3])
    """
    length = whole_number("crop_length", crop_length)
    return _crop(x, _last_start(x, length) // 2, length)


def norm_audio(x: Array, mean: float = 6.151717314181507e-05, std: float = 0.06391325364253263) -> Array:
    """Subtract a mean and divide by a standard deviation.

    Parameters
    ----------
    x : np.ndarray or NDArray [shape=(..., n)]
    mean, std : float
        Statistics of the samples; the defaults are GluonAR's, of VoxCeleb.

    Returns
    -------
    np.ndarray or NDArray [shape=(..., n)]
        An array of the same kind.

    Examples
    --------
    >>> import numpy as np
    >>> norm_audio(np.array([1.0, 3.0]), mean=1, std=2)
    array([0., 1.])
    """
    return (x - mean) / std


def _last_start(x: Any, length: int) -> int:
    """Return the last position at which a crop can start."""
    if x.shape[-1] < length:
        raise InvalidAudioError(f"a sound of {x.shape[-1]} samples is shorter than the crop ({length})")
    return x.shape[-1] - length


def _crop(x: Any, start: int, length: int) -> Any:
    return x[..., start : start + length].copy()  # a view would keep the rest in memory
