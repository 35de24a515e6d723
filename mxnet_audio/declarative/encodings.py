"""Encodings of columns: values become numbers of an array, and numbers values, as learned from training rows."""

from __future__ import annotations

import contextlib
import math
import re
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mxnet_audio.features import AudioFeatureConfig

__all__ = ["AudioEncoding", "ColumnEncoding", "NumberEncoding"]

_LARGEST = 1e30  # of numbers, so that sums and quotients fit in float32


class ColumnEncoding(BaseModel, ABC):
    """Base of the encodings of columns other than sounds; JSON-serializable.

    Attributes
    ----------
    fill : value or None
        Value that replaces missing ones, if the strategy is the mode or the mean of the training rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fill: Any = None

    @property
    def width(self) -> int:
        """Number of elements of an encoded value."""
        return 1

    @abstractmethod
    def encode(self, value: Any) -> float | np.ndarray:
        """Encode a value as a number, or a vector [shape=(width,)]; ValueError with the reason if that fails."""

    @abstractmethod
    def decode(self, array: np.ndarray) -> list:
        """Return the values of encoded ones, such as predictions [shape=(n,) or (n, width)]."""


class NumberEncoding(ColumnEncoding):
    """Encoding of numbers: ``(x - center) / scale``, of ``log(1 + x)`` with `log1p`.

    Examples
    --------
    >>> encoding = NumberEncoding.fit([1, "3"], "zscore")
    >>> encoding.encode(4), encoding.decode(np.array([0.0]))
    (2.0, [2.0])
    """

    type: Literal["number"] = "number"
    log1p: bool = False
    center: float = 0.0
    scale: float = Field(1.0, gt=0)

    @classmethod
    def fit(cls, values: Iterable[Any], normalization: str | None) -> NumberEncoding:
        """Learn center and scale: mean and deviation ('zscore'), range ('minmax'), or median and quartiles ('iq')."""
        x = np.array([number for number in map(_number_or_none, values) if number is not None])
        center, scale = 0.0, 1.0
        if len(x) and normalization == "zscore":
            center, scale = float(x.mean()), float(x.std())
        elif len(x) and normalization == "minmax":
            center, scale = float(x.min()), float(np.ptp(x))
        elif len(x) and normalization == "iq":
            lower, center, upper = map(float, np.quantile(x, [0.25, 0.5, 0.75]))
            scale = upper - lower
        return cls(log1p=normalization == "log1p", center=center, scale=scale or 1.0)

    def encode(self, value: Any) -> float:
        """Encode a number, or the text of one."""
        number = _number(value)
        if self.log1p and number <= -1:
            raise ValueError(f"{reprlib.repr(value)} is not above -1, as log1p needs")
        x = ((math.log1p(number) if self.log1p else number) - self.center) / self.scale
        if abs(x) > _LARGEST:
            raise ValueError(f"{reprlib.repr(value)} is too far from those of the training rows")
        return x

    def decode(self, array: np.ndarray) -> list[float]:
        """Return the numbers."""
        x = np.asarray(array, np.float64) * self.scale + self.center
        return (np.expm1(x) if self.log1p else x).tolist()


class AudioEncoding(BaseModel):
    """Features of a column of sounds; of a pretrained encoder, which has its own, there are none.

    Attributes
    ----------
    config : dict or None
        The configuration of the features, with the rate and the length that the training rows have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["audio"] = "audio"
    config: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check_shape(self) -> AudioEncoding:
        if self.config is not None and None in self.features.shape:
            raise ValueError("the rate or the length of the features is missing")
        return self

    @cached_property
    def features(self) -> AudioFeatureConfig:
        """Configuration of the features."""
        return AudioFeatureConfig.model_validate(self.config)

    @property
    def bands(self) -> int:
        """Size of the vector of each step."""
        bands = self.features.shape[1 if self.features.time_axis == -2 else 0]
        assert bands is not None
        return bands

    @property
    def steps(self) -> int:
        """Number of steps of the longest input."""
        steps = self.features.shape[self.features.time_axis]
        assert steps is not None
        return steps


def _number(value: Any) -> float:
    number = math.nan
    if isinstance(value, Real | Decimal | str):  # as NumPy's numbers are
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)  # type: ignore[arg-type]  # Real declares no __float__
    if math.isnan(number) or abs(number) > _LARGEST:
        has_comma = isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+,\d+\s*", value[:100])
        hint = ": write decimals with a point" if has_comma else ""
        raise ValueError(
            f"{reprlib.repr(value)} is not a number{'' if math.isnan(number) else ' that fits in float32'}{hint}"
        )
    return number


def _number_or_none(value: Any) -> float | None:
    try:
        return _number(value)
    except ValueError:
        return None
