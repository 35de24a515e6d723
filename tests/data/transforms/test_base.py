"""Behaviour of all transforms: both kinds of arrays, keys, draws independent of threads, use in Gluon."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.data import transforms
from mxnet_audio.data.transforms import (
    MEL,
    MFCC,
    AddNoise,
    Compose,
    ExtractFeatures,
    Features,
    FrequencyMasking,
    Gain,
    Load,
    MelSpectrogram,
    MuLawDecoding,
    MuLawEncoding,
    PadTrim,
    RandomCrop,
    RandomTransform,
    Repeat,
    Resample,
    Scale,
    SpeedPerturbation,
    Stereo2Mono,
    TimeMasking,
    TimeShift,
    ToImage,
    Transform,
)
from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig

FIXED = [Resample(8000, 4000), Stereo2Mono(), Scale(2), PadTrim(3000), MEL(8000), MFCC(8000), MuLawEncoding()]
RANDOM = [RandomCrop(800), TimeShift(), SpeedPerturbation(), Gain(), AddNoise()]
MASKS = [TimeMasking(20), FrequencyMasking(20)]
NOISE = np.random.default_rng(0).uniform(-1, 1, (2, 2400)).astype(np.float32)


def name(value):
    return type(value).__name__


@pytest.mark.parametrize("step", FIXED + RANDOM + MASKS, ids=name)
def test_ndarrays_give_the_same_values_as_numpy_arrays(step):
    entropy = ((1, 2),) if step.random else ()
    expected = step(NOISE, *entropy)
    found = step(nd.array(NOISE), *entropy)
    assert isinstance(expected, np.ndarray) and isinstance(found, nd.NDArray)
    assert found.context == mx.cpu() and found.dtype == expected.dtype
    np.testing.assert_array_equal(found.asnumpy(), expected)


@pytest.mark.parametrize("step", FIXED + RANDOM + MASKS, ids=name)
def test_inputs_are_not_changed_and_results_are_float32_or_integers(step):
    x = NOISE.copy()
    x.setflags(write=False)
    y = step(x)
    assert y.dtype == (np.int32 if isinstance(step, MuLawEncoding) else np.float32)
    np.testing.assert_array_equal(x, NOISE)


@pytest.mark.parametrize("step", FIXED + RANDOM, ids=name)
@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((2, 0), np.float32), "no samples"),
        (np.zeros((2, 2, 0), np.float32), "no samples"),
        (np.array([0.1, np.nan]), "NaN"),
        (np.full((2, 2, 3), np.inf), "infinite"),
        (np.array([1e300, 0]), "infinite"),
        (np.float32(1), "shape"),
        (np.array(["a"]), "floats"),
    ],
    ids=["empty", "empty channels", "empty batch", "NaN", "infinite", "beyond float32", "a number", "text"],
)
def test_bad_samples_are_refused(step, x, reason):
    with pytest.raises(InvalidAudioError, match=reason):
        step(x)


@pytest.mark.parametrize("step", MASKS, ids=name)
@pytest.mark.parametrize("x", [np.zeros(5), np.zeros((0, 5)), np.array([["a"]])], ids=["samples", "empty", "text"])
def test_arrays_that_are_not_spectrograms_are_refused(step, x):
    with pytest.raises(InvalidAudioError, match="spectrogram"):
        step(x)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Load(sr=0), "sr"),
        (lambda: Load(sr=8000.5), "sr"),
        (lambda: Resample(0, 8000), "orig_sr"),
        (lambda: Resample(8000, float("nan")), "target_sr"),
        (lambda: Scale(0), "scale_factor"),
        (lambda: Scale(float("inf")), "scale_factor"),
        (lambda: PadTrim(0), "max_len"),
        (lambda: PadTrim(3, fill_value="0"), "fill_value"),
        (lambda: MEL(n_fft=1), "n_fft"),
        (lambda: MEL(n_mfcc=13), "n_mfcc"),
        (lambda: MFCC(window="none"), "window"),
        (lambda: MFCC(bands=3), "bands"),
        (lambda: Features("log_mel"), "config"),
        (lambda: MuLawEncoding(1), "n_quantize"),
        (lambda: MuLawDecoding("256"), "n_quantize"),
        (lambda: RandomCrop(2.5), "size"),
        (lambda: TimeShift(1.1), "max_shift"),
        (lambda: TimeShift(-0.1), "max_shift"),
        (lambda: SpeedPerturbation(1.2, 0.8), "min_speed"),
        (lambda: SpeedPerturbation(0, 1), "min_speed"),
        (lambda: Gain(3, -3), "min_db"),
        (lambda: Gain(None, 3), "min_db"),
        (lambda: AddNoise(max_snr=float("inf")), "max_snr"),
        (lambda: AddNoise(10, 5), "min_snr"),
        (lambda: TimeMasking(-1), "max_width"),
        (lambda: FrequencyMasking(3, masks=0), "masks"),
        (lambda: FrequencyMasking(3, value="mean"), "value"),
        (lambda: Gain(seed=-1), "seed"),
        (lambda: Gain(seed=0.5), "seed"),
        (lambda: Compose([None]), "transforms"),
        (lambda: ToImage(1), "time_axis"),
        (lambda: Repeat(0), "n"),
        (lambda: ExtractFeatures(None), "config"),
    ],
)
def test_wrong_arguments_are_named(make, argument):
    with pytest.raises(ParameterError, match=rf"\b{argument}\b"):
        make()


# -- Compose


def test_compose_of_nothing_is_identity():
    for x in (NOISE, "a path", None):
        assert Compose([])(x) is x
    assert Compose([])(NOISE, (1, 2)) is NOISE


STEPS = [Scale(2), PadTrim(1000), MuLawEncoding(), Stereo2Mono(), np.negative]


@given(st.lists(st.sampled_from([0, 1, 3, 4]), max_size=6), st.integers(0, 6))
def test_compose_is_associative(order, cut):
    steps = [STEPS[i] for i in order]
    flat = Compose(steps)(NOISE)
    nested = Compose([Compose(steps[:cut]), Compose(steps[cut:])])(NOISE)
    np.testing.assert_array_equal(flat, nested)


def test_compose_takes_any_callable():
    steps = Compose([Load(sr=8000), np.negative, gluon.nn.Lambda(lambda x: x * 2)])
    assert steps.takes_source and not steps.random and steps.key is None
    np.testing.assert_allclose(steps((NOISE[0], 8000)), -2 * NOISE[0])
    assert not Compose([Scale(2)]).takes_source
    assert Compose([Scale(2), Compose([Gain()])]).random


def test_transforms_with_the_same_seed_draw_differently_by_their_position():
    steps = Compose([RandomCrop(1, seed=1), np.copy]), Compose([np.copy, RandomCrop(1, seed=1)])
    x = np.arange(1e6)
    assert len({step(x, (3, 4)).item() for step in steps}) == 2
    for entropy in ((), ((0, 0),)):
        draws = []
        recorders = [Recorder(draws, seed=1) for _ in range(4)]
        Compose([*recorders[:2], Compose(recorders[2:])])(x, *entropy)
        assert len(set(draws)) == 4


class Recorder(RandomTransform):
    """Transform that records its draws."""

    def __init__(self, draws, seed):
        super().__init__(seed, draws=draws)

    def apply(self, x, rng):
        self.draws.append(rng.random())
        return x


# -- random draws


@pytest.mark.parametrize(
    "make", [RandomCrop, TimeShift, SpeedPerturbation, Gain, AddNoise, TimeMasking, FrequencyMasking]
)
def test_entropy_determines_the_result_in_any_order_and_thread(make):
    size = {RandomCrop: 100, TimeMasking: 100, FrequencyMasking: 60}.get(make)
    rows = 120 if make is FrequencyMasking else 2
    x = np.random.default_rng(1).standard_normal((rows, 1200)).astype(np.float32)

    def step(seed):
        made = make(seed=seed) if size is None else make(size, seed=seed)
        return Compose([Scale(3), made, np.negative])

    entropies = [(epoch, index) for epoch in range(3) for index in range(20)]
    one_by_one = {entropy: step(5)(x, entropy).tobytes() for entropy in entropies}
    shared = step(5)
    shuffled = [entropies[i] for i in np.random.default_rng(2).permutation(len(entropies))]
    with ThreadPoolExecutor(8) as pool:
        in_threads = dict(zip(shuffled, pool.map(lambda entropy: shared(x, entropy).tobytes(), shuffled)))
    assert in_threads == one_by_one
    assert len(set(one_by_one.values())) > 40  # TimeShift has 241 results, so that some of 60 agree
    assert step(6)(x, (0, 0)).tobytes() != one_by_one[0, 0]


def test_without_entropy_calls_are_counted():
    first, second = Gain(seed=3), Gain(seed=3)
    gains = [first(NOISE).tobytes() for _ in range(10)]
    assert gains == [second(NOISE).tobytes() for _ in range(10)] and len(set(gains)) == 10


def test_calls_from_threads_are_counted_once():
    gain, again = Gain(seed=3), Gain(seed=3)
    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(lambda _: gain(np.ones(1)).item(), range(200)))
    assert found == sorted(again(np.ones(1)).item() for _ in range(200))


def test_generators_give_one_seed_each_time_and_none_is_another_seed_each_time():
    def gains(seed_of):
        return [Gain(seed=seed_of())(np.ones(1), (0,)).item() for _ in range(3)]

    first, second = np.random.default_rng(7), np.random.default_rng(7)
    assert gains(lambda: first) == gains(lambda: second)
    assert len(set(gains(lambda: first))) == 3
    assert len(set(gains(lambda: None))) == 3


# -- keys


def test_equal_parameters_have_equal_keys_however_written():
    assert Scale(np.float64(2)).key == Scale(2.0).key == Scale(2).key
    assert PadTrim(np.int64(5)).key == PadTrim(5.0).key == PadTrim(5, fill_value=0.0).key
    assert MEL(22050, htk=False).key == MelSpectrogram().key
    assert Features(AudioFeatureConfig()).key == AudioFeatureConfig().key()


def test_a_key_follows_its_parameters():
    step = PadTrim(5)
    before, step.max_len = step.key, 6
    assert step.key != before and step.key == PadTrim(6).key


def test_random_and_foreign_transforms_have_no_key():
    class Doubled(Scale):  # its code may change under the same name
        pass

    class OtherMEL(MEL):
        pass

    for step in [*RANDOM, *MASKS, Doubled(2), OtherMEL(), Compose([Scale(2), np.negative]), Compose([Gain()])]:
        assert step.key is None


# -- in Gluon


def test_in_gluons_own_compose():
    steps = gluon.data.vision.transforms.Compose(
        [Scale(2), Gain(6, 6), PadTrim(2000), gluon.nn.Lambda(lambda x: x + 1)]
    )
    found = steps(nd.array(NOISE))
    np.testing.assert_allclose(found.asnumpy(), NOISE[:, :2000] / 2 * 10**0.3 + 1, rtol=1e-6)
    with pytest.raises(InvalidAudioError):
        steps(nd.array([np.nan]))


@pytest.mark.parametrize("workers", [{"num_workers": 0}, {"num_workers": 2, "thread_pool": True}], ids=str)
@pytest.mark.parametrize("lazy", [True, False])
def test_transform_first_and_gluons_loader(workers, lazy):
    sounds = [np.full(10 + i, i, np.float32) for i in range(7)]
    dataset = gluon.data.SimpleDataset(list(zip(sounds, range(7))))
    dataset = dataset.transform_first(Compose([PadTrim(12), Scale(2), Gain(0, 0)]), lazy=lazy)
    batches = list(gluon.data.DataLoader(dataset, batch_size=3, **workers))
    assert [x.shape for x, _ in batches] == [(3, 12), (3, 12), (1, 12)]
    labels = np.concatenate([y.asnumpy() for _, y in batches])
    assert labels.tolist() == list(range(7))
    np.testing.assert_array_equal(np.concatenate([x.asnumpy() for x, _ in batches])[:, 0], labels / 2)


def test_public_names_exist_and_have_docstrings():
    for public in transforms.__all__:
        assert getattr(transforms, public).__doc__, public
    assert issubclass(Compose, gluon.Block) and issubclass(Gain, Transform)


def test_reprs_are_one_line():
    assert repr(Compose([Scale(2), Gain(0, 1)])) == "Compose([Scale(scale_factor=2.0), Gain(min_db=0.0, max_db=1.0)])"
    for step in [*FIXED, *RANDOM, *MASKS, Features(AudioFeatureConfig()), ExtractFeatures(AudioFeatureConfig())]:
        assert "\n" not in repr(step) and len(repr(step)) < 100
    config = AudioFeatureConfig(type="mfcc", sr=8000, n_mfcc=13)
    assert repr(Features(config)) == "Features(type='mfcc', sr=8000, n_mfcc=13)"
    assert repr(MFCC(8000, n_mfcc=13)).startswith("MFCC(sr=8000, ")
