"""State of a network and its optimizer as NumPy arrays, for checkpoints."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import numpy as np
import safetensors.numpy

import mxnet_audio
from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import ModelError

__all__ = [
    "Tensors",
    "check_shapes",
    "decode_tensors",
    "encode_tensors",
    "get_optimizer",
    "get_parameters",
    "set_optimizer",
    "set_parameters",
    "versions",
]

Tensors = dict[str, np.ndarray]


def versions() -> dict[str, str]:
    """Return the versions of this package and of those that its results depend on, which are saved with models."""
    return {
        "mxnet_audio": mxnet_audio.__version__,
        "mxnet": mx.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def get_parameters(net: gluon.Block) -> Tensors:
    """Copy a network's parameters, with the running statistics of its norms, by their names within the network."""
    # After a first inference MXNet converts weights to oneDNN's layout asynchronously; a copy made meanwhile is in both
    # layouts, half and half (1 in 100 of immediate copies).
    nd.waitall()
    return {name: p.data(p.list_ctx()[0]).asnumpy() for name, p in net._collect_params_with_prefix().items()}


def check_shapes(net: gluon.Block, tensors: Tensors) -> None:
    """Check, before a network gets memory, that all of its parameters are among tensors.

    Raises
    ------
    ModelError
        If a parameter is missing or has another shape.
    """
    for name, parameter in net._collect_params_with_prefix().items():
        if name not in tensors or tensors[name].shape != tuple(parameter.shape):
            found = f"is {tensors[name].shape}" if name in tensors else "is missing"
            raise ModelError(f"parameters of another network: {name} {found}, not {tuple(parameter.shape)}")


def set_parameters(net: gluon.Block, tensors: Tensors, ctx: mx.Context | None = None) -> None:
    """Set the parameters of a network, which may have none yet.

    Parameters
    ----------
    net : gluon.Block
        Network whose parameters have known shapes.
    tensors : dict of str to np.ndarray
        All parameters, by their names within the network.
    ctx : mxnet.Context, optional
        Device of the parameters, if there are none yet; by default the CPU.

    Raises
    ------
    ModelError
        If names, shapes or types differ, since they are those of another network.
    """
    parameters = net._collect_params_with_prefix()
    if unmatched := sorted(parameters.keys() ^ tensors.keys()):
        raise ModelError(f"parameters of another network: {unmatched[0]} is in one only")
    check_shapes(net, tensors)
    for name, parameter in parameters.items():
        if tensors[name].dtype != parameter.dtype:
            raise ModelError(f"parameters of another network: {name} is {tensors[name].dtype}, not float32")
    for name, parameter in parameters.items():
        parameter._load_init(nd.array(tensors[name], dtype=tensors[name].dtype), ctx)


def get_optimizer(trainer: gluon.Trainer) -> Tensors:
    """Copy the state of the optimizer: moments and number of updates of each parameter.

    `gluon.Trainer.save_states` writes Python objects, which may run code when they are read; arrays cannot.
    """
    updater = trainer._updaters[0]
    optimizer = updater.optimizer
    tensors = {"num_update": np.array([optimizer.num_update])}
    for index, count in optimizer._index_update_count.items():
        tensors[f"{index}.count"] = np.array([count])
    for index, state in updater.states.items():
        for part, value in enumerate(_parts(state)):
            tensors[f"{index}.{part}"] = value.asnumpy()
    return tensors


def set_optimizer(trainer: gluon.Trainer, tensors: Tensors) -> None:
    """Restore a state that `get_optimizer` copied."""
    updater = trainer._updaters[0]
    optimizer = updater.optimizer
    optimizer._set_current_context(trainer._params[0].list_ctx()[0].device_id)  # updates are counted by device
    optimizer.num_update = int(tensors["num_update"][0])
    parts: dict[int, dict[int, mx.nd.NDArray]] = {}
    for name, value in tensors.items():
        index, _, part = name.partition(".")
        if part == "count":
            optimizer._index_update_count[int(index)] = int(value[0])
        elif part:
            ctx = trainer._params[int(index)].list_ctx()[0]
            parts.setdefault(int(index), {})[int(part)] = nd.array(value, ctx=ctx, dtype=value.dtype)
    for index, state in parts.items():
        like = optimizer.create_state_multi_precision(index, trainer._params[index].list_data()[0])
        updater.states[index] = tuple(state[part] for part in sorted(state)) if isinstance(like, tuple) else state[0]
        updater.states_synced[index] = True


def encode_tensors(states: Mapping[str, Tensors]) -> bytes:
    """Return several states, by name, as bytes.

    Examples
    --------
    >>> decode_tensors(encode_tensors({"best": {"bias": np.ones(2)}}))
    {'best': {'bias': array([1., 1.])}}
    """
    tensors = {f"{name}/{part}": value for name, state in states.items() for part, value in state.items()}
    return safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in tensors.items()})


def decode_tensors(data: bytes) -> dict[str, Tensors]:
    """Return what `encode_tensors` encoded, except states without arrays."""
    states: dict[str, Tensors] = {}
    for name, value in safetensors.numpy.load(data).items():
        state, _, part = name.partition("/")
        states.setdefault(state, {})[part] = value
    return states


def _parts(state: tuple[nd.NDArray, ...] | nd.NDArray | None) -> tuple[nd.NDArray, ...]:
    """Return the arrays of a parameter's state: optimizers have several, one, or none."""
    if state is None:
        return ()
    return state if isinstance(state, tuple) else (state,)
