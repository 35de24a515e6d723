"""Tests of the losses against the formulas of their papers in float64 NumPy."""

import math

import numpy as np
import pytest

from mxnet_audio.engine import autograd, gluon, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn import get_loss, loss_names
from mxnet_audio.nn.loss import LOSSES, unit

CLASSES, DIM = 5, 7
LABEL = np.array([0, 0, 3, 1, 3, 3, 4, 0])  # no item of class 2, one of classes 1 and 4


def random_inputs(seed=0):
    """Make inputs of the losses, in float64 that float32 can represent exactly."""
    rng = np.random.default_rng(seed)
    embedding = rng.normal(0, 3, (len(LABEL), DIM)).astype(np.float32).astype(float)
    cosine = rng.uniform(-0.95, 0.95, (len(LABEL), CLASSES)).astype(np.float32).astype(float)
    cosine[np.arange(4), LABEL[:4]] = [-0.9, -0.3, 0.3, 0.9]  # on both sides of every threshold
    return {"scores": 4 * cosine, "cosine": cosine, "embedding": embedding}


def cross_entropy(scores, label):
    scores = scores - scores.max(-1, keepdims=True)
    return np.log(np.exp(scores).sum(-1)) - scores[np.arange(len(label)), label]


def softmax(scores, label):
    return cross_entropy(scores, label)


ADACOS_SCALE = max(math.sqrt(2) * math.log(CLASSES - 1), 4)  # arXiv 1905.00292


def norm_softmax(cosine, label, s=ADACOS_SCALE):
    return cross_entropy(s * cosine, label)


def am_softmax(cosine, label, m=0.35, s=ADACOS_SCALE):
    return cross_entropy(s * (cosine - m * np.eye(CLASSES)[label]), label)


def arc(cosine, label, m=0.5, s=64.0, easy_margin=True):
    moved = cosine.copy()
    for row, k in enumerate(label):
        c = cosine[row, k]
        if c > (0 if easy_margin else math.cos(math.pi - m)):
            moved[row, k] = math.cos(math.acos(c) + m)
        elif not easy_margin:
            moved[row, k] = c - m * math.sin(math.pi - m)
    return cross_entropy(s * moved, label)


def ring(scores, embedding, label, lamda=0.01, r=12.0):
    return cross_entropy(scores, label) + lamda / 2 * (np.linalg.norm(embedding, axis=1) - r) ** 2


def ge2e(embedding, label, w=10.0, b=-5.0):
    """Compute the loss utterance by utterance, as the paper does."""
    e = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    speakers, losses = sorted(set(label)), []
    for row, speaker in enumerate(label):
        others = (label == speaker) & (np.arange(len(label)) != row)
        if not others.any():
            losses.append(0.0)
            continue
        centroids = {k: e[others if k == speaker else label == k].mean(0) for k in speakers}
        s = {k: w * (e[row] @ c) / np.linalg.norm(c) + b for k, c in centroids.items()}
        losses.append(-s[speaker] + math.log(sum(math.exp(value) for value in s.values())))
    return np.array(losses)


CASES = [
    (softmax, {}),
    (norm_softmax, {}),
    (norm_softmax, {"s": 5}),
    (am_softmax, {}),
    (am_softmax, {"m": 0.1, "s": 64}),
    (arc, {}),
    (arc, {"easy_margin": False}),
    (arc, {"m": 1.2, "s": 10, "easy_margin": False}),
    (ring, {}),
    (ring, {"lamda": 1, "r_init": 3}),
    (ge2e, {}),
    (ge2e, {"w": 3, "b": 1}),
]


def make(formula, options):
    loss = get_loss(formula.__name__, classes=CLASSES, **options)
    loss.initialize()
    return loss


