"""Mel filters against librosa's."""

import warnings

import librosa
import numpy as np
import pytest

from mxnet_audio import features


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("fmin, fmax", [(0.0, None), (50, 3000.0), (300.5, 4000), (1000.0, None), (2000, 2500)])
def test_filters_equal_librosas_bit_for_bit(fmin, fmax, htk, norm):
    for sr in (8000, 11025.5, 12000, 44100):
        for n_fft in (2, 3, 511, 512, 2048):
            for n_mels in (1, 40, 128):
                kwargs = {"sr": sr, "n_fft": n_fft, "n_mels": n_mels, "fmin": fmin, "fmax": fmax, "htk": htk}
                want = librosa.filters.mel(**kwargs, norm=norm, dtype=np.float32)
                got = features.mel_filters(**kwargs, norm=norm)
                assert got.dtype == want.dtype and got.shape == want.shape
                assert got.tobytes() == want.tobytes()


def test_empty_bands_warn_like_librosas():
    with pytest.warns(UserWarning, match="empty: increase n_fft or reduce n_mels"):
        features.mel_filters(12000, 64, 96)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features.mel_filters(12000, 512, 40)


def test_filters_are_shared_and_read_only():
    filters = features.mel_filters(12000, 512, 40)
    assert features.mel_filters(12000, 512, 40) is filters
    with pytest.raises(ValueError):
        filters[0, 0] = 1
