"""The whole path on show: train, evaluate, label, embed, index, search, recommend, draw."""

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

# Clips times seconds times epochs: about two minutes of training on two cores.
BUDGET = 90_000


def run(
    output: str | os.PathLike,
    data: str | os.PathLike | None = None,
    say: Callable[[str], None] = log.info,
    progress: bool = True,
) -> dict:
    """Train on three quarters of a corpus, and try everything on the last quarter.

    Parameters
    ----------
    output : str or os.PathLike
        Folder for the model, the index and the pictures.
    data : str or os.PathLike, optional
        Folder of class folders, or CSV of ``path,label``; a corpus synthesised on the spot by default.
    say : callable
        Told what happens, a line or a table at a time.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    dict
        The figures, as they are also written to ``<output>/demo.json``.

    Raises
    ------
    DatasetError
        If the data cannot be trained on.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    if data is None:
        say("Synthesising ten kinds of sound …")
        pairs = synthesise(output / "sound", clips_per_class=60)
    else:
        pairs = datasets.folder(data) if Path(data).is_dir() else datasets.csv(data)
    labels = [label for _, label in pairs]
    train, test = split(to_targets(labels, class_order(labels, None)), 0.25, random_state=0)
    training_pairs, held_out = [pairs[i] for i in train], [pairs[i] for i in test]

    config = complete_config([path for path, _ in training_pairs])
    seconds = config.n_samples / config.sr
    epochs = int(np.clip(BUDGET / (len(pairs) * seconds), 5, 100))
    say(
        f"Training on {len(train)} clips of {len(set(labels))} classes, the middle {seconds:.1f} s of longer ones,"
        f" for {epochs} epochs; {len(test)} clips are held out …"
    )
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(
        training_pairs,
        output / "model",
        batch_size=16,
        epochs=epochs,
        feature_config=config,
        nb_classes=None,
        validation_pairs=held_out,
        progress=progress,
    )
    viz.plot_history(history, output / "training.png")

    report = classifier.evaluate(held_out)
    say(f"\nOn the {len(test)} clips that it has not heard:\n\n{report}")
    viz.plot_confusion(report, output / "confusion.png")

    say("\nSome labels (predict_class):")
    bad = {path for path, _ in [*classifier.skipped, *report.skipped]}
    some = [pair for pair in held_out if pair[0] not in bad]
    for path, label in some[:: max(1, len(some) // 6)][:6]:
        say(f"  {Path(path).name:<28} {label:<16} -> {classifier.predict_class(path)}")
    example = some[0][0]
    picture = load_features(example, classifier.feature_config)
    viz.plot_spectrogram(picture, classifier.feature_config, output / "spectrogram.png")

    encodings = [e for e in classifier.encode_many(path for path, _ in some) if e.error is None]
    names = dict(some)
    viz.plot_embedding(
        np.stack([e.vector for e in encodings]), [names[e.path] for e in encodings], output / "embedding.png"
    )
    say(f"\nVectors (encode_audio): {len(encodings)} of length {len(encodings[0].vector)}")

    search = Cifar10AudioSearch(classifier=classifier)
    search.index_many(path for path, _ in training_pairs)
    search.save(output / "index")
    known = dict(training_pairs)
    say(f"\nMost like {Path(example).name} among the {len(search)} training clips (query):")
    for neighbour in search.query(example, top_k=5):
        say(f"  {neighbour.distance:.3f}  {_short(neighbour.path)}")
    found = [[known[n.path] for n in search.query_vector(e.vector, top_k=5)] for e in encodings]
    precision = precision_at_k([names[e.path] for e in encodings], found, 5)
    say(f"  of the five nearest, {100 * precision:.0f}% are of the query's class, over all held-out clips")

    recommender = Cifar10AudioRecommender(classifier=classifier)
    recommender.load(output / "index")
    for path, _ in some[:2]:
        recommender.track(path)
    say(f"\nFor someone who heard {' and '.join(Path(path).name for path, _ in some[:2])} (recommend):")
    for recommendation in recommender.recommend(limits=3):
        say(f"  {_short(recommendation.path)}")

    _show_box([path for path, _ in some[:3]], say)

    figures = {
        "clips": len(pairs),
        "classes": len(set(labels)),
        "epochs": epochs,
        "accuracy": report.accuracy,
        "precision_at_5": float(precision),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(output / "demo.json", figures)
    say(f"\nDone in {figures['seconds']:.0f} s. The model, the index and four pictures are in {output}")
    return figures


def _show_box(paths: list[str], say: Callable[[str], None]) -> None:
    """Ask the models that come with a clone about the same files."""
    networks = [name for name in stored_models(BUNDLED_MODELS) if name in classifiers()]
    if not networks:
        return
    say(
        f"\nWhat the models in the box ({BUNDLED_MODELS}) hear in them, who know ten environmental sounds and nothing else:"
    )
    boxed = [load_classifier(BUNDLED_MODELS, name) for name in networks]
    for path in paths:
        heard = [(classifier.network, classifier.predict(path)) for classifier in boxed]
        told = ", ".join(f"{name} {said.label} ({100 * max(said.probabilities):.0f}%)" for name, said in heard)
        say(f"  {Path(path).name:<28} {told}")


def _short(path: str) -> str:
    """Class folder and name: names alone may be the same in several."""
    return "/".join(Path(path).parts[-2:])
