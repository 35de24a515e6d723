"""Tests of recurrent layers and the recurrent encoder against float64 in NumPy."""

import numpy as np
import pytest
from scipy.special import expit

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import RNN
from mxnet_audio.nn.sequence.base import REDUCTIONS
from mxnet_audio.nn.sequence.rnn import GATES, ForgetGateBias, Recurrence
from tests.nn.sequence.encoder_checks import (
    assert_gradients,
    assert_onnx_gives_the_same,
    assert_padding_does_not_count,
    behind,
    learned,
    outputs,
    random_block,
)

BANDS, STEPS, STATE = 3, 6, 4
LENGTHS = np.array([6, 1, 4])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
TINY = {"state_size": STATE, "num_layers": 2}
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]
BAD = [
    ({"cell_type": "lsmt"}, r"cell_type.*lstm\?"),
    ({"activation": "sigmoid"}, "activation of rnn must be one of tanh, relu"),
    ({"cell_type": "gru", "activation": "relu"}, "activation of gru must be one of tanh"),
    ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation must be one of sigmoid"),
    ({"num_layers": 0}, "num_layers"),
    ({"state_size": 0.5}, "state_size"),
    ({"bidirectional": 1}, "bidirectional"),
    ({"use_bias": "no"}, "use_bias"),
    ({"unit_forget_bias": None}, "unit_forget_bias"),
    ({"dropout": 1}, "dropout"),
    ({"recurrent_dropout": -0.1}, "recurrent_dropout"),
    ({"recurrent_initializer": "orthogonl"}, r"recurrent_initializer.*orthogonal\?"),
    ({"use_bias": False, "bias_initializer": "orthogonal"}, "bias_initializer"),
    ({"fc_activation": "rleu"}, r"^fc_activation.*relu"),
    ({"fc_dropout": 1}, "^fc_dropout"),
    ({"fc_layers": [{}], "num_fc_layers": 1}, "fc_layers and num_fc_layers"),
    ({"fc_layers": [{"size": 1}]}, r"fc_layers\[0\]"),
    ({"num_fc_layers": -1}, "num_fc_layers"),
    ({"reduce_output": "first"}, "reduce_output"),
]


def run_cell(values, prefix, cell_type, activation, x):
    """Return the states of one direction [shape=(steps, STATE)] after each step of one sequence."""
    of_input, of_state = values[f"{prefix}.i2h_weight"], values[f"{prefix}.h2h_weight"]
    input_bias, state_bias = values.get(f"{prefix}.i2h_bias", 0), values.get(f"{prefix}.h2h_bias", 0)
    act = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}[activation]
    h, c, states = np.zeros(STATE), np.zeros(STATE), []
    for step in x:
        parts, more = (np.split(z, GATES[cell_type]) for z in (of_input @ step + input_bias, of_state @ h + state_bias))
        if cell_type == "gru":
            reset, update = (expit(parts[gate] + more[gate]) for gate in (0, 1))
            h = (1 - update) * act(parts[2] + reset * more[2]) + update * h
        elif cell_type == "lstm":
            enter, forget, new, leave = (part + other for part, other in zip(parts, more))
            c = expit(forget) * c + expit(enter) * act(new)
            h = expit(leave) * act(c)
        else:
            h = act(parts[0] + more[0])
        states.append(h)
    return np.array(states)


