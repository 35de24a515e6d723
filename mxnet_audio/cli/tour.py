"""The demo behind ``mxnet-audio demo`` and ``make demo``.

With a pretrained encoder: tag, search, train a head. From scratch: train, evaluate, label, encode, search, recommend,
plot.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mxnet_audio import datasets, viz, weights
from mxnet_audio.atomic import write_json
from mxnet_audio.cli.output import escaped
from mxnet_audio.datasets.synthetic import synthesise
from mxnet_audio.features import load_features
from mxnet_audio.library import BUNDLED_MODELS, classifiers, load_classifier
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier, Cifar10AudioRecommender, Cifar10AudioSearch
from mxnet_audio.library.pretrained import PretrainedAudioClassifier
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.library.tagger import AudioTagger
from mxnet_audio.metrics import ClassificationReport, precision_at_k
from mxnet_audio.model_store import stored_models
from mxnet_audio.pretrained import AudioEncoder, load_encoder
from mxnet_audio.training import class_order, complete_config, split, to_targets

__all__ = ["run"]

log = logging.getLogger(__name__)

# Number of clips times their seconds times the epochs: somewhat more than a minute of training on two cores.
TRAINING_BUDGET = 50_000
CLIP_SECONDS = 2.9  # of the synthesised clips: musicnn takes 3 s at a time

Pairs = list[tuple[str, str]]


def run(
    output: str | os.PathLike,
    data: str | os.PathLike | None = None,
    echo: Callable[[str], None] = log.info,
    progress: bool = True,
) -> dict[str, int | float | str | None]:
    """Train on three quarters of a corpus and try everything on the other quarter.

    Parameters
    ----------
    output : str or os.PathLike
        Folder for the model, the index and the plots.
    data : str or os.PathLike, optional
        Folder of class folders, or CSV file of ``path,label``; by default a corpus is synthesised.
    echo : callable
        Function that prints a line or a table.
    progress : bool
        Show progress bars.

    Returns
    -------
    dict
        The figures that are also written to ``<output>/demo.json``.

    Raises
    ------
    DatasetError
        If the data cannot be trained on.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    if data is None:
        echo("Synthesising ten kinds of sound …")
        pairs = synthesise(output / "sound", clips_per_class=60, seconds=CLIP_SECONDS)
    else:
        pairs = datasets.folder(data) if Path(data).is_dir() else datasets.csv(data)
    labels = [label for _, label in pairs]
    train, test = split(to_targets(labels, class_order(labels, None)), 0.25, random_state=0)
    training_pairs, held_out = [pairs[i] for i in train], [pairs[i] for i in test]

    encoder = _find_encoder(echo)
    pretrained = {} if encoder is None else _use_encoder(encoder, training_pairs, held_out, output, echo, progress)

    config = complete_config([path for path, _ in training_pairs])
    assert config.n_samples and config.sr  # complete_config sets both
    seconds = config.n_samples / config.sr
    epochs = int(np.clip(TRAINING_BUDGET / (len(pairs) * seconds), 5, 100))
    echo(
        f"\nTraining cifar10 from scratch on {len(train)} clips of {len(set(labels))} classes for {epochs} epochs, with"
        f" inputs of {seconds:.1f} s (the middle of longer clips); {len(test)} clips are held out …"
    )
    classifier, training_started = Cifar10AudioClassifier(), time.monotonic()
    history = classifier.fit(
        training_pairs,
        output / "model",
        batch_size=16,
        epochs=epochs,
        feature_config=config,
        validation_pairs=held_out,
        progress=progress,
    )
    training_seconds = time.monotonic() - training_started
    viz.plot_history(history, output / "training.png")

    report = classifier.evaluate(held_out)
    assert isinstance(report, ClassificationReport)  # each clip has one label
    echo(f"\nResults on the {len(test)} held-out clips:\n\n{report}")
    viz.plot_confusion(report, output / "confusion.png")

    echo("\nPredicted labels (predict_class):")
    unusable = {path for path, _ in [*classifier.skipped, *report.skipped]}
    clips = [pair for pair in held_out if pair[0] not in unusable]
    for path, label in _examples(clips):
        echo(f"  {escaped(Path(path).name):<28} {label:<16} -> {classifier.predict_class(path)}")
    example = clips[0][0]
    spectrogram = load_features(example, classifier.feature_config)
    viz.plot_spectrogram(spectrogram, classifier.feature_config, output / "spectrogram.png")

    vectors, encoded_labels = _encode(classifier, clips)
    viz.plot_embedding(vectors, encoded_labels, output / "embedding.png")
    echo(f"\nEmbeddings (encode_audio): {len(vectors)} vectors of length {vectors.shape[1]}")

    search = Cifar10AudioSearch(classifier=classifier)
    search.index_many(path for path, _ in training_pairs)
    search.save(output / "index")
    neighbours = search.query(example, top_k=5)
    echo(
        f"\nThe {len(neighbours)} of {len(search)} training clips most similar to {escaped(Path(example).name)}"
        " (query), with their distances:"
    )
    for neighbour in neighbours:
        echo(f"  {neighbour.distance:.3f}  {_short_path(neighbour.path)}")
    precision = _precision(search, vectors, encoded_labels, training_pairs)
    echo(f"  precision at 5 over all held-out clips: {100 * precision:.0f}%")

    recommender = Cifar10AudioRecommender(classifier=classifier)
    recommender.load(output / "index")
    for path, _ in clips[:2]:
        recommender.track(path)
    listened = " and ".join(escaped(Path(path).name) for path, _ in clips[:2])
    echo(f"\nRecommendations after listening to {listened} (recommend):")
    for recommendation in recommender.recommend(limits=3):
        echo(f"  {_short_path(recommendation.path)}")

    _predict_bundled([path for path, _ in clips[:3]], echo)

    figures = {
        "clips": len(pairs),
        "classes": len(set(labels)),
        "epochs": epochs,
        "accuracy": report.accuracy,
        "precision_at_5": precision,
        "training_seconds": round(training_seconds, 1),
        **pretrained,
        "seconds": round(time.monotonic() - started, 1),
    }
    _compare(figures, echo)
    write_json(output / "demo.json", figures)
    echo(f"\nDone in {figures['seconds']} s. The model, the index and four plots are in {output}")
    return figures


