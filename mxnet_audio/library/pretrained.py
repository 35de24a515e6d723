"""Classify sound with a pretrained encoder: a head is trained in seconds, or the whole network is fine-tuned."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mxnet_audio import model_store, training, weights
from mxnet_audio.audio.channel import channel_sources, check_channel
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, one_of, path_argument, real_number, whole_number
from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.datasets.labels import class_order, to_targets
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import AudioError, DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig, FeatureCache
from mxnet_audio.inference.known_sounds import KnownSounds
from mxnet_audio.inference.parts import check_outputs
from mxnet_audio.inference.predictor import BATCH_SIZE, AudioSource, AudioSources, as_list
from mxnet_audio.inference.results import Output, TimedPrediction
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.encoder_head import copy_body, fit_head, group_numbers, move_embeddings
from mxnet_audio.library.encoder_run import EncodeSound, HeadRun, pooled, vector_cache
from mxnet_audio.library.fine_tuning import FineTuningRun
from mxnet_audio.library.inputs import choose_features
from mxnet_audio.library.trained_model import TrainedModel, skipped_notes
from mxnet_audio.library.training_run import TrainingRun
from mxnet_audio.models import NETWORKS
from mxnet_audio.pretrained import AudioEncoder, PatchEncoder
from mxnet_audio.pretrained.patch_windows import PatchWindow, patch_windows

__all__ = ["HEADS", "PretrainedAudioClassifier"]

HEADS = {"linear": "dense", "mlp": "mlp"}  # and the last layers of the networks
# More accurate than the encoder's default where that is another.
EMBEDDINGS = {"yamnet": "mean_std"}
CHUNK = 64  # sounds that are looked up in the cache at a time
ROUNDING = 1e-6  # of a number of windows
# Patches in a window of a timeline, by the pooling. One has no deviation: on pieces of ESC-10's clips of 1, 2 and 3
# patches, heads on mean_std have an accuracy of 0.86, 0.93 and 0.96, those on mean of 0.92, 0.93 and 0.96.
WINDOW_PATCHES = {"mean_std": 3}


class PretrainedAudioClassifier(AudioClassifier):
    """Classifier with published weights, which needs few clips; methods as of `AudioClassifier`.

    Each training clip is encoded once, and a head is fitted to the vectors: by logistic regression, whose strength is
    chosen by cross-validation within the training clips, or by a small network. Its probabilities are calibrated, and
    it can tell sounds unlike those of all classes (``predict(path, unknown=True)``). All of a sound counts, whatever
    its length, not its middle; it is read as a stream.

    With `trainable`, the network learns from inputs of one length, as other classifiers do, its probabilities are not
    calibrated, and unknown sounds can only be told if clips are held out.

    Parameters
    ----------
    encoder : str
        One of `mxnet_audio.weights.names`.
    head : {'linear', 'mlp'}
        Logistic regression, or a network with a hidden layer of 256, which is trained by the arguments `epochs`,
        `batch_size` and `learning_rate` of `fit`.
    embedding : str, optional
        Layer and pooling of the vectors, one of the encoder's ``embeddings``. Default: 'mean_std' for yamnet,
        otherwise the first. For sounds shorter than 2 s, 'mean' is more accurate: they have too few patches to measure
        a deviation.
    source : str or os.PathLike, optional
        File or folder of the published weights; by default they are looked for as `mxnet_audio.weights.find` does.
    trainable : bool
        Train the whole network after the head, in place of the head alone.
    model_ctx, data_ctx : mxnet.Context, optional
        As for `AudioClassifier`.

    Raises
    ------
    ParameterError
        If there is no such encoder, head, embedding or device.

    Attributes
    ----------
    encoder, head, embedding, source, trainable
        The parameters; after `load_model`, those of the loaded model.

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
        trainable: bool = False,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        super().__init__(model_ctx, data_ctx)
        record = weights.record(one_of("encoder", encoder, weights.names()))
        self.encoder, self.head = encoder, one_of("head", head, tuple(HEADS))
        if embedding is None:
            embedding = EMBEDDINGS.get(encoder, record.embedding)
        self.embedding = one_of(f"embedding of {encoder}", embedding, tuple(record.embeddings))
        if not isinstance(trainable, bool):
            raise ParameterError(f"trainable must be True or False, got {trainable!r}")
        if trainable and getattr(NETWORKS[record.network], "min_level", None) is not None:
            raise ParameterError(
                f"trainable must be False for {encoder}, which takes sound at a fixed level: to learn voices, train a "
                "SpeakerRecognizer"
            )
        self.source, self.trainable, self.network = source, trainable, record.network
        self._vectors: FeatureCache | None = None  # of the sounds that the current model was trained on

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, without the cache of vectors."""
        return {**vars(self), "_vectors": None}

    @property
    def recipe(self) -> str:  # type: ignore[override]
        """Default of `fit`."""
        return "fine_tune" if self.trainable else "plain"

    @property
    def settings(self) -> dict[str, Any]:
        """Settings, beside those of `fit`, that results depend on, JSON-serializable."""
        names = ("encoder", "head", "embedding", "trainable")
        return {name: getattr(self, name) for name in names}

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
            If there were too few clips to measure it, or the parameters are those of the best epoch.
        """
        if "known" not in self.model.extras:
            remedy = (
                "hold clips out, and load the last parameters"
                if self.trainable
                else "train it with two or more clips of each class"
            )
            raise ModelError(f"this model cannot tell unknown sounds: {remedy}")
        return KnownSounds.from_tensors(self.model.extras["known"])

    def load_model(self, model_dir_path: str | os.PathLike, *, parameters: str = "last") -> None:
        """Load a model that `fit` or `save_model` saved; it contains the weights of the encoder.

        See `AudioClassifier.load_model`. A model on a frozen encoder has no best epoch: 'best' is 'last'.
        """
        manifest = model_store.read_manifest(path_argument("model_dir_path", model_dir_path), self.network)
        if (found := model_store.encoder_name(manifest)) != self.encoder:
            raise ModelError(f"a model of {found or self.network}, not of the encoder {self.encoder}", model_dir_path)
        super().load_model(model_dir_path, parameters=parameters)
        net = self.model.net
        self.head = next((name for name, head in HEADS.items() if head == net.head_name), self.head)
        self.embedding, self.trainable, self._vectors = str(net.embedding), "vectors" not in self.model.extras, None

    def forward_many(
        self, paths: AudioSources, batch_size: int = BATCH_SIZE, *, channel: str | int = "mix"
    ) -> Iterator[Output]:
        """Compute probabilities and embeddings of many files, in order, each from all of its sound.

        Parameters and errors as in `predict_many`, except that `batch_size` has no effect: the network takes as many
        patches of one or several files at a time as are half a minute long.
        """
        whole_number("batch_size", batch_size)
        for source, vector, error in self._encoded(channel_sources(as_list(paths), channel)):
            probabilities = None if vector is None else self._classify(vector[np.newaxis])[0]
            yield Output(source_name(source), probabilities, vector, error)

    def _encoded(
        self, sources: Iterator[AudioSource]
    ) -> Iterator[tuple[AudioSource, np.ndarray | None, AudioError | None]]:
        """Yield the embeddings of sounds, in order; those of training clips come from the cache."""
        encoder, cache = self._patch_encoder(), self._vectors
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
            Length of a window; by default that of a patch, or of three for an embedding with deviations: 1.935 s for
            yamnet's 'mean_std', 0.975 s for its 'mean'. The embedding of a window is pooled over the patches in it,
            rounded to the time between two patches; of a shorter window it is that of the nearest patch.
        hop : float > 0 [s], optional
            Time from the start of a window to the start of the next, at most `window`; half of it by default.
        unknown : bool or float
            As for `predict_many`.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.

        Yields
        ------
        TimedPrediction
            In order; the last window ends with the last patch. The label of digital silence is None.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used; what shows only within the file is raised when it is reached.
        ModelError
            If no model was trained or loaded, or the model cannot tell `unknown` sounds.
        ParameterError
            If `window`, `hop`, `unknown` or `channel` is out of range: `hop` is at least one frame of the features,
            `window` two.
        """
        self._check_unknown(unknown)
        encoder = self._patch_encoder()
        net, frame = encoder.net, encoder.config.hop_length / encoder.sr
        patch, between = encoder.patch_samples / encoder.sr, net.patch_hop * frame  # lengths, and from start to start
        if window is None:
            window = patch + (WINDOW_PATCHES.get(net.pool, 1) - 1) * between
        window = real_number("window", window, 2 * frame)
        hop = real_number("hop", window / 2 if hop is None else hop, frame, window)
        frames = encoder.iter_frames(*channel_sources([path], check_channel(channel)))
        return self._label_vectors(patch_windows(frames, window, hop, patch + between), between, unknown)

    def _label_vectors(
        self, windows: Iterator[PatchWindow], between: float, unknown: bool | float
    ) -> Iterator[TimedPrediction]:
        """Label windows by the vectors of the patches in them, a batch at a time."""
        while batch := list(islice(windows, CHUNK)):
            vectors = [self._pooled(window, between) for window in batch]
            audible = [vector for vector in vectors if vector is not None]
            rows = iter(self._classify(np.stack(audible)) if audible else ())
            outputs = [None if vector is None else (next(rows), vector) for vector in vectors]
            yield from self._timed([(window.start, window.end) for window in batch], outputs, unknown)

    def _pooled(self, window: PatchWindow, between: float) -> np.ndarray | None:
        """Pool the vectors of the patches in a window, or of the nearest; None if they are digital silence."""
        patches = window.patches
        begins, ends = patches.times.T
        inside = (begins >= window.start - between / 2) & (ends < window.end + between / 2)
        if not inside.any():
            inside[np.abs(begins + ends - window.start - window.end).argmin()] = True
        if patches.silent[inside].all():
            return None
        return pooled(self.model.net.pool, [patches.vectors[inside]])

    def adapt(self, paths: AudioSources, batch_size: int = 64, *, channel: str | int = "mix") -> None:
        """Adapt to another microphone or room with unlabelled clips recorded there.

        On a frozen encoder, the embeddings' mean over these clips takes the place of their mean over the training
        clips. Of a network that was trained as a whole, the batch norms are measured again; see
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
            If no model was trained or loaded, or the whole network was trained.
        ParameterError
            If an argument is of the wrong type.
        """
        old = self.model
        if "vectors" not in old.extras:
            raise ModelError("classes can only be added to a model on a frozen encoder: call fit with all clips")
        pairs = training.checked_pairs(audio_path_label_pairs, "audio_path_label_pairs")
        labels = class_order([*old.labels, *(label for _, label in pairs)], None)
        if groups is not None and len(groups := list(iterable_argument("groups", groups))) != len(pairs):
            raise DatasetError(f"{len(groups)} groups for {len(pairs)} clips: pass one for each clip")
        transform = EncodeSound(old.notes["encoder"]["model_id"], self._patch_encoder())
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
        model = TrainedModel(
            self.network,
            labels,
            old.feature_config,
            head=old.net.head_name,
            embedding=old.net.embedding,
            model_ctx=self.model_ctx,
            data_ctx=self.data_ctx,
        )
        copy_body(old.net, model.net)
        model.notes = {**old.notes, "skipped": [*old.notes["skipped"], *skipped_notes(self.skipped)]}
        names = ("batch_size", "epochs", "learning_rate", "random_state")
        settings = training.Settings(checkpoint_interval=1, **{name: old.notes["training"][name] for name in names})
        every_vector = np.concatenate([stored["vectors"], list(vectors.values())])
        fit_head(model, every_vector, to_targets(every_label, labels), numbers, settings)
        self._model, self.model_path = model, None

    def _new_run(
        self,
        config: AudioFeatureConfig,
        recipe: training.Recipe | str | None,
        settings: training.Settings,
        model_dir: Path,
    ) -> TrainingRun:
        if not self.trainable and recipe is not None and recipe != "default":
            raise ParameterError(f"recipe must be None for a head on a frozen encoder, got {recipe!r}")
        chosen = training.get_recipe(recipe, self.recipe)
        run = FineTuningRun if self.trainable else HeadRun
        arguments = (self.network, config, chosen, settings, model_dir)
        return run(self._load_encoder(), HEADS[self.head], *arguments, **self._devices)

    def _use(self, model: TrainedModel, path: Path, run: TrainingRun, cache: bool | str | os.PathLike) -> None:
        super()._use(model, path, run, cache)
        self._vectors = vector_cache(run.transforms[0], run.config, cache) if isinstance(run, HeadRun) else None

    def fill_cache(self, sounds: Sequence[AudioSource], cache: bool | str | os.PathLike, progress: bool) -> None:
        """Encode sounds, for several runs of `fit` with a frozen encoder; those that cannot be used are left out."""
        config = choose_features(self.network, [])
        if self.trainable or (options := training.cache_options(config, cache))["mode"] == "lazy":
            return
        encoder = self._load_encoder()
        transform = EncodeSound(encoder.model_id, PatchEncoder(encoder.net, **self._devices))
        loader = AudioLoader(AudioDataset(sounds, transforms=[transform]), BATCH_SIZE, **options)
        with contextlib.closing(loader.samples()) as samples:
            for _ in tqdm(samples, total=loader.size, desc="features", unit="clip", disable=not progress):
                pass

    def _load_encoder(self) -> AudioEncoder:
        return AudioEncoder(self.encoder, embedding=self.embedding, source=self.source, **self._devices).fit()

    def _patch_encoder(self) -> PatchEncoder:
        return PatchEncoder(self.model.net, **self._devices)

    def _classify(self, vectors: np.ndarray) -> np.ndarray:
        """Compute the probabilities of the classes [shape=(n, classes)] for embeddings [shape=(n, dim)].

        ModelError if there is NaN or infinity among them.
        """
        with autograd.predict_mode():
            probabilities = self.model.net.head(nd.array(vectors, ctx=self.model_ctx)).softmax().asnumpy()
        check_outputs(embeddings=vectors, probabilities=probabilities)
        return probabilities

    @property
    def _devices(self) -> dict[str, mx.Context]:
        return {"model_ctx": self.model_ctx, "data_ctx": self.data_ctx}