def recurrence(values, cell_type, activation, num_layers, x, ends=False, prefix=""):
    """Return the outputs of all layers for one sequence."""
    both = f"{prefix}backward_layers.0.i2h_weight" in values
    for layer in range(num_layers):
        outputs = [run_cell(values, f"{prefix}forward_layers.{layer}", cell_type, activation, x)]
        if both:
            back = run_cell(values, f"{prefix}backward_layers.{layer}", cell_type, activation, x[::-1])
            outputs.append(back if ends and layer == num_layers - 1 else back[::-1])
        x = np.concatenate(outputs, axis=1)
    return x


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize(("cell_type", "activation"), CELLS)
def test_layers_of_each_cell(cell_type, activation, num_layers, bidirectional, ends):
    block = Recurrence(
        BANDS,
        cell_type=cell_type,
        activation=activation,
        num_layers=num_layers,
        state_size=STATE,
        bidirectional=bidirectional,
        ends=ends,
    )
    values = random_block(block)
    wanted = np.zeros((3, STEPS, block.output_dim))
    for row, (x, length) in enumerate(zip(X, LENGTHS)):
        wanted[row, :length] = recurrence(values, cell_type, activation, num_layers, x[:length], ends)
    for hybridize in (False, True):
        block.hybridize(hybridize)
        for value in (0, 1e6):
            got, _ = block(nd.array(behind(X, LENGTHS, value)), nd.array(LENGTHS))
            np.testing.assert_allclose(got.asnumpy(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_learned_step_changes_the_next_output(hybridize):
    """MXNet keeps weights of recurrent layers in another order, which must follow what is learned."""
    block = Recurrence(BANDS, cell_type="lstm", state_size=STATE, bidirectional=True)
    random_block(block)
    block.hybridize(hybridize)
    trainer = gluon.Trainer(block.collect_params(), "sgd", {"learning_rate": 0.5})
    for _ in range(2):
        block(nd.array(X), nd.array(LENGTHS))
        with autograd.record():
            loss = block(nd.array(X), nd.array(LENGTHS))[0].square().sum()
        loss.backward()
        trainer.step(1)
    values = {name: one.data().asnumpy() for name, one in block._collect_params_with_prefix().items()}
    found, _ = outputs(block, X, LENGTHS)
    np.testing.assert_allclose(found[0], recurrence(values, "lstm", "tanh", 1, X[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("cell_type", GATES)
def test_numbers_of_parameters(cell_type, use_bias, bidirectional):
    block = RNN(
        BANDS, STEPS, cell_type=cell_type, use_bias=use_bias, bidirectional=bidirectional, num_fc_layers=1, **TINY
    )
    directions, gates = 1 + bidirectional, GATES[cell_type]
    biases = 2 * STATE * use_bias
    first = gates * (STATE * BANDS + STATE * STATE + biases)
    second = gates * (STATE * directions * STATE + STATE * STATE + biases)
    dense = directions * STATE * 256 + 256 * use_bias
    assert sum(learned(block).values()) == directions * (first + second) + dense
    assert block.output_dim == 256


def test_defaults():
    block = RNN(80, 375)
    assert block.output_dim == 256
    assert sum(learned(block).values()) == 256 * 80 + 256 * 256 + 2 * 256


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("reduce_output", REDUCTIONS, ids=str)
def test_reductions(reduce_output, bidirectional):
    block = RNN(BANDS, STEPS + 1, bidirectional=bidirectional, reduce_output=reduce_output, **TINY)
    values, dim = random_block(block), block.body.output_dim
    reduce = {
        "sum": lambda x: x.sum(axis=0),
        "mean": lambda x: x.mean(axis=0),
        "avg": lambda x: x.mean(axis=0),
        "max": lambda x: x.max(axis=0),
        "last": lambda x: np.concatenate([x[-1, :STATE], x[0, STATE:]]),  # the last state of each direction
        "concat": lambda x: np.pad(x.ravel(), (0, (STEPS + 1 - len(x)) * dim)),
        None: lambda x: np.pad(x, ((0, STEPS - len(x)), (0, 0))),
    }[reduce_output]
    states = [recurrence(values, "rnn", "tanh", 2, x[:length], prefix="body.") for x, length in zip(X, LENGTHS)]
    found, *lengths = outputs(block, X, LENGTHS)
    np.testing.assert_allclose(found, [reduce(one) for one in states], rtol=1e-5, atol=1e-5)
    if reduce_output is None:
        np.testing.assert_array_equal(lengths[0], LENGTHS)
        assert (block.output_dim, block.output_steps) == (dim, STEPS + 1)
    else:
        assert not lengths and block.output_dim == found.shape[1]


@pytest.mark.parametrize("reduce_output", REDUCTIONS, ids=str)
def test_padding_does_not_count(reduce_output):
    block = RNN(BANDS, STEPS, cell_type="gru", bidirectional=True, reduce_output=reduce_output, **TINY)
    random_block(block)
    assert_padding_does_not_count(block, X, LENGTHS)


@pytest.mark.parametrize(("cell_type", "activation"), CELLS)
def test_padding_does_not_count_with_any_cell(cell_type, activation):
    block = RNN(BANDS, STEPS, cell_type=cell_type, activation=activation, num_fc_layers=1, **TINY)
    random_block(block)
    assert_padding_does_not_count(block, X, LENGTHS)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"use_bias": False}], ids=str)
@pytest.mark.parametrize(("cell_type", "activation"), CELLS)
def test_gradients(cell_type, activation, options):
    block = RNN(
        BANDS, STEPS, cell_type=cell_type, activation=activation, num_fc_layers=1, output_size=5, **options, **TINY
    )
    random_block(block)
    # MXNet computes the activation relu in float32, in a network in float64, too.
    assert_gradients(block, X, LENGTHS, *((1e-3, 1e-2) if activation == "relu" else ()))


def test_states_that_grow_behind_the_end_have_finite_gradients():
    growing = {"recurrent_initializer": {"type": "constant", "value": 2}, "weights_initializer": "ones"}
    block = RNN(BANDS, 200, activation="relu", bidirectional=True, **growing, **TINY)
    block.initialize()
    x = np.full((1, 200, BANDS), 1, np.float32)
    found = []
    for steps in (3, 200):
        with autograd.record():
            output = block(nd.array(x[:, :steps]), nd.array([3]))
        output.backward()
        gradients = [one.grad().asnumpy().ravel() for one in block.collect_params().values()]
        found.append(np.concatenate([output.asnumpy().ravel(), *gradients]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"bidirectional": True, "dropout": 0.5, "recurrent_dropout": 0.5},
        {"use_bias": False, "reduce_output": "concat"},
        {"bidirectional": True, "fc_layers": [{"output_size": 3, "norm": "layer"}], "reduce_output": "max"},
    ],
    ids=["dropout", "no bias", "layers"],
)
@pytest.mark.parametrize(("cell_type", "activation"), CELLS)
def test_onnx(cell_type, activation, options):
    block = RNN(BANDS, STEPS, cell_type=cell_type, activation=activation, **options, **TINY)
    random_block(block)
    assert_onnx_gives_the_same(block, X, LENGTHS)


def test_values_before_training():
    mx.random.seed(0)
    bias = {"type": "constant", "value": 0.25}
    block = RNN(BANDS, STEPS, cell_type="lstm", bias_initializer=bias, state_size=8)
    block.initialize()
    (layer,) = block.body.forward_layers
    of_state, first, second = (getattr(layer, name).data().asnumpy() for name in ("h2h_weight", "i2h_bias", "h2h_bias"))
    np.testing.assert_allclose(of_state.T @ of_state, np.eye(8), atol=1e-5)
    np.testing.assert_array_equal(first, np.repeat(np.float32([0.25, 1, 0.25, 0.25]), 8))
    assert not second.any()
    limit = (6 / (BANDS + 32)) ** 0.5
    assert 0.8 * limit < np.abs(layer.i2h_weight.data().asnumpy()).max() <= limit
    for options in ({"unit_forget_bias": False}, {"cell_type": "gru"}):
        block = RNN(BANDS, STEPS, **{"cell_type": "lstm", "bias_initializer": "zeros", "state_size": 8, **options})
        block.initialize()
        assert not block.body.forward_layers[0].i2h_bias.data().asnumpy().any()
    again = mx.init.create(ForgetGateBias(mx.init.Constant(3).dumps()).dumps())
    array = nd.zeros((8,))
    again._init_weight("bias", array)
    np.testing.assert_array_equal(array.asnumpy(), [3, 3, 1, 1, 3, 3, 3, 3])


def test_dropout_of_outputs_and_of_states():
    mx.random.seed(0)
    ones = nd.ones((1, 200, 1))
    block = Recurrence(1, state_size=20, dropout=0.25)
    random_block(block)
    with autograd.record():
        found = block(ones, nd.array([200]))[0].asnumpy()
    assert 0.2 < (found == 0).mean() < 0.3
    assert (outputs(block, ones.asnumpy(), [200])[0] != 0).all()  # not in prediction

    values = {"weights_initializer": "zeros", "recurrent_initializer": "ones", "bias_initializer": "ones"}
    block = Recurrence(1, activation="relu", state_size=20, recurrent_dropout=0.5, **values)
    block.initialize()
    with autograd.record():
        first, second = block(ones[:, :2], nd.array([2]))[0].asnumpy()[0]
    kept = (second - 1) / 2  # each number of the state that is kept counts twice
    assert (first == 1).all() and kept[0] == round(kept[0]) and 2 < kept[0] < 18 and (kept == kept[0]).all()


@pytest.mark.parametrize(("parameters", "message"), BAD, ids=[next(iter(parameters)) for parameters, _ in BAD])
def test_bad_parameters(parameters, message):
    with pytest.raises(ParameterError, match=message):
        RNN(BANDS, STEPS, **parameters)
