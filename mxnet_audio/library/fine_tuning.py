"""Training run through the network of an encoder: of all of it, of some layers, or of adapters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mxnet_audio import training
from mxnet_audio.checks import iterable_argument
from mxnet_audio.data import AudioLoader
from mxnet_audio.data.batch_arrays import as_inputs
from mxnet_audio.engine import autograd
from mxnet_audio.errors import ParameterError
from mxnet_audio.inference.known_sounds import KnownSounds
from mxnet_audio.library.encoder_head import fit_head, group_numbers
from mxnet_audio.library.encoder_run import EncoderRun
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import SequenceNet
from mxnet_audio.nn.freezing import frozen
from mxnet_audio.nn.lora import TARGETS, check_lora
from mxnet_audio.pretrained import AudioEncoder

__all__ = ["FineTuningRun", "Lora"]


@dataclasses.dataclass(frozen=True)
class Lora:
    """Adapters of low rank beside dense layers of an encoder; the parameters are those of `nn.lora.add_lora`.

    Examples
    --------
    >>> Lora.of("lora") == Lora(rank=8, alpha=16.0, dropout=0.0, targets=("query", "value")), Lora.of({"rank": 4}).rank
    (True, 4)
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: Sequence[str] = TARGETS

    @classmethod
    def of(cls, adapter: Lora | Mapping[str, Any] | str) -> Lora:
        """Return the settings, given themselves, as a mapping, or 'lora' for the default ones.

        Raises
        ------
        ParameterError
            If they are of another type, or have other names.
        """
        if isinstance(adapter, cls):
            return adapter
        if adapter == "lora":
            return cls()
        names = [field.name for field in dataclasses.fields(cls)]
        settings = dict(adapter) if isinstance(adapter, Mapping) else {"adapter": adapter}
        if settings.pop("type", None) not in (None, "lora") or not settings.keys() <= {*names}:
            raise ParameterError(f"adapter must be 'lora', or a mapping of {', '.join(names)}, got {adapter!r}")
        return cls(**settings)

    def options(self) -> dict[str, Any]:
        """Return the arguments of `nn.lora.add_lora`, JSON-serializable."""
        return dataclasses.asdict(self) | {"targets": list(iterable_argument("targets", self.targets, "names"))}


class FineTuningRun(EncoderRun):
    """Training run through the network of an encoder, after its head was fitted to the vectors of the clips.

    The learning rates of the layers fall toward the first one, as the recipe sets it. The head, adapters and the
    learned sum of layers have the full rate. Networks that take inputs of any length (`SequenceNet`) are trained on the
    first window of a clip, in batches of similar length; where padding would count (``pads`` of the network is False),
    shorter clips of a batch are repeated.

    Parameters
    ----------
    encoder, head, *arguments
        See `EncoderRun`.
    trainable : bool
        True trains all layers that are not frozen; False only the head, and the learned sum of layers of the embedding
        'weighted'.
    freeze : int or sequence of str, optional
        Layers that are not trained, as for `training.frozen_names`. Default: those of the network's attribute
        ``frozen``, which for wav2vec2, HuBERT and WavLM is the convolutional feature extractor.
    adapter : Lora, mapping or 'lora', optional
        Adapters to train in place of the layers, see `Lora.of`.
    **options
        See `EncoderRun`.
    """

    def __init__(
        self,
        encoder: AudioEncoder,
        head: str,
        *arguments: Any,
        trainable: bool = True,
        freeze: int | Iterable[str] | None = None,
        adapter: Lora | Mapping[str, Any] | str | None = None,
        **options: Any,
    ):
        super().__init__(encoder, head, *arguments, **options)
        recipe, net = self.recipe, encoder.net
        if recipe.loss != "softmax":
            raise ParameterError(f"recipe: loss must be 'softmax' for a pretrained encoder, got {recipe.loss!r}")
        self.freeze = freeze if freeze is None or isinstance(freeze, int) else list(iterable_argument("freeze", freeze))
        self.adapter = None if adapter is None else Lora.of(adapter).options()
        self.trainable = trainable and adapter is None
        training.frozen_names(net, self.freeze, trainable=self.trainable)
        if self.adapter is not None:
            check_lora(net, **self.adapter)
        if isinstance(net, SequenceNet) and net.fixed_steps is None:
            if recipe.splice:
                raise ParameterError(f"recipe: splice must be 0 for inputs of different lengths, got {recipe.splice}")
            self.open_input = training.OpenInput(self.config, net.min_input, pads=net.pads)
            self.transforms = [self.open_input.load_window, self.open_input]

    def new_model(self, clips: training.Prepared) -> TrainedModel:
        """Make the network with the published weights, except the head, and with adapters, if there are any."""
        model = super().new_model(clips)
        if self.adapter is not None:
            model.add_lora(**self.adapter)
        return model

    def settings_of(self, clips: training.Prepared) -> dict:
        """Return the settings that must be the same for a run to be resumed, JSON-serializable."""
        part = {"trainable": self.trainable, "freeze": self.freeze, "adapter": self.adapter}
        # Runs of earlier versions lack these: left out where they are the default.
        changed = {name: value for name, value in part.items() if value is not (True if name == "trainable" else None)}
        return super().settings_of(clips) | {"encoder": self._encoder.model_id, "head": self.head} | changed

    def train(
        self,
        model: TrainedModel,
        clips: training.Prepared,
        progress: training.Progress,
        callbacks: Sequence[training.Callback],
        show: bool,
    ) -> None:
        """Fit the head, unless the run is resumed, and train the network; then measure the sounds that it knows."""
        leads = self.workers.rank == 0
        if leads and not progress.epochs:  # the others get the head from worker 0
            vectors, targets = self._embeddings(model, clips.train_plain)
            thresholds = model.thresholds
            fit_head(model, vectors, targets, group_numbers(clips.groups), self.settings)
            model.extras, model.thresholds = {}, thresholds  # the others belong to the network before its training
        with frozen(model.net, training.frozen_names(model.net, self.freeze, trainable=self.trainable)):
            super().train(model, clips, progress, callbacks, show)
        if leads and clips.test is not None and not clips.multi_label:
            vectors, targets = self._embeddings(model, clips.train_plain)
            known = KnownSounds.of(vectors, targets)
            held_out, _ = self._embeddings(model, clips.test)
            model.extras["known"] = KnownSounds.of(vectors, targets, known.scores(held_out)).to_tensors()
            model.save(self.model_dir, progress)

    def _embeddings(self, model: TrainedModel, loader: AudioLoader) -> tuple[np.ndarray, np.ndarray]:
        """Compute the embeddings [shape=(n, dim)] of clips, in order, and return the targets [shape=(n,)]."""
        vectors, targets = [], []
        for *inputs, labels in loader.take(range(loader.size), self.settings.batch_size):
            with autograd.predict_mode():
                vectors.append(model.net(*as_inputs(inputs, self.model_ctx))[1].asnumpy())
            targets.append(labels.asnumpy())
        return np.concatenate(vectors), np.concatenate(targets)