def expected_loss(formula, options):
    """Return the formula as a function of inputs and learned parameters."""
    return lambda *inputs, **learned: formula(
        *inputs, LABEL, **{("r" if name == "r_init" else name): value for name, value in (options | learned).items()}
    )


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize(("formula", "options"), CASES)
def test_losses_equal_the_formulas_within_1e_5(formula, options, kind, hybrid):
    loss = make(formula, options)
    if hybrid:
        loss.hybridize()
    inputs = [random_inputs()[name] for name in loss.inputs[:-1]]
    got = loss(*map(nd.array, inputs), nd.array(LABEL, dtype=kind))
    assert got.shape == (len(LABEL),) and got.dtype == np.float32
    want = expected_loss(formula, options)(*inputs)
    np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("formula", "options"), CASES)
def test_gradients_equal_finite_differences_within_1e_4(formula, options):
    loss = make(formula, options)
    inputs = [random_inputs(1)[name] for name in loss.inputs[:-1]]
    arrays = [nd.array(x) for x in inputs]
    for x in arrays:
        x.attach_grad()
    weights = np.random.default_rng(2).uniform(0.5, 1.5, len(LABEL))
    with autograd.record():
        total = (loss(*arrays, nd.array(LABEL)) * nd.array(weights)).sum()
    total.backward()

    def value(*moved, **learned):
        return weights @ expected_loss(formula, options)(*moved, **learned)

    step = 1e-6
    for position, x in enumerate(arrays):
        want = np.empty(x.shape)
        for element in np.ndindex(x.shape):
            ahead, back = ([y.copy() for y in inputs] for _ in range(2))
            ahead[position][element] += step
            back[position][element] -= step
            want[element] = (value(*ahead) - value(*back)) / (2 * step)
        np.testing.assert_allclose(x.grad.asnumpy(), want, rtol=1e-4, atol=1e-4 * np.abs(want).max())
    names = {"ring": {"r": ("radius", 12.0)}, "ge2e": {"w": ("scale", 10.0), "b": ("shift", -5.0)}}
    for name, (parameter, default) in names.get(formula.__name__, {}).items():
        value_at = options.get("r_init" if name == "r" else name, default)
        want = (value(*inputs, **{name: value_at + step}) - value(*inputs, **{name: value_at - step})) / (2 * step)
        # The shift is the same for all scores, so its gradient is rounding error alone.
        got = getattr(loss, parameter).grad().asscalar()
        assert got == pytest.approx(want, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
@pytest.mark.parametrize("name", loss_names())
def test_weights_scale_the_loss(name, shape, hybrid):
    plain, weighted = get_loss(name, classes=CLASSES), get_loss(name, classes=CLASSES, weight=0.25)
    inputs = [nd.array(random_inputs()[key]) for key in plain.inputs[:-1]] + [nd.array(LABEL)]
    sample_weight = np.linspace(0, 2, len(LABEL), dtype=np.float32)
    for loss in (plain, weighted):
        loss.initialize()
        loss.hybridize(hybrid)
    want = plain(*inputs).asnumpy()
    np.testing.assert_allclose(weighted(*inputs).asnumpy(), 0.25 * want, rtol=1e-6)
    weighted.hybridize(hybrid)
    got = weighted(*inputs, nd.array(sample_weight).reshape(shape))
    assert got.shape == (len(LABEL),)
    np.testing.assert_allclose(got.asnumpy(), 0.25 * want * sample_weight, rtol=1e-6)
    assert "weight=0.25" in repr(weighted) and "weight" not in repr(plain)


@pytest.mark.parametrize("name", ["am_softmax", "arc"])
@pytest.mark.parametrize("options", [{}, {"easy_margin": False}])
def test_margin_0_is_the_scaled_softmax(name, options):
    options = options if name == "arc" else {}
    cosine, label = nd.array(random_inputs()["cosine"]), nd.array(LABEL)
    plain = get_loss("norm_softmax", classes=CLASSES, s=20)(cosine, label)
    same = get_loss(name, classes=CLASSES, m=0, s=20, **options)(cosine, label)
    np.testing.assert_allclose(same.asnumpy(), plain.asnumpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("options", [{}, {"easy_margin": False}])
@pytest.mark.parametrize("name", ["norm_softmax", "am_softmax", "arc"])
def test_cosines_of_one_and_a_rounding_error_beyond_are_accepted(name, options, hybrid):
    loss = get_loss(name, classes=2, **(options if name == "arc" else {}))
    if hybrid:
        loss.hybridize()
    edges = [1.0, -1.0, 1 + 1e-6, -1 - 1e-6, 1 - 1e-7, -1 + 1e-7, 0.0]
    x = nd.array([[a, b] for a in edges for b in edges])
    x.attach_grad()
    with autograd.record():
        value = loss(x, nd.zeros(len(x)))
    value.backward()
    assert np.isfinite(value.asnumpy()).all() and np.isfinite(x.grad.asnumpy()).all()
    # cosines beyond 1 count as 1
    inside = loss(nd.clip(x, -1, 1), nd.zeros(len(x)))
    np.testing.assert_allclose(value.asnumpy(), inside.asnumpy(), rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("name", loss_names())
def test_half_precision_inputs_are_computed_in_single_precision(name):
    loss = get_loss(name, classes=CLASSES)
    loss.initialize()
    inputs = [nd.array(random_inputs()[key]).astype("float16") for key in loss.inputs[:-1]]
    for x in inputs:
        x.attach_grad()
    with autograd.record():
        value = loss(*inputs, nd.array(LABEL))
    value.backward()
    same = loss(*(x.astype("float32") for x in inputs), nd.array(LABEL))
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value.asnumpy(), same.asnumpy())
    assert all(x.grad.dtype == np.float16 and np.isfinite(x.grad.asnumpy()).all() for x in inputs)


@pytest.mark.parametrize("name", ["ring", "ge2e"])
def test_an_embedding_of_zeros_or_alone_of_its_class_has_finite_gradients(name):
    loss = get_loss(name, classes=3)
    loss.initialize()
    x = nd.zeros((5, 4))
    x[2] = nd.array([1, 2, 3, 4])
    x[3] = -x[2]  # their centroid is zero
    x.attach_grad()
    inputs = {"scores": nd.zeros((5, 3)), "embedding": x, "label": nd.array([0, 0, 1, 1, 2])}
    with autograd.record():
        value = loss(*(inputs[name] for name in loss.inputs))
    value.backward()
    assert np.isfinite(value.asnumpy()).all() and np.isfinite(x.grad.asnumpy()).all()
    if name == "ge2e":
        assert value.asnumpy()[4] == 0
    assert all(np.isfinite(p.grad().asnumpy()).all() for p in loss.collect_params().values())


def test_ge2e_of_a_batch_of_one_speaker_is_zero():
    loss = get_loss("ge2e", classes=3)
    loss.initialize()
    value = loss(nd.array(np.eye(4, 6)), nd.array([1, 1, 1, 1]))
    np.testing.assert_allclose(value.asnumpy(), np.zeros(4), atol=1e-5)


def test_the_scale_of_ge2e_stays_above_zero():
    loss = get_loss("ge2e", classes=CLASSES)
    loss.initialize()
    embedding = random_inputs()["embedding"]
    for learned in (-4.0, 0.0):
        loss.scale.set_data(nd.array([[learned]]))
        want = ge2e(embedding, LABEL, w=max(abs(learned), 1e-6))
        np.testing.assert_allclose(loss(nd.array(embedding), nd.array(LABEL)).asnumpy(), want, rtol=1e-5, atol=1e-5)


def test_the_radius_is_learned_without_weight_decay():
    loss = get_loss("ring", classes=2, lamda=1.0, r_init=1.0)
    loss.initialize()
    trainer = gluon.Trainer(loss.collect_params(), "sgd", {"learning_rate": 0.1, "wd": 1.0})
    for _ in range(200):
        with autograd.record():
            value = loss(nd.zeros((2, 2)), nd.array([[3, 4], [0, 5]]), nd.array([0, 1]))
        value.backward()
        trainer.step(2)
    assert loss.radius.data().asscalar() == pytest.approx(5, abs=1e-3)


@pytest.mark.filterwarnings("ignore:Cannot decide type")  # of inputs that are cast
@pytest.mark.parametrize("name", loss_names())
def test_losses_can_be_exported_as_symbols(name, tmp_path):
    loss = get_loss(name, classes=CLASSES)
    loss.initialize()
    loss.hybridize()
    inputs = [nd.array(random_inputs()[key]) for key in loss.inputs[:-1]] + [nd.array(LABEL)]
    want = loss(*inputs).asnumpy()
    loss.export(str(tmp_path / "loss"))
    names = ["data"] if len(inputs) == 1 else [f"data{i}" for i in range(len(inputs))]
    weights = str(tmp_path / "loss-0000.params") if loss.collect_params() else None
    read = gluon.SymbolBlock.imports(str(tmp_path / "loss-symbol.json"), names, weights)
    np.testing.assert_array_equal(read(*inputs).asnumpy(), want)


def test_inputs_and_heads():
    assert {name: (LOSSES[name].inputs, LOSSES[name].head) for name in loss_names()} == {
        "softmax": (("scores", "label"), "dense"),
        "norm_softmax": (("cosine", "label"), "cosine"),
        "am_softmax": (("cosine", "label"), "cosine"),
        "arc": (("cosine", "label"), "cosine"),
        "ring": (("scores", "embedding", "label"), "dense"),
        "ge2e": (("embedding", "label"), "cosine"),
    }


def test_repr_names_the_settings():
    assert repr(get_loss("arc", classes=9, s=32)) == repr(get_loss("arc", classes=9, s=32.0))
    assert repr(get_loss("arc", classes=9)) == "ArcLoss(classes=9, m=0.5, s=64.0, easy_margin=True)"
    assert repr(get_loss("arc", classes=1251, m=0.2, s=None)).startswith("ArcLoss(classes=1251, m=0.2, s=10.08")
    assert repr(get_loss("softmax", classes=9)) == "SoftmaxLoss(classes=9)"
    assert repr(get_loss("ring", classes=9)) == "RingLoss(classes=9, lamda=0.01, r_init=12.0)"
    assert repr(get_loss("ge2e", classes=9)) == "GE2ELoss(classes=9, w=10.0, b=-5.0)"


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("triplet", {"classes": 3}, "(?=.*am_softmax, arc, ge2e, norm_softmax, ring, softmax).*'triplet'"),
        (["arc"], {"classes": 3}, "arc"),
        ("arc", {"classes": 3, "margin": 1}, "margin.* classes, m, s, easy_margin"),
        ("arc", {}, "classes"),
        ("arc", {"classes": 1}, "classes .*2.* 1"),
        ("softmax", {"classes": "many"}, "classes .*'many'"),
        ("arc", {"classes": 3, "m": -0.1}, r"m .*0.* -0\.1"),
        ("arc", {"classes": 3, "m": 1.6}, r"m .*pi / 2.* 1\.6"),
        ("arc", {"classes": 3, "s": 0}, "s .*0.* 0"),
        ("arc", {"classes": 3, "weight": "heavy"}, "weight.*'heavy'"),
        ("arc", {"classes": 3, "batch_axis": 1}, "batch_axis.*1"),
        ("am_softmax", {"classes": 3, "m": "wide"}, "m .*'wide'"),
        ("am_softmax", {"classes": 3, "m": math.nan}, "m .*nan"),
        ("norm_softmax", {"classes": 3, "s": math.inf}, "s .*inf"),
        ("ring", {"classes": 3, "lamda": -1}, "lamda"),
        ("ring", {"classes": 3, "r_init": 0}, "r_init"),
        ("ge2e", {"classes": 3, "w": 0}, "w .*0"),
        ("ge2e", {"classes": 3, "b": math.inf}, "b .*inf"),
    ],
)
def test_a_bad_argument_is_named(name, options, match):
    with pytest.raises(ParameterError, match=match):
        get_loss(name, **options)


def test_unit_gives_vectors_of_length_one_and_keeps_zeros():
    got = unit(nd, nd.array([[3, 4], [0, 0], [1e-3, 0]])).asnumpy()
    np.testing.assert_allclose(got, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)