def _find_encoder(echo: Callable[[str], None]) -> AudioEncoder | None:
    """Print the pretrained encoders on this machine, and load the one to use; nothing is downloaded."""
    here = {name: weights.record(name) for name in weights.names() if weights.available(name)}
    shown = ", ".join(f"{name} ({record.domain})" for name, record in here.items())
    echo(f"\nPretrained encoders on this machine: {shown or 'none'}")
    if "yamnet" in here:
        return load_encoder("yamnet")
    missing = f"  yamnet, which knows any sound, is missing ({weights.record('yamnet').command})"
    if "musicnn" in here:
        echo(f"{missing}: musicnn is used, which has learned music only")
        return load_encoder("musicnn")
    echo(f"{missing}: everything is trained from scratch")
    return None


def _use_encoder(
    encoder: AudioEncoder, indexed: Pairs, queries: Pairs, output: Path, echo: Callable[[str], None], progress: bool
) -> dict[str, int | float | str | None]:
    """Tag, search without labels, and train a head; return the figures."""
    name = encoder.record.name
    echo(f"\nTags by {name}, without training (AudioTagger):")
    shown = _examples(queries)
    for (path, label), prediction in zip(shown, AudioTagger(encoder).predict_many(path for path, _ in shown)):
        if prediction.error is None:
            tags = ", ".join(f"{tag} {score:.2f}" for tag, score in prediction.top(3))
            echo(f"  {escaped(Path(path).name):<28} {label:<16} -> {tags}")

    started = time.monotonic()
    search = AudioSearch(encoder=encoder)
    search.index_many((path for path, _ in indexed), progress=progress)
    precision = _precision(search, *_encode(encoder, queries), indexed)
    echo(
        f"\nSearch with {name}, without labels (AudioSearch): {len(search)} clips indexed and {len(queries)} queries "
        f"answered in {time.monotonic() - started:.0f} s; precision at 5: {100 * precision:.0f}%"
    )

    started = time.monotonic()
    classifier = PretrainedAudioClassifier(name)
    history = classifier.fit(indexed, output / "head", validation_pairs=queries, progress=progress)
    seconds, accuracy = time.monotonic() - started, history["acc_test"][-1]
    echo(f"A head on {name}, trained in {seconds:.0f} s (PretrainedAudioClassifier): accuracy {100 * accuracy:.1f}%")
    return {
        "encoder": name,
        "encoder_accuracy": accuracy,
        "encoder_precision_at_5": precision,
        "encoder_seconds": round(seconds, 1),
    }


