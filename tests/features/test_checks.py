"""Bad arguments of the functions for features: only the package's exceptions, whatever is given."""

import inspect

import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.errors import AudioError, FeatureError, InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig, htk

SAMPLES = {"y": np.ones(4000, np.float32), "sr": 8000}
CALLS = {
    features.stft: {"y": SAMPLES["y"]},
    features.melspectrogram: SAMPLES,
    features.log_mel: SAMPLES,
    features.mfcc: SAMPLES,
    features.chroma: SAMPLES,
    features.yamnet_mel: {"y": SAMPLES["y"]},
    features.musicnn_mel: {"y": SAMPLES["y"]},
    features.whisper_mel: {"y": SAMPLES["y"]},
    features.ast_fbank: {"y": SAMPLES["y"]},
    features.panns_mel: {"y": SAMPLES["y"]},
    features.speechbrain_fbank: {"y": SAMPLES["y"]},
    features.delta: {"x": np.ones((4, 20))},
    features.power_to_db: {"s": np.ones((4, 20))},
    features.mel_filters: {"sr": 8000, "n_fft": 512},
    features.extract: {**SAMPLES, "config": AudioFeatureConfig(sr=8000)},
    features.load_features: {"source": (SAMPLES["y"], 8000), "config": AudioFeatureConfig(sr=8000)},
    features.as_image: {"x": np.ones((4, 20)), "time_axis": -1},
    htk.stft_magnitude: SAMPLES,
    htk.stft_phase: SAMPLES,
    htk.fbank: SAMPLES,
    htk.group_delay: SAMPLES,
}
HTK_ARGUMENTS = ("window_length_in_s", "window_shift_in_s", "window_type", "num_fft_points")
BAD = [
    *("x", "", b"x", None, [], {}, object(), (1, 2), [[1.0], [1.0, 2.0]]),
    *(-1, 0, 0.5, np.nan, np.inf, 10**400, 1e308, True, np.float64(3)),
    *(np.array([1, 2]), np.zeros(0), np.array(["a"]), np.array([None]), np.arange(900), np.ones(900, np.complex64)),
]


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("ignore")
def test_any_argument_gives_a_result_or_an_error_of_the_package(function):
    parameters = [
        name for name, value in inspect.signature(function).parameters.items() if value.kind != value.VAR_KEYWORD
    ]
    for name in dict.fromkeys([*parameters, *(HTK_ARGUMENTS if function.__module__ == htk.__name__ else ())]):
        for value in BAD:
            try:
                function(**CALLS[function] | {name: value})
            except AudioError:
                pass
            except Exception as error:
                pytest.fail(f"{name}={value!r}: {error!r}")


@pytest.mark.parametrize(
    "function", [call for call, good in CALLS.items() if "y" in good], ids=lambda call: call.__name__
)
def test_samples_that_are_no_floats_are_refused(function):
    for wrong in ("x", None, object(), np.ones(4000, complex), [[1.0], [1.0, 2.0]]):
        with pytest.raises(ParameterError):
            function(**CALLS[function] | {"y": wrong})
    for integers in (np.arange(4000), np.ones((2, 4000), np.int16)):
        with pytest.raises(InvalidAudioError, match=f"floats, got {integers.dtype}"):
            function(**CALLS[function] | {"y": integers})
    for empty in ([], np.ones((2, 0)), 0.5):
        with pytest.raises(FeatureError, match="no samples"):
            function(**CALLS[function] | {"y": empty})
    floats = function(**CALLS[function] | {"y": np.ones(4000)})
    np.testing.assert_array_equal(function(**CALLS[function] | {"y": [1.0] * 4000}), floats)
