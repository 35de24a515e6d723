"""Short-time Fourier transform and mel spectrogram, each as one convolution: for any graph, on any device."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_minimum
from mxnet_audio.features.mel import mel_filters
from mxnet_audio.features.windows import window_weights

__all__ = ["MelSpectrogram", "STFTBlock"]

Layout = Literal["gluonar"] | None

GLUONAR_STFT: dict[str, Any] = {"pad_mode": "reflect", "drop_last_bin": True}  # GluonAR's transform in our arguments

# Smaller energies (-300 dB) count as this one: a root has no finite gradient at 0, and digital silence is exactly 0.
MIN_ENERGY = 1e-30


class FrontEnd(gluon.nn.HybridBlock):
    """Block that takes sound of one length, and raises an error for any other.

    Parameters
    ----------
    audio_length : int > 0 [samples]
        Length of every sound.
    layout : 'gluonar' or None
        None for this package's layout, 'gluonar' for that of GluonAR.
    """

    def __init__(self, audio_length: int, layout: Layout = None, prefix: str | None = None, params=None):
        super().__init__(prefix=prefix, params=params)
        check_minimum(1, audio_length=audio_length)
        if layout not in ("gluonar", None):
            raise FeatureError(f"layout must be 'gluonar' or None, got {layout!r}")
        self.audio_length = audio_length
        self._gluonar = layout == "gluonar"

    def forward(self, x, *args):
        """Check the length of an array, and compute; a Symbol has no length yet."""
        if isinstance(x, nd.NDArray) and (x.ndim != 2 or x.shape[1] != self.audio_length):
            raise FeatureError(f"{self.name} takes samples of shape (batch, {self.audio_length}), got {x.shape}")
        return super().forward(x, *args)

    def cast(self, dtype):
        """Cast to float32 or float64; float16, in which quiet sound becomes zero, is refused."""
        if np.dtype(dtype) == np.float16:
            raise FeatureError(f"{self.name} works in float32 or float64, not float16: cast the network behind it")
        super().cast(dtype)


class STFTBlock(FrontEnd):
    """Short-time Fourier transform: magnitudes, raised to a power.

    Parameters
    ----------
    audio_length : int > 0 [samples]
        Length of every sound.
    n_fft : int > 1 [samples]
        Length of the transform.
    hop_length : int > 0 or None [samples]
        Samples from one frame to the next; None is ``win_length // 4``.
    win_length : int > 0 or None [samples]
        Length of the window, which is centered in ``n_fft`` samples; None is ``n_fft``.
    window : str, tuple or float
        Window of `scipy.signal.get_window`.
    center : bool
        If True, frame ``t`` is centered at sample ``t * hop_length`` and the sound is padded; if False, the frame
        starts there.
    power : float > 0
        Exponent of the magnitudes: 1 is amplitude, 2 is power.
    pad : int >= 0 [samples]
        Zeros that are added at both ends with ``center=False``.
    pad_mode : 'constant' or 'reflect', optional
        Padding at both ends with ``center``: zeros, as in librosa since 0.10 (the default), or the reflected sound,
        as in GluonAR and in librosa before 0.10.
    drop_last_bin : bool, optional
        Leave out the highest frequency. Default: False.
    layout : 'gluonar' or None
        'gluonar' makes ``pad_mode='reflect'`` and ``drop_last_bin=True`` the defaults, so that the output has
        ``n_fft // 2`` bins.

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
        If an argument is out of range or contradicts another, if the input is not of ``audio_length``, or if the
        block is cast to float16. Within a hybridized network MXNet itself raises the error for a wrong length, in
        which the operator ``..._takes_<audio_length>_samples`` is named.

    See Also
    --------
    librosa.stft : the definition.
    mxnet_audio.features.stft : the same without MXNet, and faster.

    Notes
    -----
    Frames overlap by multiples of ``g = gcd(n_fft, hop_length)``. With the sound laid out as ``g`` channels at
    ``1 / g`` of its rate, the transforms of all frames are one convolution of kernel ``n_fft / g`` and stride
    ``hop_length / g``, and no sample is copied into more than one frame.

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
        window: str | tuple | float = "hann",
        center: bool = True,
        power: float = 1.0,
        *,
        pad: int = 0,
        pad_mode: Literal["constant", "reflect"] | None = None,
        drop_last_bin: bool | None = None,
        layout: Layout = None,
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(audio_length, layout, prefix, params)
        defaults = GLUONAR_STFT if self._gluonar else {"pad_mode": "constant", "drop_last_bin": False}
        pad_mode = defaults["pad_mode"] if pad_mode is None else pad_mode
        drop_last_bin = defaults["drop_last_bin"] if drop_last_bin is None else drop_last_bin
        check_minimum(2, n_fft=n_fft)
        win_length = n_fft if win_length is None else win_length
        check_minimum(1, win_length=win_length)
        hop_length = win_length // 4 if hop_length is None else hop_length
        check_minimum(1, hop_length=hop_length)
        if not power > 0:
            raise FeatureError(f"power must be > 0, got {power}")
        if pad_mode not in ("constant", "reflect"):
            raise FeatureError(f"pad_mode must be 'constant' or 'reflect', got {pad_mode!r}")
        check_minimum(0, pad=pad)
        if pad and center:
            raise FeatureError(f"pad must be 0 with center=True, got {pad}")
        padding = n_fft // 2 if center else pad
        if center and pad_mode == "reflect" and padding >= audio_length:
            raise FeatureError(
                f"pad_mode='reflect' needs more than n_fft // 2 ({padding}) samples, got audio_length={audio_length}"
            )
        spare = audio_length + 2 * padding - n_fft
        if spare < 0:
            least = f"n_fft ({n_fft})" if not pad else f"n_fft - 2 * pad ({n_fft - 2 * pad})"
            raise FeatureError(f"audio_length must be >= {least} with center=False, got {audio_length}")

        self.frames = 1 + spare // hop_length
        self.bins = n_fft // 2 + (not drop_last_bin)
        self._power = power
        self._padding = padding
        self._pad_mode = pad_mode if center else "constant"
        g = math.gcd(n_fft, hop_length)
        self._span = n_fft + (self.frames - 1) * hop_length  # samples that lie in a frame
        self._blocks = (0, 1, self._span // g, g)
        # In two dimensions: MXNet cannot load the weights of a one-dimensional convolution that has run.
        self._kernel = {"kernel": (1, n_fft // g), "stride": (1, hop_length // g), "num_filter": 2 * self.bins}
        self._cropped = spare % hop_length > 0
        basis = _basis(n_fft, win_length, window)[: self.bins]
        parts = np.concatenate([basis.real, basis.imag]).reshape(2 * self.bins, 1, n_fft // g, g)
        with self.name_scope():
            self.basis = self.params.get_constant("basis", nd.array(parts.transpose(0, 3, 1, 2), dtype="float32"))

    def hybrid_forward(self, F, x, basis):
        # Reshape trusts any length, and reads beyond the end of a shorter sound. Here the slice fails for a shorter
        # sound, and the addition of its zeros for a longer one.
        name = f"takes_{self.audio_length}_samples"
        zeros = F.zeros_like(F.slice_axis(x, axis=1, begin=0, end=self.audio_length, name=f"{name}_or_more"))
        x = F.elemwise_add(x, zeros, name=name)
        if self._padding:
            x = F.reshape(x, shape=(0, 1, 1, self.audio_length))  # Pad takes no fewer than four dimensions
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
        energy = F.maximum(energy, MIN_ENERGY)
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
        As for `STFTBlock`.
    n_mels : int > 0
        Number of bands.
    fmin, fmax : float [Hz]
        Range of the bands; ``fmax`` None is ``sr / 2``.
    htk : bool
        Use HTK's mel scale instead of Slaney's.
    norm : 'slaney', 1 or None
        'slaney' for bands of equal area, None for bands of equal height. 1 is the former name of 'slaney' in librosa
        and in GluonAR.
    layout : 'gluonar' or None
        'gluonar' for the transform of ``STFTBlock(layout='gluonar')`` and bands before frames in the output.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, audio_length)], float32
        Samples.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, 1, frames, n_mels)], float32
        Energy of each band; with ``layout='gluonar'`` the shape is (batch, 1, n_mels, frames).

    Raises
    ------
    FeatureError
        As for `STFTBlock` and `mxnet_audio.features.mel_filters`.

    See Also
    --------
    librosa.feature.melspectrogram : the definition.
    mxnet_audio.features.melspectrogram : the same without MXNet, and faster.

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
        norm: Literal["slaney", 1] | None = "slaney",
        *,
        win_length: int | None = None,
        window: str | tuple | float = "hann",
        center: bool = True,
        pad_mode: Literal["constant", "reflect"] | None = None,
        drop_last_bin: bool | None = None,
        layout: Layout = None,
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(audio_length, layout, prefix, params)
        self.n_mels = n_mels
        norm = "slaney" if norm == 1 else norm
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
                layout=layout,
            )
            filters = mel_filters(sr, n_fft, n_mels, fmin, fmax, htk, norm)[:, : self.stft.bins]
            self.filters = self.params.get_constant("filters", nd.array(filters))

    def hybrid_forward(self, F, x, filters):
        mel = F.FullyConnected(self.stft(x), filters, num_hidden=self.n_mels, no_bias=True, flatten=False)
        return F.transpose(mel, axes=(0, 1, 3, 2)) if self._gluonar else mel


def _basis(n_fft: int, win_length: int, window: str | tuple | float) -> np.ndarray:
    """Return the windowed transform as a matrix [shape=(1 + n_fft // 2, n_fft)], complex128."""
    return np.fft.rfft(np.diag(window_weights(window, win_length, n_fft))).T
