"""One page that says how good a classifier is, and where it errs: no server, no network, nothing beside it."""

from __future__ import annotations

import base64
import contextlib
import datetime
import io
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import soundfile as sf
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from scipy.stats import binomtest
from tqdm import tqdm

import mxnet_audio
from mxnet_audio import audio, features, viz
from mxnet_audio.atomic import replacing
from mxnet_audio.audio.source import source_name
from mxnet_audio.errors import AudioError, ModelError
from mxnet_audio.inference.predictor import compare_predictions, labelled_pairs
from mxnet_audio.viz import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mxnet_audio.datasets.labels import Pairs
    from mxnet_audio.inference.predictor import Predictor
    from mxnet_audio.inference.results import Prediction
    from mxnet_audio.metrics import ClassificationReport

__all__ = ["write_report"]

log = logging.getLogger(__name__)

MISTAKES = 12  # 0.1 to 0.4 MB each
SECONDS = 10.0
PLAYED = 22050  # Hz
POINTS = 1000  # on the map; 0.3 kB each
SKIPPED = 100
SVG = "{http://www.w3.org/2000/svg}"


def write_report(
    classifier: Predictor,
    pairs: Pairs,
    directory: str | os.PathLike,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Path:
    """Measure a classifier on labelled clips, and write what it got right and wrong as one HTML page.

    The page holds a summary, the learning curves, the confusion matrix, figures by class, the mistakes that the
    classifier was surest of, each to be seen and heard, a map of the vectors, and the clips that could not be used.
    It needs nothing beside it, asks the network for nothing and runs no script: it can be sent by mail. It has 5 MB at
    most for ten classes: 12 mistakes with 10 s of sound each, 1,000 points on the map, 100 clips of those skipped.

    Parameters
    ----------
    classifier : AudioClassifier or OnnxAudioClassifier
        A trained one.
    pairs : iterable of (path, label)
        Clips, best those that were held out; labels that the model knows.
    directory : str or os.PathLike
        Where ``report.html`` is written; made if it is not there.
    settings : dict, optional
        How it was trained, to be told as it stands.
    progress : bool
        Whether to show progress bars, on standard error.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    DatasetError
        If a label is not known to the model, or no clip can be used.
    ModelError
        If there is no model yet, or the directory cannot be written to.

    Examples
    --------
    >>> from mxnet_audio import load_classifier                                   # doctest: +SKIP
    >>> write_report(load_classifier('./models'), pairs, './report')              # doctest: +SKIP
    PosixPath('report/report.html')
    """
    pairs = labelled_pairs(pairs, classifier.labels)
    path = Path(directory) / "report.html"
    with _kept_in(directory):
        path.parent.mkdir(parents=True, exist_ok=True)
    sounds = [sound for sound, _ in pairs]
    outputs = tqdm(classifier.forward_many(sounds), "clips", len(pairs), unit="clip", disable=not progress)
    judged = [(classifier.postprocess(output), output.vector) for output in outputs]
    report = compare_predictions(pairs, [answer for answer, _ in judged], classifier.labels)
    usable = [(pair, *answer) for pair, answer in zip(pairs, judged) if answer[0].error is None]
    history = getattr(classifier, "history", {})
    name = _namer([source_name(sound) for sound in sounds])
    text = _template().render(
        title=getattr(classifier, "network", "audio classifier"),
        facts=_facts(classifier, report),
        settings={key: _told(value) for key, value in (settings or {}).items()},
        features={key: _told(value) for key, value in classifier.feature_config.identity().items()},
        curves=_picture(viz.plot_history(history)) if history.get("loss_train") else None,
        epochs=len(history.get("loss_train", ())),
        held_out=bool(history.get("loss_test")),
        accuracy_line=_accuracy(report),
        confusion=_picture(viz.plot_confusion(report)),
        wide=len(report.labels) > 15,
        classes=_classes(report),
        mistakes=_mistakes(usable, classifier, name),
        seconds=round(SECONDS),
        part=_part(classifier),
        n_wrong=report.n_clips - int(np.trace(report.confusion)),
        map=_map(usable, name),
        points=min(POINTS, len(usable)),
        skipped=[(name(path), printable(error.reason)) for path, error in report.skipped[:SKIPPED]],
        n_skipped=len(report.skipped),
        version=mxnet_audio.__version__,
        date=datetime.date.today().isoformat(),
    )
    with _kept_in(directory), replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
    log.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    return path


@contextlib.contextmanager
def _kept_in(directory: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(f"a report cannot be kept here ({error.strerror})", directory) from error


def _template():
    # What is not told here fails, and what is told is text, never a part of the page.
    loader = PackageLoader("mxnet_audio.viz")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html")


def _facts(classifier: Predictor, report: ClassificationReport) -> dict[str, str]:
    largest = int(report.confusion.sum(axis=1).max())
    shape = " x ".join(map(str, classifier.feature_config.shape))
    return {
        "accuracy": _accuracy(report),
        "by guessing": f"{100 * largest / report.n_clips:.1f}%, always the most frequent class",
        "clips": f"{report.n_clips:,} measured, {len(report.skipped):,} left out",
        "classes": str(len(report.labels)),
        "features": f"{classifier.feature_config.type}, {shape}, {classifier.feature_config.sr} Hz",
        "model": classifier.model_id,
    }


def _accuracy(report: ClassificationReport) -> str:
    right = int(np.trace(report.confusion))
    # Wilson's: it stays within 0 and 1, and is right for few clips and for accuracies near 1.
    interval = binomtest(right, report.n_clips).proportion_ci(0.95, method="wilson")
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * report.accuracy:.1f}% ({right} of {report.n_clips}; 95% interval {low:.1f} to {high:.1f}%)"


def _classes(report: ClassificationReport) -> list[dict]:
    """Rows of the table: figures of each class, and what it is taken for most often."""
    rows = []
    for row, counts in zip(report.per_class, report.confusion):
        own = report.labels.index(row["label"])
        wrong = np.where(np.arange(len(counts)) == own, 0, counts)
        other = f"{report.labels[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else ""
        rows.append({**row, "label": printable(row["label"]), "other": printable(other)})
    return rows


def _mistakes(usable: Sequence[tuple[tuple, Prediction, np.ndarray]], classifier: Predictor, name) -> list[dict]:
    """The wrong answers that the classifier was surest of, with what can be seen and heard of each."""
    labels, part = classifier.labels, _part(classifier)
    wrong = [(pair, answer) for pair, answer, _ in usable if answer.label != pair[1]]
    wrong.sort(key=lambda item: -float(item[1].probabilities.max()))
    shown = []
    for (sound, label), answer in wrong[:MISTAKES]:
        likely = np.argsort(-answer.probabilities, kind="stable")[:3]
        entry = {
            "name": name(source_name(sound)),
            "label": printable(label),
            "answer": printable(answer.label),
            "probability": f"{100 * answer.probabilities.max():.0f}%",
            "true_probability": f"{100 * answer.probabilities[labels.index(label)]:.1f}%",
            "likely": ", ".join(f"{printable(labels[i])} {100 * answer.probabilities[i]:.0f}%" for i in likely),
        }
        try:
            y, sr = _excerpt(sound, part)
            shown.append(entry | {"sound": _player(y, sr), "picture": _spectrogram(y, sr), "error": None})
        except AudioError as error:  # it was read a moment ago: somebody has taken it away
            shown.append(entry | {"error": printable(error.reason)})
    return shown


def _part(classifier: Predictor) -> str:
    """The part of a longer sound that the network hears: its middle or its start."""
    config = classifier.feature_config
    return "middle" if config.time_axis == -1 or classifier.views > 1 else config.crop


def _excerpt(sound: Any, part: str) -> tuple[np.ndarray, int]:
    y, sr = audio.load(sound)
    length = min(len(y), round(SECONDS * sr))
    start = (len(y) - length) // 2 if part == "middle" else 0
    y = audio.resample(y[start : start + length], sr, PLAYED)
    return np.clip(y, -1, 1), PLAYED


def _player(y: np.ndarray, sr: int) -> str:
    """Sound as a data URI: MP3, which every browser plays, where libsndfile can write it, else FLAC."""
    kind = "MP3" if "MP3" in sf.available_formats() else "FLAC"
    file = io.BytesIO()
    with sf.SoundFile(file, "w", sr, 1, format=kind) as stream:
        for start in range(0, len(y), sr):  # libsndfile's coders overflow their stack where they are given much at once
            stream.write(y[start : start + sr])
    return _uri("audio/mpeg" if kind == "MP3" else "audio/flac", file.getvalue())


def _spectrogram(y: np.ndarray, sr: int) -> str:
    config = features.AudioFeatureConfig(sr=sr, n_fft=1024, hop_length=512, n_mels=64)
    figure = viz.plot_spectrogram(features.extract(y, sr, config), config)
    figure.set_size_inches(6, 2.6)
    figure.set_dpi(100)
    return _picture(figure, "webp")


def _map(usable: Sequence[tuple[tuple, Prediction, np.ndarray]], name) -> Markup | None:
    """The vectors on a plane as SVG, each with the name of its clip and what it was taken for; None for one clip."""
    chosen = [usable[i] for i in np.unique(np.linspace(0, len(usable) - 1, min(POINTS, len(usable))).astype(int))]
    points = [
        (vector, label, f"{name(source_name(sound))}: {label}" + _taken(answer, label))
        for (sound, label), answer, vector in chosen
    ]
    if len(points) < 2:
        return None
    vectors, labels, titles = zip(*points)
    figure = viz.plot_embedding(np.stack(vectors), labels)
    for number, collection in enumerate(figure.axes[0].collections):
        collection.set_gid(f"class-{number}")
    file = io.BytesIO()
    viz.save(figure, file, "svg")
    ElementTree.register_namespace("", SVG[1:-1])
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    svg = ElementTree.fromstring(file.getvalue())
    for number, label in enumerate(sorted(set(labels), key=str)):
        dots = svg.findall(f".//{SVG}g[@id='class-{number}']//{SVG}use")
        for dot, title in zip(dots, (title for title, of in zip(titles, labels) if of == label)):
            tip = ElementTree.Element(f"{SVG}title")
            tip.text = printable(title)
            dot.insert(0, tip)
    if (metadata := svg.find(f"{SVG}metadata")) is not None:
        svg.remove(metadata)
    svg.set("role", "img")
    svg.set("aria-label", "Map of the vectors: a point for each clip, its class by colour and shape")
    for measure in ("width", "height"):
        svg.attrib.pop(measure, None)  # as wide as the page
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def _taken(answer: Prediction, label: Any) -> str:
    return "" if answer.label == label else f", taken for {answer.label}"


def _picture(figure: Figure, kind: str = "svg") -> str:
    file = io.BytesIO()
    viz.save(figure, file, kind)
    return _uri("image/svg+xml" if kind == "svg" else f"image/{kind}", file.getvalue())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _namer(paths: Sequence[str | None]):
    """A function that names files briefly: without the folders that all of them are in."""
    folders = {os.path.dirname(os.path.abspath(os.fsdecode(path))) for path in paths if path}  # noqa: PTH100, PTH120
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # none, or on several drives
        common = None

    def name(path: str | os.PathLike | None) -> str:
        if path is None:
            return "sound without a name"
        path = os.fsdecode(path)
        if common and os.path.isabs(path) and path.startswith(os.path.join(common, "")):  # noqa: PTH117, PTH118
            path = os.path.relpath(path, common)
        return printable(path)

    return name


def _told(value: Any) -> str:
    return printable(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)
