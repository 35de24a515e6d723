"""Network of a declarative run with its columns and outputs, on a device: in training and in use."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from mxnet_audio.declarative.batches import Batch, EncodedTable
from mxnet_audio.declarative.columns import Columns
from mxnet_audio.declarative.config import COMBINED, RunConfig
from mxnet_audio.declarative.encoders import PretrainedEncoder
from mxnet_audio.declarative.network import make_network
from mxnet_audio.declarative.outputs import OUTPUTS, Output
from mxnet_audio.declarative.published import load_encoders
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.library.base_weights import BaseWeights
from mxnet_audio.models import SequenceNet
from mxnet_audio.nn.freezing import freeze
from mxnet_audio.nn.lora import add_lora
from mxnet_audio.pretrained import AudioEncoder
from mxnet_audio.training.layers import frozen_names
from mxnet_audio.training.state import Tensors, check_shapes, get_parameters, set_parameters

__all__ = ["FittedRun", "Record", "needs_memory"]

Measures = dict[str, dict[str, float]]  # by output and name
_NO_MEMORY = re.compile("bad_alloc|failed to allocate|out of memory", re.IGNORECASE)  # in the errors of MXNet


class Record:
    """Scores, targets and losses of rows, batch by batch.

    Parameters
    ----------
    outputs : sequence of Output
    """

    def __init__(self, outputs: Sequence[Output]):
        self._outputs = outputs
        self._count = 0
        self._parts: list[list[tuple[np.ndarray, np.ndarray, float]]] = [[] for _ in outputs]

    def add(self, batch: Batch, scores: Sequence[nd.NDArray], losses: Sequence[nd.NDArray]) -> None:
        """Add a batch: the scores [shape=(batch, units)] and losses [shape=(batch,)] of each output."""
        self._count += len(batch.rows)
        for output, parts, array, loss in zip(self._outputs, self._parts, scores, losses):
            parts.append((array.asnumpy(), batch.targets[output.name], float(loss.sum().asscalar())))

    def results(self) -> list[tuple[Output, np.ndarray, np.ndarray]]:
        """Return each output, its scores [shape=(n, units)] and its targets [shape=(n,) or (n, classes)]."""
        return [
            (output, np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))
            for output, parts in zip(self._outputs, self._parts)
        ]

    def measures(self) -> Measures:
        """Return the measures of each output, and the sum of all losses as the loss of ``combined``.

        Raises
        ------
        ModelError
            If a loss is NaN or infinite.
        """
        losses = np.array([sum(loss for _, _, loss in parts) for parts in self._parts]) / self._count
        if not np.isfinite(losses).all():
            raise ModelError("the loss is NaN or infinite: lower the learning rate; earlier checkpoints remain")
        measures = {
            output.name: {"loss": float(loss), **output.measures(scores, targets)}
            for (output, scores, targets), loss in zip(self.results(), losses)
        }
        total = sum(output.weight * loss for output, loss in zip(self._outputs, losses))
        return {**measures, COMBINED: {"loss": float(total)}}


@contextlib.contextmanager
def needs_memory(config: RunConfig) -> Iterator[None]:
    """Raise ModelError, which names the keys to change, if a batch does not fit in memory."""
    try:
        yield
    except (MemoryError, mx.MXNetError) as error:
        if isinstance(error, mx.MXNetError) and not _NO_MEMORY.search(str(error)):
            raise
        settings = config.trainer
        sizes = f"trainer.batch_size ({settings.batch_size}; of evaluations, eval_batch_size)"
        raise ModelError(
            f"not enough memory for a batch of rows: make {sizes} or preprocessing.audio_file_length_limit_in_s of the "
            "sounds smaller"
        ) from error


class FittedRun:
    """Network of a run with its columns and outputs, on a device. It can be pickled and copied.

    Parameters
    ----------
    config : RunConfig
    columns : Columns
    encoders : mapping of str to AudioEncoder
        Encoders with published weights, by the name of the input feature.
    model_ctx, data_ctx : mxnet.Context
        Device of the network, and device on which batches are put first.
    tensors : dict of str to np.ndarray, optional
        Parameters of the network, apart from those that are still the published ones. By default new ones, the same for
        the same ``random_seed``. Their shapes are compared before the network gets memory.

    Raises
    ------
    ModelError
        If the tensors are those of another network.
    ParameterError
        If the layers of an encoder do not fit its input, or it has no layers for its adapter.

    Attributes
    ----------
    outputs : list of Output
    network : RunNetwork
    base : BaseWeights or None
        Published weights of the encoders; None if none are trained or saved.
    """

    def __init__(
        self,
        config: RunConfig,
        columns: Columns,
        encoders: Mapping[str, AudioEncoder],
        *,
        model_ctx: mx.Context,
        data_ctx: mx.Context,
        tensors: Tensors | None = None,
    ):
        self.config, self.columns, self.encoders = config, columns, encoders
        self.model_ctx, self.data_ctx = model_ctx, data_ctx
        self.outputs = [OUTPUTS[feature.type](feature, columns[feature.name]) for feature in config.output_features]
        self.network = make_network(config, columns, self.outputs, encoders)
        self._roots = {config.shared_encoders[name]: encoders[name] for name in encoders}
        published = self.published()
        known = {**published, **(tensors or {})}
        if tensors is not None:
            check_shapes(self.network, known)
        else:
            mx.random.seed(config.random_seed)
        self.network.initialize(mx.init.Xavier(), ctx=model_ctx)
        for name, parameter in self.network._collect_params_with_prefix().items():
            if name in published:
                parameter.set_data(nd.array(published[name]))
        for name, net in self.network.nets.items():
            if name in self._roots:
                # In place of the encoder's own network, whose settings alone are needed and whose weights take memory.
                self._roots[name].__dict__.pop("_encoder", None)
                self._roots[name]._net = net
                _choose_trained(net, next(one.encoder for one in config.input_features if one.name == name))
        self.network.hybridize()
        is_saved = _saves_weights(config)
        self.base = BaseWeights(published, is_saved=is_saved) if self.network.nets or is_saved else None
        if tensors is not None:
            names = self.network._collect_params_with_prefix().keys()
            set_parameters(self.network, {name: value for name, value in known.items() if name in names})

    def __getstate__(self) -> dict[str, Any]:
        """Return what the run is made of, with the parameters as NumPy arrays in place of the network."""
        return {
            "config": self.config,
            "columns": self.columns,
            "encoders": {name: encoder.loaded for name, encoder in self._roots.items()},
            "devices": {"model_ctx": self.model_ctx, "data_ctx": self.data_ctx},
            "thresholds": [output.thresholds for output in self.outputs],
            "tensors": get_parameters(self.network),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the network again, on the same kind of device."""
        config, devices = state["config"], state["devices"]
        encoders = load_encoders(config, state["encoders"].get, **devices)
        self.__init__(config, state["columns"], encoders, tensors=state["tensors"], **devices)  # type: ignore[misc]
        for output, thresholds in zip(self.outputs, state["thresholds"]):
            output.thresholds = thresholds

    def prefix(self, name: str) -> str:
        """Return the prefix of the names of an encoder's published weights among `published`."""
        root = self.config.shared_encoders[name]
        net = self.network.nets.get(root)
        if net is None:
            return f"frozen.{list(self._roots).index(root)}."
        names = {id(parameter): name for name, parameter in self.network._collect_params_with_prefix().items()}
        own, parameter = next(iter(net._collect_params_with_prefix().items()))
        return names[id(parameter)].removesuffix(own)

    def published(self) -> Tensors:
        """Return the published weights: those of trained encoders by the names of the network's parameters."""
        return {
            f"{prefix}{key}": tensor
            for name, encoder in self._roots.items()
            for prefix in [self.prefix(name)]
            for key, tensor in encoder.loaded.tensors.items()
        }

    def put(self, batch: Batch) -> tuple[list[nd.NDArray], list[nd.NDArray]]:
        """Return the inputs and the targets of a batch, on the device of the network."""
        inputs = self.network.arrays_of(batch, self.data_ctx, self.model_ctx)
        targets = [nd.array(batch.targets[output.name], ctx=self.data_ctx) for output in self.outputs]
        return inputs, [array.as_in_context(self.model_ctx) for array in targets]

    def forward(
        self, table: EncodedTable, rows: Sequence[int], *, show: bool = False
    ) -> Generator[tuple[Batch, list[nd.NDArray]], None, None]:
        """Yield batches, and the outputs of the network for them: the scores of each output, and the vectors.

        Parameters
        ----------
        table : EncodedTable
        rows : sequence of int
        show : bool
            Show a progress bar.

        Raises
        ------
        ModelError
            If a batch does not fit in memory.
        """
        settings = self.config.trainer
        with (
            needs_memory(self.config),
            contextlib.closing(table.batches(rows, settings.eval_batch_size or settings.batch_size)) as stream,
            tqdm(total=len(rows), desc="predictions", unit="row", disable=not show) as bar,
        ):
            for batch in stream:
                with autograd.predict_mode():
                    outputs = self.network(*self.network.arrays_of(batch, self.data_ctx, self.model_ctx))
                for array in outputs:
                    array.wait_to_read()  # MXNet computes, and fails, later
                yield batch, outputs
                bar.update(len(batch.rows))

    def record(self, table: EncodedTable, rows: Sequence[int], *, show: bool = False) -> Record:
        """Compute scores and losses of rows that have targets; parameters and errors as of `forward`."""
        record = Record(self.outputs)
        for batch, (*scores, _) in self.forward(table, rows, show=show):
            _, targets = self.put(batch)
            record.add(batch, scores, [o.loss(y, t) for o, y, t in zip(self.outputs, scores, targets)])
        return record


def _saves_weights(config: RunConfig) -> bool:
    """Return whether published weights are saved with a run: if one encoder says so, or has random weights."""
    encoders = [one.encoder for one in config.input_features if isinstance(one.encoder, PretrainedEncoder)]
    return any(encoder.saved_weights_in_checkpoint or not encoder.use_pretrained for encoder in encoders)


def _choose_trained(net: SequenceNet, settings: Any) -> None:
    """Add the adapters of an encoder, or freeze the layers that are not trained."""
    if settings.adapter is not None:
        add_lora(net, **settings.adapter.lora())
    else:
        freeze(net, frozen_names(net))
