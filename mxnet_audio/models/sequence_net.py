"""Base of the networks with published weights that take sound of any length, up to a window, in one pass."""

from __future__ import annotations

from typing import Any, ClassVar

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.models.blocks import AudioNet
from mxnet_audio.models.encoder_net import MLP_UNITS, two_layers
from mxnet_audio.nn.reduce import LayerSum, Reduce
from mxnet_audio.weights.architecture import Architecture
from mxnet_audio.weights.embeddings import LAST_LAYER, REDUCTIONS, WEIGHTED, split_embedding

__all__ = ["SequenceNet"]


class SequenceNet(AudioNet):
    """Base of the networks with published weights that take sound of any length, up to a window, in one pass.

    The body computes a sequence of vectors for each of its layers. One of the sequences, or their learned sum, is
    reduced over time to the embedding. Inputs of different lengths are padded to one batch: what is behind the length
    of an input does not change its outputs. Scores and heads are as of `EncoderNet`; the head "tags" is that of the
    published weights, and takes what it was trained on, whatever the embedding is.

    A subclass defines the class attributes, `make_body` and, if it has published classes, `new_tags_head`.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head, in which case the scores are the embedding.
    input_shape : tuple of int [(1, bands, frames)]
        Shape of the longest input; of networks that take samples (1, 1, samples).
    head : str, optional
        Last layer, one of `heads`. Default: the first of them.
    embedding : str, optional
        Layer and reduction over time, see `split_embedding`. Default: the first of `reductions`, of the last layer.
    architecture : Architecture, optional
        Settings of the network. Default: those of `architecture_type`.

    Raises
    ------
    ParameterError
        If the network has no such head, layer or reduction, `input_shape` is too short, or `architecture` is that of
        another network.

    Attributes
    ----------
    architecture_type : type or None
        Class of the settings; None for networks that have none.
    architecture : Architecture or None
        Settings of the network.
    window : float [s]
        Longest sound in one pass; longer sound is cut into windows of this length.
    pads : bool
        Whether inputs of different lengths can be padded to one batch.
    min_input : int
        Smallest number of frames, or samples, of an input.
    fixed_steps : int or None
        Number of vectors in a sequence, of networks that take inputs of one length; None for others.
    reductions : tuple of str
        Possible reductions over time.
    dim : int
        Length of the vectors of a sequence.
    layers : int
        Number of the last layer.
    layer, reduction : int or str, and str
        Layer and reduction of this network's embedding.
    step : tuple of float [s] or None
        Time from one vector of a sequence to the next, and length of the sound that a vector represents; None if
        vectors represent the whole input.
    frozen : tuple of str
        Parts that fine-tuning does not change by default.
    """

    heads: tuple[str, ...] = ("dense", "mlp", "tags")
    standardizes = False
    reductions: ClassVar[tuple[str, ...]] = tuple(name for name in REDUCTIONS if name != "concat")
    window: float
    pads = True
    architecture_type: ClassVar[type[Architecture] | None] = None
    min_input = 1
    fixed_steps: int | None = None
    step: tuple[float, float] | None = None
    frozen: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        classes: int,
        input_shape: tuple[int, int, int],
        head: str | None = None,
        embedding: str | None = None,
        *,
        architecture: Architecture | None = None,
        **kwargs,
    ):
        super().__init__(classes, input_shape, head, **kwargs)
        self.architecture = self.settings(architecture)
        if not self.fits(self.input_shape) or self.input_shape[2] < self.min_input:
            raise ParameterError(f"input_shape must be {self.input_format}, got {self.input_shape}")
        if self.fixed_steps is not None and self.input_shape != self.longest_input(self.architecture):
            shape = self.longest_input(self.architecture)
            raise ParameterError(f"input_shape must be {shape} with these settings, got {self.input_shape}")
        self.embedding = self.reductions[0] if embedding is None else embedding
        layer, self.reduction = split_embedding(self.embedding, self.reductions)
        self.layer = self.layers if layer == LAST_LAYER else layer
        if self.layer != WEIGHTED and not 0 <= int(self.layer) <= self.layers:
            raise ParameterError(f"layer of embedding must be between 0 and {self.layers}, got {self.embedding!r}")
        with self.name_scope():
            has_tags = classes > 0 and self.head_name == "tags"
            self._sums_for_tags = has_tags and getattr(self.architecture, "use_weighted_layer_sum", False)
            self.body = self.make_body(self.layers if has_tags or self.layer == WEIGHTED else int(self.layer))
            self.layer_sum = LayerSum(self.layers + 1) if self._sums_for_tags or self.layer == WEIGHTED else None
            self.reduce = self.new_reduce()
            self.tags_reduce = self.new_tags_reduce() if has_tags else None
            joins = self.reduction == "concat" and not has_tags
            self.head = self.new_head(self.dim * (self.fixed_steps or 1) if joins else self.dim) if classes else None

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        return len(input_shape) == 3 and input_shape[0] == 1 and input_shape[2] >= cls.min_input

    @classmethod
    def settings(cls, architecture: Architecture | None) -> Any:
        """Return the settings of a network, by default those of its `architecture_type`."""
        expected = cls.architecture_type
        if expected is None:
            return None
        if architecture is not None and not isinstance(architecture, expected):
            raise ParameterError(f"architecture must be of type {expected.__name__}, got {architecture!r}")
        return architecture or expected.model_validate({})

    @classmethod
    def longest_input(cls, architecture: Architecture | None) -> tuple[int, int, int]:
        """Return the shape of an input that is as long as a window: (1, bands, frames)."""
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """Length of the vectors of a sequence."""
        raise NotImplementedError

    @property
    def layers(self) -> int:
        """Number of the last layer; 0 if there is one only."""
        return 0

    def make_body(self, layers: int) -> gluon.nn.HybridBlock:
        """Make the block from inputs and their lengths to a list: the lengths of the sequences, and all sequences.

        Parameters
        ----------
        layers : int
            Number of the last layer to compute: there are sequences 0 to `layers` [shape=(batch, steps, dim)].

        Returns
        -------
        HybridBlock
            Block that takes ``x`` [shape=(batch, 1, bands, frames)] and ``lengths`` [shape=(batch,)], in frames.
        """
        raise NotImplementedError

    def new_reduce(self) -> gluon.nn.HybridBlock:
        """Make the block from sequences and their lengths to the embedding."""
        # Networks whose sequences are one vector have a name of their own for it.
        return Reduce(self.reduction if self.reduction in REDUCTIONS else "mean")

    def new_tags_reduce(self) -> gluon.nn.HybridBlock:
        """Make the block from sequences and their lengths to the vectors that the published head takes."""
        return Reduce("mean")

    def new_tags_head(self, width: int) -> gluon.nn.HybridBlock:
        """Make the published last layers, for vectors of this length."""
        return gluon.nn.Dense(self.classes, in_units=width)

    def new_head(self, width: int) -> gluon.nn.HybridBlock:
        """Make the last layer or layers for embeddings of this length; call it within the network's name scope."""
        if self.head_name == "tags":
            return self.new_tags_head(width)
        if self.head_name != "mlp":
            return super().new_head(width)
        return two_layers(width, MLP_UNITS, self.classes, "relu")

    def forward(self, x, lengths=None):
        """Check the inputs, and compute.

        Parameters
        ----------
        x : NDArray [shape=(batch, 1, bands, frames)]
            Inputs, padded to the same number of frames.
        lengths : NDArray [shape=(batch,)], optional
            Number of frames of each input; by default all.

        Returns
        -------
        scores : NDArray [shape=(batch, classes)]
        embedding : NDArray [shape=(batch, dim)]
        """
        if isinstance(x, nd.NDArray):
            lengths = self._checked(x, lengths)
        return super().forward(x, lengths)

    def _checked(self, x: nd.NDArray, lengths: nd.NDArray | None) -> nd.NDArray:
        """Check the shape of inputs, and return their lengths."""
        bands, smallest = self.input_shape[1], self.min_input
        if self.fixed_steps is not None and x.shape[1:] != self.input_shape:
            raise ParameterError(f"inputs must have shape (n, {', '.join(map(str, self.input_shape))}), got {x.shape}")
        if x.ndim != 4 or x.shape[1:3] != (1, bands) or x.shape[3] < smallest:
            format_ = f"(n, 1, {bands}, frames) with {smallest} frames or more"
            raise ParameterError(f"inputs must have shape {format_}, got {x.shape}")
        if lengths is None:
            return nd.full(len(x), x.shape[3], ctx=x.context)
        values = lengths.asnumpy()
        if values.shape != x.shape[:1] or not ((values >= smallest) & (values <= x.shape[3])).all():
            limits = f"one number from {smallest} to {x.shape[3]} for each of {len(x)} inputs"
            raise ParameterError(f"lengths must be {limits}, got {values.tolist()}")
        return nd.array(values, ctx=x.context, dtype="float32")  # integers could not be compared with steps

    def hybrid_forward(self, F, x, lengths):
        steps, states = self._states(x, lengths)
        embedding = self.reduce(self._chosen(states), steps)
        if self.tags_reduce is not None:
            published = self.layer_sum(*states) if self._sums_for_tags else states[-1]
            return self.head(self.tags_reduce(published, steps)), embedding
        return embedding if self.head is None else self.head(embedding), embedding

    def _states(self, x, lengths):
        steps, *states = self.body(x, lengths)
        return steps, states

    def _chosen(self, states):
        """Return the sequences of the embedding's layer."""
        return self.layer_sum(*states) if self.layer == WEIGHTED else states[int(self.layer)]

    def hidden_states(self, x: nd.NDArray, lengths: nd.NDArray | None = None) -> tuple[nd.NDArray, list[nd.NDArray]]:
        """Compute the sequences of all layers up to that of the embedding.

        Parameters
        ----------
        x, lengths
            As for a call of the network.

        Returns
        -------
        steps : NDArray [shape=(batch,)]
            Length of the sequences of each input.
        states : list of NDArray [shape=(batch, steps, dim)]
            Sequences: the input of the first layer, and the output of each layer.
        """
        return self._states(x, self._checked(x, lengths))

    def sequences(self, x: nd.NDArray, lengths: nd.NDArray | None = None) -> tuple[nd.NDArray, nd.NDArray]:
        """Compute the sequences that the embedding is reduced from; see `hidden_states`.

        Returns
        -------
        steps : NDArray [shape=(batch,)]
        sequences : NDArray [shape=(batch, steps, dim)]
        """
        steps, states = self.hidden_states(x, lengths)
        return steps, self._chosen(states)
