"""Windows against SciPy's."""

import numpy as np
import pytest
import scipy.signal

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.windows import get_window, window_weights


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("name", ["boxcar", "hann", "hamming", "blackman", "bartlett", "nuttall", "triang"])
def test_windows_equal_scipys_bit_for_bit(name, periodic):
    for length in [*range(1, 300), 400, 512, 882, 1024, 2048, 4096]:
        got = get_window(name, length, periodic=periodic)
        want = scipy.signal.get_window(name, length, fftbins=periodic)
        assert got.dtype == want.dtype and got.tobytes() == want.tobytes()


def test_weights_lie_in_the_middle_and_are_read_only():
    weights = window_weights("hann", 4, 7)
    np.testing.assert_array_equal(weights, np.float32([0, 0, 0.5, 1, 0.5, 0, 0]))
    with pytest.raises(ValueError):
        weights[0] = 1


@pytest.mark.parametrize("name", ["nonsense", "kaiser", ""])
def test_unknown_windows_are_named(name):
    with pytest.raises(FeatureError, match=repr(name)):
        get_window(name, 4)
