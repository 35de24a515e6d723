"""Classify sound with a pretrained encoder: a head is trained in seconds, or the whole network is fine-tuned."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mxnet_audio import model_store, training, weights
from mxnet_audio.audio.channel import channel_sources, check_channel
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, one_of, path_argument, whole_number
from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.datasets.labels import class_order, to_targets
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import AudioError, DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig, FeatureCache
from mxnet_audio.inference.known_sounds import KnownSounds
from mxnet_audio.inference.parts import check_outputs
from mxnet_audio.inference.predictor import BATCH_SIZE, AudioSource, AudioSources, as_list
from mxnet_audio.inference.results import Output, TimedPrediction
from mxnet_audio.inference.window_encoder import WindowEncoder
from mxnet_audio.inference.window_vectors import window_vectors
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.encoder_head import dense_layers, group_numbers, move_embeddings, refitted
from mxnet_audio.library.encoder_run import EncodeSound, HeadRun, vector_cache
from mxnet_audio.library.fine_tuning import FineTuningRun, Lora
from mxnet_audio.library.inputs import stream_features, window_features
from mxnet_audio.library.patch_vectors import patch_vectors
from mxnet_audio.library.trained_model import TrainedModel, skipped_notes
from mxnet_audio.library.training_run import TrainingRun
from mxnet_audio.models import NETWORKS, SequenceNet
from mxnet_audio.pretrained import AudioEncoder
from mxnet_audio.pretrained.sound_encoder import SoundEncoder, sound_encoder
from mxnet_audio.weights.architecture import Architecture
from mxnet_audio.weights.embeddings import WEIGHTED
from mxnet_audio.weights.registry import check_name

__all__ = ["HEADS", "PretrainedAudioClassifier"]

HEADS = {"linear": "dense", "mlp": "mlp"}  # and the last layers of the networks
# More accurate than the encoder's default where that is another.
EMBEDDINGS = {"yamnet": "mean_std"}
CHUNK = 64  # sounds that are looked up in the cache at a time


class PretrainedAudioClassifier(AudioClassifier):
    """Classifier with published weights, which needs few clips; methods as of `AudioClassifier`.

    Each training clip is encoded once, and a head is fitted to the vectors: by logistic regression, whose strength is
    chosen by cross-validation within the training clips, or by a small network. Its probabilities are calibrated, and
    it can tell sounds unlike those of all classes (``predict(path, unknown=True)``). All of a sound counts, whatever
    its length, not its middle; it is read as a stream.

    With `trainable`, `adapter` or the embedding 'weighted', the network is trained after the head, its probabilities
    are not calibrated, and unknown sounds can only be told if clips are held out.

    Parameters
    ----------
    encoder : str
        One of `mxnet_audio.weights.names`.
    head : {'linear', 'mlp'}
        Logistic regression, or a network with a hidden layer of 256, which is trained by the arguments `epochs`,
        `batch_size` and `learning_rate` of `fit`.
    embedding : str, optional
        Layer and pooling of the vectors, as for `AudioEncoder`: one of the encoder's ``embeddings``, or, of networks
        that compute a sequence for each layer, such as wav2vec2, a reduction over time ('mean'), or a layer and a
        reduction ('6:mean'; 'weighted:mean' is the mean of the sum of all layers, whose weights are learned).
        Default: 'mean_std' for yamnet, otherwise the first. For sounds shorter than 2 s, yamnet's 'mean' is more
        accurate: they have too few patches to measure a deviation.
    source : str or os.PathLike, optional
        File or folder of the published weights, or name of a model on the Hugging Face hub; by default they are looked
        for as `mxnet_audio.weights.find` does.
    pretrained_model_name_or_path : str or os.PathLike, optional
        The same as `source`.
    revision : str, optional
        Branch, tag or commit of a model on the hub.
    trainable : bool
        Train the whole network after the head, in place of the head alone.
    freeze : int or sequence of str, optional
        Layers that are not trained although `trainable`: a number of transformer layers and all before them, or names
        of parts, such as 'body.layers.0'. By default what is usually frozen: of wav2vec2, HuBERT and WavLM the
        convolutions, of others nothing.
    adapter : 'lora', Lora or mapping, optional
        Train adapters of low rank beside the layers, in place of these, so neither with `trainable` nor `freeze`:
        'lora' for the default ones, or values of ``rank``, ``alpha``, ``dropout`` and ``targets``, see
        `mxnet_audio.nn.lora.add_lora`.
    saved_weights_in_checkpoint : bool
        Save published weights that training has not changed with the model. If False, only what was trained is saved,
        with the name, the source and a hash of the weights: they are loaded from there again, or from another `source`
        with the same weights.
    model_ctx, data_ctx : mxnet.Context, optional
        As for `AudioClassifier`.

    Raises
    ------
    ParameterError
        If there is no such encoder, head, embedding or device, or arguments contradict each other.

    Attributes
    ----------
    encoder, head, embedding, source, revision, trainable, freeze, adapter, saved_weights_in_checkpoint
        The parameters; after `load_model`, those of the loaded model, except `source` and `revision`.

    Examples
    --------
    >>> classifier = PretrainedAudioClassifier("yamnet")                # doctest: +SKIP
    >>> history = classifier.fit(pairs, "models")                       # doctest: +SKIP
    >>> classifier.predict_class("clip.wav")                            # doctest: +SKIP
    'dog'
    >>> classifier.predict("trumpet.wav", unknown=True).known           # doctest: +SKIP
    False
    """

    encoder: str
    has_inner_groups = True

    def __init__(
        self,
        encoder: str = "yamnet",
        head: str = "linear",
        *,
        embedding: str | None = None,
        source: str | os.PathLike | None = None,
        pretrained_model_name_or_path: str | os.PathLike | None = None,
        revision: str | None = None,
        trainable: bool = False,
        freeze: int | Sequence[str] | None = None,
        adapter: Lora | Mapping[str, Any] | str | None = None,
        saved_weights_in_checkpoint: bool = True,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        super().__init__(model_ctx, data_ctx)
        record = weights.record(check_name("encoder", encoder))
        self.encoder, self.head = encoder, one_of("head", head, tuple(HEADS))
        if embedding is None:
            embedding = EMBEDDINGS.get(encoder, record.embedding)
        self.embedding = record.check_embedding(embedding, f"embedding of {encoder}")
        flags = {"trainable": trainable, "saved_weights_in_checkpoint": saved_weights_in_checkpoint}
        if wrong := [name for name, flag in flags.items() if not isinstance(flag, bool)]:
            raise ParameterError(f"{wrong[0]} must be True or False, got {flags[wrong[0]]!r}")
        if source is not None and pretrained_model_name_or_path not in (None, source):
            raise ParameterError(f"source must be left out with pretrained_model_name_or_path, got {source!r}")
        if adapter is not None and (trainable or freeze is not None):
            other = "trainable=True" if trainable else "freeze"
            raise ParameterError(f"give adapter or {other}, not both: adapters are trained in place of all layers")
        if freeze is not None and not trainable:
            raise ParameterError(f"freeze must be None unless trainable is True, got {freeze!r}")
        self.freeze, self.adapter = freeze, None if adapter is None else Lora.of(adapter).options()
        self.trainable = trainable
        if self._trains_network and getattr(NETWORKS[record.network], "min_level", None) is not None:
            raise ParameterError(
                f"trainable must be False for {encoder}, and adapter None, since it takes sound at a fixed level: to "
                "learn voices, train a SpeakerRecognizer"
            )
        self.source = pretrained_model_name_or_path if source is None else source
        self.revision, self.network = revision, record.network
        self.saved_weights_in_checkpoint = saved_weights_in_checkpoint
        self._published: AudioEncoder | None = None  # kept until a model is made from it
        self._vectors: FeatureCache | None = None  # of the sounds that the current model was trained on

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, without the published encoder and the cache of vectors."""
        return {**vars(self), "_published": None, "_vectors": None}

    @property
    def recipe(self) -> str:  # type: ignore[override]
        """Default of `fit`."""
        return "fine_tune" if self._trains_network else "plain"

    @property
    def _trains_network(self) -> bool:
        """True if more than the head is trained."""
        is_sum = self.embedding.rpartition(":")[0] == WEIGHTED
        return self.trainable or self.adapter is not None or is_sum

    @property
    def settings(self) -> dict[str, Any]:
        """Settings, beside those of `fit`, that results depend on, JSON-serializable."""
        names = ("encoder", "head", "embedding", "trainable")
        settings = {name: getattr(self, name) for name in names}
        given = {"freeze": self.freeze, "adapter": self.adapter}
        settings |= {name: value for name, value in given.items() if value is not None}
        if issubclass(NETWORKS[self.network], SequenceNet):  # of which there are many published weights
            settings["model_id"] = self._load_encoder().model_id
        return settings

    @property
    def model_name(self) -> str:
        """Name of the encoder."""
        return self.encoder

    @property
    def known_sounds(self) -> KnownSounds:
        """Description of the sounds that the model knows.

        Raises
        ------
        ModelError
            If there were too few clips to measure it, clips have several labels, or the parameters are those of the
            best epoch.
        """
        if self.model.thresholds is not None:
            return super().known_sounds  # which raises its error
        if "known" not in self.model.extras:
            remedy = (
                "hold clips out, and load the last parameters"
                if self._trains_network
                else "train it with two or more clips of each class"
            )
            raise ModelError(f"this model cannot tell unknown sounds: {remedy}")
        return KnownSounds.from_tensors(self.model.extras["known"])

    def load_model(self, model_dir_path: str | os.PathLike, *, parameters: str = "last") -> None:
        """Load a model that `fit` or `save_model` saved.

        See `AudioClassifier.load_model`. A model on a frozen encoder has no best epoch: 'best' is 'last'. Where the
        weights of the encoder are not saved with the model, they are loaded from `source` or, without one, from the
        source of the training.
        """
        manifest = model_store.read_manifest(path_argument("model_dir_path", model_dir_path), self.network)
        if (found := model_store.encoder_name(manifest)) != self.encoder:
            raise ModelError(f"a model of {found or self.network}, not of the encoder {self.encoder}", model_dir_path)
        super().load_model(model_dir_path, parameters=parameters)
        model, net = self.model, self.model.net
        self.head = next((name for name, head in HEADS.items() if head == net.head_name), self.head)
        self.embedding, self._vectors = str(net.embedding), None
        run = model.notes["training"] if "vectors" not in model.extras else {"trainable": False}
        self.trainable = run.get("trainable", True)  # of an earlier version, if it is missing
        self.freeze, self.adapter = run.get("freeze"), model.adapter
        self.saved_weights_in_checkpoint, self._published = model.base is None or model.base.is_saved, None

    def _load(self, model_dir_path: str | os.PathLike, parameters: str) -> TrainedModel:
        return TrainedModel.load(model_dir_path, self.network, parameters, source=self.source, **self._devices)

    def forward_many(
        self, paths: AudioSources, batch_size: int = BATCH_SIZE, *, channel: str | int = "mix"
    ) -> Iterator[Output]:
        """Compute probabilities and embeddings of many files, in order, each from all of its sound.

        Parameters and errors as in `predict_many`, except that `batch_size` has no effect: the network takes as many
        patches or windows of one or several files at a time as are half a minute long.
        """
        whole_number("batch_size", batch_size)
        for source, vector, error in self._encoded(channel_sources(as_list(paths), channel)):
            probabilities = None if vector is None else self._classify(vector[np.newaxis])[0]
            yield Output(source_name(source), probabilities, vector, error)

    def _encoded(
        self, sources: Iterator[AudioSource]
    ) -> Iterator[tuple[AudioSource, np.ndarray | None, AudioError | None]]:
        """Yield the embeddings of sounds, in order; those of training clips come from the cache."""
        encoder, cache = self._sound_encoder(), self._vectors
        if cache is None:
            yield from ((source, vector, error) for source, vector, _, error in encoder.encode_many(sources))
            return
        while chunk := list(islice(sources, CHUNK)):
            cached = [cache.get(cache.name(s)) if isinstance(s, str | os.PathLike) else None for s in chunk]
            encoded = encoder.encode_many([source for source, vector in zip(chunk, cached) if vector is None])
            for source, vector in zip(chunk, cached):
                if vector is not None:
                    yield source, vector, None
                else:
                    _, vector, _, error = next(encoded)
                    yield source, vector, error

    def iter_timeline(
        self,
        path: AudioSource,
        window: float | None = None,
        hop: float | None = None,
        *,
        unknown: bool | float = False,
        channel: str | int = "mix",
    ) -> Iterator[TimedPrediction]:
        """Label a long file window by window, in constant memory.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        window : float > 0 [s], optional
            Length of a window. Of encoders that take patches, by default that of a patch, or of three for an embedding
            with deviations: 1.935 s for yamnet's 'mean_std', 0.975 s for its 'mean'. The embedding of a window is
            pooled over the patches in it, rounded to the time between two patches; of a shorter window it is that of
            the nearest patch. Of other encoders, a second by default; each window is an input of its own, and longer
            ones than the encoder takes are pooled from inputs that overlap by half.
        hop : float > 0 [s], optional
            Time from the start of a window to the start of the next, at most `window`; half of it by default.
        unknown : bool or float
            As for `predict_many`.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.

        Yields
        ------
        TimedPrediction
            In order; the last window ends with the sound, or the last patch. The label of digital silence is None.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used; what shows only within the file is raised when it is reached.
        ModelError
            If no model was trained or loaded, or the model cannot tell `unknown` sounds.
        ParameterError
            If `window`, `hop`, `unknown` or `channel` is out of range: of encoders that take patches, `hop` is at least
            one frame of the features, `window` two; of others, both are at least the shortest input.
        """
        self._check_unknown(unknown)
        (source,) = channel_sources([path], check_channel(channel))
        encoder = self._sound_encoder()
        if isinstance(encoder, WindowEncoder):
            windows = window_vectors(encoder, source, window, hop)
        else:
            windows = patch_vectors(encoder, source, window, hop)
        return self._label_vectors(windows, self._classify, unknown)

    def adapt(self, paths: AudioSources, batch_size: int = 64, *, channel: str | int = "mix") -> None:
        """Adapt to another microphone or room with unlabelled clips recorded there.

        On a frozen encoder, the embeddings' mean over these clips takes the place of their mean over the training
        clips. Of a network that was trained, the batch norms are measured again; see
        `AudioClassifier.adapt` for the parameters, errors, and which clips to use.
        """
        super().adapt(paths, batch_size, channel=channel)

    def _adapt(self, sounds: list[AudioSource], batch_size: int) -> None:
        model = self.model
        if "vectors" not in model.extras:
            super()._adapt(sounds, batch_size)
            return
        vectors = []
        for position, (sound, encoding) in enumerate(zip(sounds, self.encode_many(sounds, batch_size))):
            self._note_error(sound, position, encoding.error)
            if encoding.vector is not None:
                vectors.append(encoding.vector)
        self._check_usable(sounds)
        move_embeddings(model, np.mean(vectors, axis=0))
        model.notes["training"] = {**model.notes["training"], "adapted to, inputs": len(vectors)}

    def merge_adapter(self) -> None:
        """Add the adapters to the weights beside them, so that the network computes as fast as without.

        Outputs stay the same but for rounding; `model_id` changes. `save_model` saves the result, with these weights.

        Raises
        ------
        ModelError
            If no model was trained or loaded, or it has no adapters.
        """
        if self.model.adapter is None:
            raise ModelError("this model has no adapters to merge")
        self.model.merge_lora()
        self.adapter, self.model_path = None, None

    def add_classes(
        self,
        audio_path_label_pairs: training.Pairs,
        *,
        groups: Sequence[Hashable] | None = None,
        cache: bool | str | os.PathLike = True,
        progress: bool = True,
    ) -> None:
        """Learn from more clips, of new classes or of known ones: fit the head again to the old vectors and the new.

        Nothing is held out. The model in memory changes; `save_model` saves it. Files that cannot be used are left out,
        logged, and listed in `skipped`.

        Parameters
        ----------
        audio_path_label_pairs : iterable of (path, label)
            Further clips, as for `fit`. Those whose embedding is that of another clip are left out, too: the folds that
            calibrate the head must not share a clip.
        groups : sequence of hashable, optional
            Recording, artist or speaker of each of them.
        cache, progress
            As for `fit`.

        Raises
        ------
        DatasetError
            If the labels are unusable, or no file can be used. The model stays unchanged.
        ModelError
            If no model was trained or loaded, the whole network was trained, or clips have several labels.
        ParameterError
            If an argument is of the wrong type.
        """
        old = self.model
        if "vectors" not in old.extras:
            raise ModelError("classes can only be added to a model on a frozen encoder: call fit with all clips")
        if old.thresholds is not None:
            reason = "its clips may have new classes, too: call fit with all clips"
            raise ModelError(f"add_classes is not possible for a model of several labels a clip, since {reason}")
        pairs = training.checked_pairs(audio_path_label_pairs, "audio_path_label_pairs", multi_label=False)
        labels = class_order([*old.labels, *(label for _, label in pairs)], None)
        if groups is not None and len(groups := list(iterable_argument("groups", groups))) != len(pairs):
            raise DatasetError(f"{len(groups)} groups for {len(pairs)} clips: pass one for each clip")
        transform = EncodeSound(old.notes["encoder"]["model_id"], self._sound_encoder())
        dataset = AudioDataset([sound for sound, _ in pairs], transforms=[transform])
        loader = AudioLoader(dataset, BATCH_SIZE, **training.cache_options(old.feature_config, cache))
        self.skipped = []
        vectors: dict[int, np.ndarray] = {}
        stored = old.extras["vectors"]
        learned, numbers = {vector.tobytes() for vector in stored["vectors"]}, None
        for row, vector in training.usable_samples(loader, self.skipped, progress):
            if vector.tobytes() in learned:
                sound = pairs[row][0]
                self._note_error(sound, row, DatasetError("the model has learned it already", source_name(sound)))
                continue
            learned.add(vector.tobytes())
            vectors[row] = vector
        self._check_usable(pairs)
        if groups is not None or "groups" in stored:  # without a group, each clip is one of its own
            count = len(stored["targets"])
            own = np.arange(count + len(pairs))
            new = own[count:] if (given := group_numbers(groups)) is None else given
            numbers = np.concatenate([stored.get("groups", own[:count]), new[list(vectors)]])
        every_label = [*(old.labels[target] for target in stored["targets"]), *(pairs[row][1] for row in vectors)]
        every_vector = np.concatenate([stored["vectors"], list(vectors.values())])
        model = refitted(old, labels, every_vector, to_targets(every_label, labels), numbers)
        model.notes["skipped"] = [*old.notes["skipped"], *skipped_notes(self.skipped)]
        self._model, self.model_path = model, None

    def _new_run(
        self,
        config: AudioFeatureConfig,
        recipe: training.Recipe | str | None,
        settings: training.Settings,
        model_dir: Path,
    ) -> TrainingRun:
        if not self._trains_network and recipe is not None and recipe != "default":
            raise ParameterError(f"recipe must be None for a head on a frozen encoder, got {recipe!r}")
        chosen = training.get_recipe(recipe, self.recipe)
        net, published = self._load_encoder().net, self.published_features
        is_fixed = isinstance(net, SequenceNet) and net.fixed_steps is not None
        if is_fixed and published is not None and config.identity() != published.identity():
            raise ParameterError(f"input_shape of {self.encoder} must be that of a window, {net.input_shape}")
        arguments = (self._load_encoder(), HEADS[self.head], self.network, config, chosen, settings, model_dir)
        options = {"saves_base": self.saved_weights_in_checkpoint, **self._devices}
        if not self._trains_network:
            return HeadRun(*arguments, **options)
        return FineTuningRun(*arguments, trainable=self.trainable, freeze=self.freeze, adapter=self.adapter, **options)

    def _use(self, model: TrainedModel, path: Path, run: TrainingRun, cache: bool | str | os.PathLike) -> None:
        super()._use(model, path, run, cache)
        self._vectors = vector_cache(run.transforms[0], run.config, cache) if isinstance(run, HeadRun) else None
        self._published = None

    def fill_cache(self, sounds: Sequence[AudioSource], cache: bool | str | os.PathLike, progress: bool) -> None:
        """Encode sounds, for several runs of `fit` with a frozen encoder; those that cannot be used are left out."""
        if (
            self._trains_network
            or (options := training.cache_options(self.choose_features([]), cache))["mode"] == "lazy"
        ):
            return
        encoder = self._load_encoder()
        stream = sound_encoder(encoder.net, encoder.feature_config, **self._devices)
        dataset = AudioDataset(sounds, transforms=[EncodeSound(encoder.model_id, stream)])
        loader = AudioLoader(dataset, BATCH_SIZE, **options)
        with contextlib.closing(loader.samples()) as samples:
            for _ in tqdm(samples, total=loader.size, desc="features", unit="clip", disable=not progress):
                pass

    @property
    def published_features(self) -> AudioFeatureConfig | None:
        """Features of a window that the published weights take; None for those of the network's class."""
        if not issubclass(NETWORKS[self.network], SequenceNet):
            return None
        net, loaded = self._load_encoder().net, self._load_encoder().loaded
        assert isinstance(net, SequenceNet)
        return window_features(net, loaded.features or net.features)

    @property
    def architecture(self) -> Architecture | None:
        """Settings of a network that is built from settings; None for others."""
        if self._model is not None:
            return self._model.architecture
        is_built = issubclass(NETWORKS[self.network], SequenceNet)
        return self._load_encoder().loaded.architecture if is_built else None

    def _load_encoder(self) -> AudioEncoder:
        if self._published is None:
            self._published = AudioEncoder(
                self.encoder,
                embedding=self.embedding,
                source=self.source,
                revision=self.revision,
                **self._devices,
            ).fit()
        return self._published

    def _sound_encoder(self) -> SoundEncoder:
        net = self.model.net
        return sound_encoder(net, stream_features(net, self.feature_config), **self._devices)

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return dense_layers(self.model.net)[0].weight.shape[1]

    def _classify(self, vectors: np.ndarray) -> np.ndarray:
        """Compute the probabilities of the classes [shape=(n, classes)] for embeddings [shape=(n, dim)].

        ModelError if there is NaN or infinity among them.
        """
        with autograd.predict_mode():
            probabilities = self.model.probabilities(self.model.net.head(nd.array(vectors, ctx=self.model_ctx)))
        check_outputs(embeddings=vectors, probabilities=probabilities)
        return probabilities

    @property
    def _devices(self) -> dict[str, mx.Context]:
        return {"model_ctx": self.model_ctx, "data_ctx": self.data_ctx}
