"""Mel spectrograms that pretrained encoders take, YAMNet's and musicnn's, for any graph and on any device."""

from __future__ import annotations

import math

from mxnet_audio.engine import nd
from mxnet_audio.features.checks import check_minimum
from mxnet_audio.features.keys import FIXED_VALUES
from mxnet_audio.features.pretrained import MUSICNN_SCALE, YAMNET_OFFSET, yamnet_filters
from mxnet_audio.nn.spectral import FrontEnd, MelSpectrogram, STFTBlock

__all__ = ["MusicnnMel", "YamnetMel"]


class YamnetMel(FrontEnd):
    """Log-mel spectrogram that YAMNet takes, of sound at 16 kHz.

    Parameters
    ----------
    audio_length : int >= 400 [samples]
        Length of every sound.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, audio_length)], float32
        Samples in [-1, 1].

    Outputs
    -------
    NDArray or Symbol [shape=(batch, 1, frames, 64)], float32
        ``frames`` is ``1 + (audio_length - 400) // 160``: 96, a patch of YAMNet, for 15,600 samples.

    Raises
    ------
    FeatureError
        If ``audio_length`` is too small, if the input has another length, or if the block is cast to float16.

    See Also
    --------
    mxnet_audio.features.yamnet_mel : the definition; without MXNet, and faster.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = YamnetMel(15600)
    >>> block.initialize()
    >>> block(nd.ones((2, 15600))).shape
    (2, 1, 96, 64)
    """

    def __init__(self, audio_length: int, prefix: str | None = None, params=None):
        super().__init__(audio_length, None, prefix, params)
        fixed = FIXED_VALUES["yamnet"]
        check_minimum(fixed["win_length"], audio_length=audio_length)
        stft = {name: fixed[name] for name in ("n_fft", "hop_length", "win_length", "window", "center", "power")}
        self._n_mels = fixed["n_mels"]
        with self.name_scope():
            # The window is in the middle of the transform. These zeros let it begin at the first sample.
            self.stft = STFTBlock(audio_length, pad=(fixed["n_fft"] - fixed["win_length"]) // 2, **stft)
            self.filters = self.params.get_constant("filters", nd.array(yamnet_filters()))

    def hybrid_forward(self, F, x, filters):
        mel = F.FullyConnected(self.stft(x), filters, num_hidden=self._n_mels, no_bias=True, flatten=False)
        return F.log(mel + YAMNET_OFFSET)


class MusicnnMel(FrontEnd):
    """Log-mel spectrogram that musicnn takes, of sound at 16 kHz.

    Parameters
    ----------
    audio_length : int > 0 [samples]
        Length of every sound.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, audio_length)], float32
        Samples in [-1, 1].

    Outputs
    -------
    NDArray or Symbol [shape=(batch, 1, frames, 96)], float32
        ``frames`` is ``1 + audio_length // 256``: 187, a patch of musicnn, from 47,616 samples on.

    Raises
    ------
    FeatureError
        If ``audio_length`` is too small, if the input has another length, or if the block is cast to float16.

    See Also
    --------
    mxnet_audio.features.musicnn_mel : the definition; without MXNet, and faster.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = MusicnnMel(47616)
    >>> block.initialize()
    >>> block(nd.ones((2, 47616))).shape
    (2, 1, 187, 96)
    """

    def __init__(self, audio_length: int, prefix: str | None = None, params=None):
        super().__init__(audio_length, None, prefix, params)
        with self.name_scope():
            self.mel = MelSpectrogram(audio_length, **FIXED_VALUES["musicnn"])

    def hybrid_forward(self, F, x):
        return F.log(self.mel(x) * MUSICNN_SCALE + 1) * (1 / math.log(10))  # ONNX has no log10
