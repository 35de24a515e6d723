"""The demo behind ``mxnet-audio demo`` and ``make demo``: train, evaluate, label, encode, search, recommend, plot."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mxnet_audio import datasets, viz
from mxnet_audio.atomic import write_json
from mxnet_audio.datasets.synthetic import synthesise
from mxnet_audio.features import load_features
from mxnet_audio.library import BUNDLED_MODELS, classifiers, load_classifier
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier, Cifar10AudioRecommender, Cifar10AudioSearch
from mxnet_audio.metrics import precision_at_k
from mxnet_audio.model_store import stored_models
from mxnet_audio.training import class_order, complete_config, split, to_targets

__all__ = ["run"]

log = logging.getLogger(__name__)

# Number of clips times their seconds times the epochs: about two minutes of training on two cores.
TRAINING_BUDGET = 90_000


def run(
    output: str | os.PathLike,
    data: str | os.PathLike | None = None,
    echo: Callable[[str], None] = log.info,
    progress: bool = True,
) -> dict[str, int | float]:
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
        pairs = synthesise(output / "sound", clips_per_class=60)
    else:
        pairs = datasets.folder(data) if Path(data).is_dir() else datasets.csv(data)
    labels = [label for _, label in pairs]
    train, test = split(to_targets(labels, class_order(labels, None)), 0.25, random_state=0)
    training_pairs, held_out = [pairs[i] for i in train], [pairs[i] for i in test]

    config = complete_config([path for path, _ in training_pairs])
    assert config.n_samples and config.sr  # complete_config sets both
    seconds = config.n_samples / config.sr
    epochs = int(np.clip(TRAINING_BUDGET / (len(pairs) * seconds), 5, 100))
    echo(
        f"Training on {len(train)} clips of {len(set(labels))} classes for {epochs} epochs, with inputs of"
        f" {seconds:.1f} s (the middle of longer clips); {len(test)} clips are held out …"
    )
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(
        training_pairs,
        output / "model",
        batch_size=16,
        epochs=epochs,
        feature_config=config,
        validation_pairs=held_out,
        progress=progress,
    )
    viz.plot_history(history, output / "training.png")

    report = classifier.evaluate(held_out)
    echo(f"\nResults on the {len(test)} held-out clips:\n\n{report}")
    viz.plot_confusion(report, output / "confusion.png")

    echo("\nPredicted labels (predict_class):")
    unusable = {path for path, _ in [*classifier.skipped, *report.skipped]}
    clips = [pair for pair in held_out if pair[0] not in unusable]
    for path, label in clips[:: max(1, len(clips) // 6)][:6]:
        echo(f"  {Path(path).name:<28} {label:<16} -> {classifier.predict_class(path)}")
    example = clips[0][0]
    spectrogram = load_features(example, classifier.feature_config)
    viz.plot_spectrogram(spectrogram, classifier.feature_config, output / "spectrogram.png")

    encodings = zip(classifier.encode_many(path for path, _ in clips), clips)
    encoded = [(encoding.vector, label) for encoding, (_, label) in encodings if encoding.vector is not None]
    vectors, encoded_labels = np.stack([vector for vector, _ in encoded]), [label for _, label in encoded]
    viz.plot_embedding(vectors, encoded_labels, output / "embedding.png")
    echo(f"\nEmbeddings (encode_audio): {len(vectors)} vectors of length {vectors.shape[1]}")

    search = Cifar10AudioSearch(classifier=classifier)
    search.index_many(path for path, _ in training_pairs)
    search.save(output / "index")
    indexed_label_of = dict(training_pairs)
    neighbours = search.query(example, top_k=5)
    echo(
        f"\nThe {len(neighbours)} of {len(search)} training clips most similar to {Path(example).name} (query), with"
        " their distances:"
    )
    for neighbour in neighbours:
        echo(f"  {neighbour.distance:.3f}  {_short_path(neighbour.path)}")
    found = [[indexed_label_of[n.path] for n in search.query_vector(vector, top_k=5)] for vector in vectors]
    precision = precision_at_k(encoded_labels, found, 5)
    echo(f"  precision at 5 over all held-out clips: {100 * precision:.0f}%")

    recommender = Cifar10AudioRecommender(classifier=classifier)
    recommender.load(output / "index")
    for path, _ in clips[:2]:
        recommender.track(path)
    echo(f"\nRecommendations after listening to {' and '.join(Path(path).name for path, _ in clips[:2])} (recommend):")
    for recommendation in recommender.recommend(limits=3):
        echo(f"  {_short_path(recommendation.path)}")

    _predict_bundled([path for path, _ in clips[:3]], echo)

    figures = {
        "clips": len(pairs),
        "classes": len(set(labels)),
        "epochs": epochs,
        "accuracy": report.accuracy,
        "precision_at_5": float(precision),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(output / "demo.json", figures)
    echo(f"\nDone in {figures['seconds']:.0f} s. The model, the index and four plots are in {output}")
    return figures


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
        echo(f"  {Path(path).name:<28} {text}")


def _short_path(path: str) -> str:
    """Return class folder and name: files in several folders may have the same name."""
    return "/".join(Path(path).parts[-2:])
