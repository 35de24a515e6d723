"""Tests of recurrent layers and the recurrent encoder against float64 in NumPy."""

import numpy as np
import pytest
from scipy.special import expit

from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence.rnn import GATES, Recurrence

BANDS, STEPS, STATE = 3, 6, 4
LENGTHS = np.array([6, 1, 4])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]


def random_block(block):
    """Set all parameters of a block to random numbers, and return them by name, as float64."""
    block.initialize()
    rng = np.random.default_rng(1)
    parameters = block._collect_params_with_prefix()
    for name in sorted(parameters):
        parameters[name].set_data(nd.array(rng.normal(0, 0.5, parameters[name].shape)))
    return {name: parameter.data().asnumpy().astype(np.float64) for name, parameter in parameters.items()}


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


def behind(x, lengths, value):
    """Return sequences with another value behind their ends."""
    within = np.arange(x.shape[1]) < np.asarray(lengths)[:, None]
    return np.where(within[..., None], x, np.float32(value))


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
