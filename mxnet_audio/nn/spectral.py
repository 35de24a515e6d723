"""Short-time Fourier transform and mel spectrogram as one convolution, in any graph, on any device."""

from __future__ import annotations

import math

import numpy as np

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.spectral import check_least, mel_filters, window_weights

__all__ = ["FrontEnd", "MelSpectrogram", "STFTBlock"]

# Energies below it, at -300 dB, count as this much: roots have no finite gradient at 0, and silence is 0 exactly.
TINY = 1e-30


class FrontEnd(gluon.nn.HybridBlock):
    """A block that takes sound of one length, and says so when it gets another.

    Parameters
    ----------
    audio_length : int > 0 [samples]
        Length of every sound.
    """

    def __init__(self, audio_length: int, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        check_least(1, audio_length=audio_length)
        self.audio_length = audio_length

    def forward(self, x, *args):
        """Check the length, where there is one: a Symbol has none yet."""
        if isinstance(x, nd.NDArray) and (x.ndim != 2 or x.shape[1] != self.audio_length):
            raise FeatureError(f"{self.name} takes samples of shape (batch, {self.audio_length}), got {x.shape}")
        return super().forward(x, *args)

    def cast(self, dtype):
        """Refuse float16, in which quiet sound is zero."""
        if np.dtype(dtype) == np.float16:
            raise FeatureError(f"{self.name} works in float32 or float64, not float16: cast the network behind it")
        super().cast(dtype)


class STFTBlock(FrontEnd):
    """Short-time Fourier transform: magnitudes to some power.

    Parameters
    ----------
    audio_length : int > 0 [samples]
        Length of every sound.
    n_fft : int > 1 [samples]
        Length of the transform.
    hop_length : int > 0 or None [samples]
        From frame to frame; None is ``win_length // 4``.
    win_length : int > 0 or None [samples]
        Length of the window, in the middle of ``n_fft``; None is ``n_fft``.
    window : str
        Name of a window of `scipy.signal.get_window`.
    center : bool
        Frame ``t`` is centred at sample ``t * hop_length``, the sound being padded; else it starts there.
    power : float > 0
        Exponent of the magnitudes: 1 is amplitude, 2 is power.
    pad_mode : 'constant' or 'reflect'
        What is beyond both ends with ``center``: zeros, as in librosa since 0.10, or the sound's own reflection, as
        in GluonAR and librosa before.
    drop_last_bin : bool
        Leave out the highest frequency, as GluonAR does.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, audio_length)], float32
        Samples.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, 1, frames, bins)], float32
        ``frames`` is ``1 + (audio_length + padding - n_fft) // hop_length``, ``bins`` is ``1 + n_fft // 2``,
        one less with ``drop_last_bin``.

    Raises
    ------
    FeatureError
        An argument is out of range or contradicts another, or the input is not of ``audio_length``. Within a
        hybridised network MXNet itself raises on the latter, naming the operator ``..._takes_<audio_length>_samples``.
        Or the block is cast to float16.

    Notes
    -----
    Frames overlap by multiples of ``g = gcd(n_fft, hop_length)``. With the sound laid out as ``g`` channels of
    ``1 / g`` of its rate, all frames' transforms are one convolution of kernel ``n_fft / g`` and stride
    ``hop_length / g``, and no sample is copied into more than one frame.

    See Also
    --------
    librosa.stft : the definition that this follows.
    mxnet_audio.features.stft : the same away from a network, faster.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = STFTBlock(12000, n_fft=512, hop_length=256)
    >>> block.initialize()
    >>> block(nd.ones((2, 12000))).shape
    (2, 1, 47, 257)
    """

    def __init__(
        self,
        audio_length: int,
        n_fft: int = 2048,
        hop_length: int | None = None,
        win_length: int | None = None,
        window: str = "hann",
        center: bool = True,
        power: float = 1.0,
        *,
        pad_mode: str = "constant",
        drop_last_bin: bool = False,
        prefix=None,
        params=None,
    ):
        super().__init__(audio_length, prefix=prefix, params=params)
        check_least(2, n_fft=n_fft)
        win_length = n_fft if win_length is None else win_length
        check_least(1, win_length=win_length)
        hop_length = win_length // 4 if hop_length is None else hop_length
        check_least(1, hop_length=hop_length)
        if not power > 0:
            raise FeatureError(f"power must be above 0, got {power}")
        if pad_mode not in ("constant", "reflect"):
            raise FeatureError(f"pad_mode: {pad_mode!r} is neither 'constant' nor 'reflect'")
        padding = n_fft // 2 if center else 0
        if pad_mode == "reflect" and padding >= audio_length:
            raise FeatureError(f"pad_mode 'reflect' needs more than n_fft // 2 ({padding}) samples, not {audio_length}")
        spare = audio_length + 2 * padding - n_fft
        if spare < 0:
            raise FeatureError(f"audio_length ({audio_length}) is below n_fft ({n_fft}) and center is off: no frame")

        self.frames = 1 + spare // hop_length
        self.bins = n_fft // 2 + (not drop_last_bin)
        self._power = power
        self._padding = padding
        self._pad_mode = pad_mode
        g = math.gcd(n_fft, hop_length)
        self._span = n_fft + (self.frames - 1) * hop_length  # what lies in a frame; rather less than is there
        self._blocks = (0, 1, self._span // g, g)
        # In two dimensions: MXNet cannot load the weights of a one-dimensional convolution that has run.
        self._kernel = {"kernel": (1, n_fft // g), "stride": (1, hop_length // g), "num_filter": 2 * self.bins}
        self._cropped = spare % hop_length > 0
        basis = _basis(n_fft, win_length, window)[: self.bins]
        parts = np.concatenate([basis.real, basis.imag]).reshape(2 * self.bins, 1, n_fft // g, g)
        with self.name_scope():
            self.basis = self.params.get_constant("basis", nd.array(parts.transpose(0, 3, 1, 2), dtype="float32"))

    def hybrid_forward(self, F, x, basis):
        # Reshape believes any length, and reads beyond the end of a shorter sound. A slice refuses that one, and the
        # addition of its zeros a longer one.
        name = f"takes_{self.audio_length}_samples"
        zeros = F.zeros_like(F.slice_axis(x, axis=1, begin=0, end=self.audio_length, name=f"{name}_or_more"))
        x = F.elemwise_add(x, zeros, name=name)
        if self._padding:
            x = F.reshape(x, shape=(0, 1, 1, self.audio_length))  # the least that Pad pads
            x = F.Pad(x, mode=self._pad_mode, pad_width=(0,) * 6 + (self._padding,) * 2)
        if self._cropped:
            x = F.slice_axis(x, axis=-1, begin=0, end=self._span)
        x = F.transpose(F.reshape(x, shape=self._blocks), axes=(0, 3, 1, 2))
        squares = F.square(F.Convolution(x, basis, no_bias=True, **self._kernel))
        energy = F.broadcast_add(
            F.slice_axis(squares, axis=1, begin=0, end=self.bins),
            F.slice_axis(squares, axis=1, begin=self.bins, end=2 * self.bins),
        )
        energy = F.transpose(energy, axes=(0, 2, 3, 1))
        if self._power == 2:
            return energy
        energy = F.maximum(energy, TINY)
        return F.sqrt(energy) if self._power == 1 else energy ** (self._power / 2)


class MelSpectrogram(FrontEnd):
    """Mel spectrogram.

    Parameters
    ----------
    audio_length : int > 0 [samples]
        Length of every sound.
    sr : number > 0 [Hz]
        Sampling rate.
    n_fft, hop_length, win_length, window, center, power, pad_mode, drop_last_bin
        As for `STFTBlock`; GluonAR's has ``drop_last_bin=True`` and ``pad_mode='reflect'``.
    n_mels : int > 0
        Number of bands.
    fmin, fmax : float [Hz]
        Range of the bands; ``fmax`` None is ``sr / 2``.
    htk : bool
        HTK's mel scale in place of Slaney's.
    norm : 'slaney' or None
        Bands of equal area (which GluonAR and the librosa of its time call 1), or of equal height.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, audio_length)], float32
        Samples.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, 1, frames, n_mels)], float32
        Energy of each band.

    Raises
    ------
    FeatureError
        As `STFTBlock` and `mxnet_audio.features.mel_filters`.

    See Also
    --------
    librosa.feature.melspectrogram : the definition that this follows.
    mxnet_audio.features.melspectrogram : the same away from a network, faster.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = MelSpectrogram(12000, sr=12000, n_fft=512, hop_length=256, n_mels=96)
    >>> block.initialize()
    >>> block(nd.ones((2, 12000))).shape
    (2, 1, 47, 96)
    """

    def __init__(
        self,
        audio_length: int,
        sr: float = 16000,
        n_fft: int = 2048,
        hop_length: int | None = 512,
        power: float = 2.0,
        n_mels: int = 128,
        fmin: float = 0.0,
        fmax: float | None = None,
        htk: bool = False,
        norm: str | None = "slaney",
        *,
        win_length: int | None = None,
        window: str = "hann",
        center: bool = True,
        pad_mode: str = "constant",
        drop_last_bin: bool = False,
        prefix=None,
        params=None,
    ):
        super().__init__(audio_length, prefix=prefix, params=params)
        self.n_mels = n_mels
        with self.name_scope():
            self.stft = STFTBlock(
                audio_length,
                n_fft,
                hop_length,
                win_length,
                window,
                center,
                power,
                pad_mode=pad_mode,
                drop_last_bin=drop_last_bin,
            )
            filters = mel_filters(sr, n_fft, n_mels, fmin, fmax, htk, norm)[:, : self.stft.bins]
            self.filters = self.params.get_constant("filters", nd.array(filters))

    def hybrid_forward(self, F, x, filters):
        return F.FullyConnected(self.stft(x), filters, num_hidden=self.n_mels, no_bias=True, flatten=False)


def _basis(n_fft: int, win_length: int, window: str) -> np.ndarray:
    """The windowed transform as a matrix [shape=(1 + n_fft // 2, n_fft)], complex128."""
    return np.fft.rfft(np.diag(window_weights(window, win_length, n_fft))).T
