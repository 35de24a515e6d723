"""SincNet's first layer: band-pass filters of which only the cut-off frequencies are learned."""

from __future__ import annotations

import numpy as np
from scipy.signal import get_window

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.spectral import check_least

__all__ = ["SincConv1D"]

LOWEST = 30.0  # Hz, where the first filter starts above min_low_hz, as in SincNet


class SincConv1D(gluon.nn.HybridBlock):
    """Convolution with band-pass filters whose low frequency and width are learned.

    At first the bands are next to each other, of equal width in mel.

    Parameters
    ----------
    channels : int > 0
        Number of filters.
    kernel_size : int > 2 [samples]
        Length of a filter; an even one is made odd by one more sample, for a filter has a middle.
    sample_rate : number > 0 [Hz]
        Sampling rate.
    stride : int > 0 [samples]
        From one output to the next.
    min_low_hz, min_band_hz : float >= 0, float > 0 [Hz]
        The least that a low frequency and a width can become.

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
        A number is out of range, or the sampling rate leaves no room for the bands.

    Notes
    -----
    Filter ``g[n] = 2 f2 sinc(2 pi f2 n) - 2 f1 sinc(2 pi f1 n)``, ``sinc(x) = sin(x) / x``, times a Hamming window
    and divided by ``2 (f2 - f1)``, which makes its middle 1. The parameters ``low`` and ``band`` are fractions of the
    sampling rate, so that they learn at the pace of other weights: ``f1 = min_low + |low|``,
    ``f2 = f1 + min_band + |band|``, both kept below half the rate.

    M. Ravanelli, Y. Bengio: Speaker Recognition from Raw Waveform with SincNet. SLT 2018, arXiv:1808.00158.

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
        *,
        stride: int = 1,
        min_low_hz: float = 50.0,
        min_band_hz: float = 50.0,
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        check_least(1, channels=channels, stride=stride)
        check_least(3, kernel_size=kernel_size)
        top = sample_rate / 2 - min_low_hz - min_band_hz
        if min_low_hz < 0 or min_band_hz <= 0 or top <= LOWEST:
            raise FeatureError(
                f"no bands fit sample_rate {sample_rate} Hz, min_low_hz {min_low_hz} and min_band_hz {min_band_hz}"
            )
        self.sample_rate = sample_rate
        self._min_low = min_low_hz / sample_rate
        self._min_band = min_band_hz / sample_rate
        half = kernel_size // 2
        self._kernel = {"kernel": (2 * half + 1,), "stride": (stride,), "num_filter": channels}

        edges = _from_mel(np.linspace(_to_mel(LOWEST), _to_mel(top), channels + 1)) / sample_rate
        phase = 2 * np.pi * np.arange(-half, half + 1)
        middle = phase == 0
        taper = get_window("hamming", 2 * half + 1, fftbins=False) / np.where(middle, np.inf, phase)
        with self.name_scope():
            self.low = self._learned("low", edges[:-1])
            self.band = self._learned("band", np.diff(edges))
            self.phase = self.params.get_constant("phase", nd.array(phase[None]))
            self.taper = self.params.get_constant("taper", nd.array(taper[None]))
            self.middle = self.params.get_constant("middle", nd.array(middle[None]))

    def _learned(self, name: str, values: np.ndarray) -> gluon.Parameter:
        init = mx.init.Constant(nd.array(values[:, None]))
        return self.params.get(name, shape=(len(values), 1), init=init)

    def cutoffs(self) -> tuple[np.ndarray, np.ndarray]:
        """The filters' cut-off frequencies as they stand.

        Returns
        -------
        low, high : np.ndarray [shape=(channels,)], float32 [Hz]
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