def _compare(figures: dict[str, int | float | str | None], echo: Callable[[str], None]) -> None:
    """Print the head on an encoder and the network trained from scratch, side by side."""
    ways = {"cifar10, trained from scratch": ("accuracy", "precision_at_5", "training_seconds")}
    if "encoder" in figures:
        keys = ("encoder_accuracy", "encoder_precision_at_5", "encoder_seconds")
        ways = {f"{figures['encoder']}, head trained": keys, **ways}
    echo(f"\n{'on the held-out clips':<32}accuracy  precision at 5  seconds of fit")
    for way, (accuracy, precision, seconds) in ways.items():
        echo(f"{way:<32}{figures[accuracy]:8.1%}  {figures[precision]:14.1%}  {figures[seconds]:14.1f}")


def _examples(pairs: Pairs) -> Pairs:
    """Return six pairs, or fewer, from all parts of a list."""
    return pairs[:: max(1, len(pairs) // 6)][:6]


def _encode(model: AudioEncoder | Cifar10AudioClassifier, pairs: Pairs) -> tuple[np.ndarray, list[str]]:
    """Return the vectors [shape=(n, dim)] and the labels of the clips that can be used."""
    encodings = zip(model.encode_many(path for path, _ in pairs), pairs)
    usable = [(encoding.vector, label) for encoding, (_, label) in encodings if encoding.vector is not None]
    return np.stack([vector for vector, _ in usable]), [label for _, label in usable]


def _precision(search: AudioSearch, vectors: np.ndarray, labels: list[str], indexed: Pairs) -> float:
    """Return the share of a query's class among its five nearest clips."""
    label_of = dict(indexed)
    found = [[label_of[path] for path, _ in search.query_vector(vector, top_k=5)] for vector in vectors]
    return float(precision_at_k(labels, found, 5))


def _predict_bundled(paths: list[str], echo: Callable[[str], None]) -> None:
    """Print the predictions of the models that come with a clone."""
    networks = [name for name in stored_models(BUNDLED_MODELS) if name in classifiers()]
    if not networks:
        return
    echo(f"\nPredictions of the bundled ESC-10 models ({BUNDLED_MODELS}; they only know ten environmental sounds):")
    bundled = [load_classifier(BUNDLED_MODELS, name) for name in networks]
    for path in paths:
        predictions = [(classifier.network, classifier.predict(path)) for classifier in bundled]
        text = ", ".join(
            f"{name} {label} ({100 * probability:.0f}%)"
            for name, prediction in predictions
            for label, probability in prediction.top(1)
        )
        echo(f"  {escaped(Path(path).name):<28} {text}")


def _short_path(path: str) -> str:
    """Return class folder and name: files in several folders may have the same name."""
    return escaped("/".join(Path(path).parts[-2:]))
