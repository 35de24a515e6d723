"""Report on a classifier: its measures and its mistakes in one HTML page, without a server or further files."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from scipy.stats import binomtest
from tqdm import tqdm

import mxnet_audio
from mxnet_audio import viz
from mxnet_audio.atomic import replacing
from mxnet_audio.audio.source import source_name
from mxnet_audio.datasets.labels import label_text
from mxnet_audio.errors import AudioError, ModelError
from mxnet_audio.inference.evaluation import compare_predictions, labelled_pairs
from mxnet_audio.metrics import MultiLabelReport
from mxnet_audio.viz import printable
from mxnet_audio.viz.embedded import embedding_svg, excerpt, figure_uri, sound_uri, spectrogram_uri

if TYPE_CHECKING:
    from mxnet_audio.datasets.labels import Label, Pairs
    from mxnet_audio.inference.predictor import Predictor
    from mxnet_audio.metrics import ClassificationReport

__all__ = ["write_report"]

# Bounds of the page's size.
MAX_MISTAKES = 12  # 0.1 to 0.4 MB each
MAX_SECONDS = 10.0  # of the sound of a mistake
MAX_POINTS = 1000  # of the map; 0.3 kB each
MAX_SKIPPED = 100


@dataclass(frozen=True)
class _Clip:
    """Clip that was measured, its label (several are a frozenset), and what the classifier computed for it."""

    sound: Any
    label: Any
    prediction: Any
    probabilities: np.ndarray
    vector: np.ndarray


def write_report(
    classifier: Predictor,
    pairs: Pairs,
    directory: str | os.PathLike,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: bool = False,
    skipped: list[tuple[str, Exception]] | None = None,
    label_separator: str | None = None,
) -> Path:
    """Measure a classifier on labelled clips, and write a report as one HTML page.

    The page has a summary, the learning curves, the confusion matrix, measures by class, the most confident mistakes
    with spectrogram and sound, a map of the embeddings, and the clips that could not be used. It needs no other files,
    loads nothing from the network and runs no scripts, so it can be sent by mail. With several labels a clip, there is
    no confusion matrix; the measures by class include threshold and average precision. Its size is at most 5 MB for ten
    classes, with 12 mistakes of 10 s each, 1,000 points on the map, and 100 skipped clips.

    Parameters
    ----------
    classifier : AudioClassifier or OnnxAudioClassifier
        Trained classifier.
    pairs : iterable of (path, label)
        Clips with labels of the model, best those that were held out.
    directory : str or os.PathLike
        Directory of ``report.html``; created if missing.
    settings : dict, optional
        Training settings, which are listed in the report.
    progress : bool
        Show a progress bar on standard error.
    skipped : list of (path, Exception), optional
        List to which the clips that cannot be used, and their errors, are added.
    label_separator : str, optional
        Text between the labels of a clip, as for `fit`; only if clips can have several labels.

    Returns
    -------
    Path
        Path of the page.

    Raises
    ------
    DatasetError
        If a label is unknown to the model, or no clip can be used.
    ModelError
        If there is no model yet, or the directory cannot be written to.

    Examples
    --------
    >>> from mxnet_audio import load_classifier                                   # doctest: +SKIP
    >>> write_report(load_classifier('./models'), pairs, './report')              # doctest: +SKIP
    PosixPath('report/report.html')
    """
    several = classifier.thresholds is not None
    pairs = labelled_pairs(pairs, classifier.labels, multi_label=several, label_separator=label_separator)
    path = Path(directory) / "report.html"
    with _naming(directory):
        path.parent.mkdir(parents=True, exist_ok=True)
    sounds = [sound for sound, _ in pairs]
    outputs = list(tqdm(classifier.forward_many(sounds), "clips", len(pairs), unit="clip", disable=not progress))
    predictions = [classifier.postprocess(output) for output in outputs]
    report = compare_predictions(pairs, predictions, classifier.labels, classifier.thresholds)
    clips = [
        _Clip(sound, label, _as_set(prediction.label), output.probabilities, output.vector)
        for (sound, label), prediction, output in zip(pairs, predictions, outputs)
        if prediction.label is not None and output.probabilities is not None and output.vector is not None
    ]
    history = getattr(classifier, "history", {})
    measure = "mean average precision" if several else "accuracy"
    name = _namer([source_name(sound) for sound in sounds])
    text = _template().render(
        title=getattr(classifier, "network", "audio classifier"),
        facts={**_measures(report), **_facts(classifier, report)},
        settings={key: _text(value) for key, value in (settings or {}).items()},
        features={key: _text(value) for key, value in classifier.feature_config.identity().items()},
        curves=figure_uri(viz.plot_history(history, measure=measure)) if history.get("loss_train") else None,
        measure=measure,
        epochs=len(history.get("loss_train", ())),
        held_out=bool(history.get("loss_test")),
        several=several,
        **_confusion(report),
        mistakes=_mistakes(clips, classifier, name),
        seconds=round(MAX_SECONDS),
        part=_part(classifier),
        n_wrong=sum(clip.prediction != clip.label for clip in clips),
        map=_map(clips, name),
        points=min(MAX_POINTS, len(clips)),
        skipped=[(name(path), _reason(error)) for path, error in report.skipped[:MAX_SKIPPED]],
        n_skipped=len(report.skipped),
        version=mxnet_audio.__version__,
        date=datetime.date.today().isoformat(),
    )
    with _naming(directory), replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
    if skipped is not None:
        skipped += report.skipped
    return path


@contextlib.contextmanager
def _naming(directory: str | os.PathLike) -> Iterator[None]:
    """Raise errors of the operating system as ModelError with the directory's name."""
    try:
        yield
    except OSError as error:
        raise ModelError(f"the report cannot be written here ({error.strerror})", directory) from error


def _template() -> Template:
    # Undefined names are errors, and values are text, never HTML.
    environment = Environment(
        loader=PackageLoader("mxnet_audio.viz"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _as_set(label: Any) -> Any:
    """Return predicted labels as a frozenset, like the true ones; a single label as it is."""
    return frozenset(label) if isinstance(label, tuple) else label


def _measures(report: ClassificationReport | MultiLabelReport) -> dict[str, str]:
    """Return the measures in the summary, the main one first."""
    if isinstance(report, MultiLabelReport):
        all_right = {"all labels right": f"{100 * report.exact_matches:.1f}% ({report.n_exact} of {report.n_clips})"}
        frequencies = [row["support"] / report.n_clips for row in report.per_class if row["support"]]
        if not frequencies:
            return {"mean average precision": "undefined, since no clip has a label", **all_right}
        return {
            "mean average precision": f"{100 * report.mean_average_precision:.1f}%",
            "baseline": f"{100 * np.mean(frequencies):.1f}%, the mean frequency of a label, for random scores",
            "F1": f"micro {report.micro_f1:.3f}, macro {report.macro_f1:.3f}",
            **all_right,
        }
    largest = int(report.confusion.sum(axis=1).max())
    return {
        "accuracy": _accuracy(report),
        "baseline": f"{100 * largest / report.n_clips:.1f}%, if the most frequent class is always predicted",
    }


def _facts(classifier: Predictor, report: ClassificationReport | MultiLabelReport) -> dict[str, str]:
    """Return the further entries of the summary."""
    config = classifier.feature_config
    return {
        "clips": f"{report.n_clips:,} measured, {len(report.skipped):,} left out",
        "classes": str(len(report.labels)),
        "features": f"{config.type}, {' x '.join(map(str, config.shape))}, {config.sr} Hz",
        "model": classifier.model_id,
    }


def _confusion(report: ClassificationReport | MultiLabelReport) -> dict[str, Any]:
    """Return the confusion matrix, which several labels a clip do not have, and the rows of the table of classes."""
    if isinstance(report, MultiLabelReport):
        rows = [{**row, "label": printable(row["label"])} for row in report.per_class]
        return {"confusion": None, "classes": rows}
    return {
        "confusion": figure_uri(viz.plot_confusion(report)),
        "accuracy_line": _accuracy(report),
        "wide": len(report.labels) > 15,
        "classes": _classes(report),
    }


def _accuracy(report: ClassificationReport) -> str:
    correct = int(np.trace(report.confusion))
    # Wilson's interval stays within 0 and 1, and holds for few clips and for accuracies near 1.
    interval = binomtest(correct, report.n_clips).proportion_ci(0.95, method="wilson")
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * report.accuracy:.1f}% ({correct} of {report.n_clips}; 95% interval {low:.1f} to {high:.1f}%)"


def _classes(report: ClassificationReport) -> list[dict[str, Any]]:
    """Return the rows of the table: measures of each class, and the class that it is most often taken for."""
    rows = []
    for row, counts in zip(report.per_class, report.confusion):
        wrong = np.where(np.arange(len(counts)) == report.labels.index(row["label"]), 0, counts)
        other = f"{report.labels[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else ""
        rows.append({**row, "label": printable(row["label"]), "other": printable(other)})
    return rows


def _mistakes(clips: Sequence[_Clip], classifier: Predictor, name: Callable) -> list[dict[str, Any]]:
    """Return the most confident wrong predictions, with spectrogram and sound."""
    labels, part = classifier.labels, _part(classifier)
    wrong = [clip for clip in clips if clip.prediction != clip.label]
    wrong.sort(key=lambda clip: -_confidence(clip, classifier))
    entries = []
    for clip in wrong[:MAX_MISTAKES]:
        most_probable = np.argsort(-clip.probabilities, kind="stable")[:3]
        entry = {
            "name": name(source_name(clip.sound)),
            "label": printable(label_text(clip.label)),
            "prediction": printable(label_text(clip.prediction)),
            "most_probable": ", ".join(
                f"{printable(labels[i])} {100 * clip.probabilities[i]:.0f}%" for i in most_probable
            ),
        }
        if classifier.thresholds is None:
            entry["probability"] = f"{100 * clip.probabilities.max():.0f}%"
            entry["true_probability"] = f"{100 * clip.probabilities[labels.index(clip.label)]:.1f}%"
        else:
            entry["wrong"] = ", ".join(
                f"{printable(labels[i])} {100 * clip.probabilities[i]:.0f}% (threshold "
                f"{100 * classifier.thresholds[i]:.0f}%)"
                for i in _wrong_labels(clip, labels)[:3]
            )
        try:
            y, sr = excerpt(clip.sound, MAX_SECONDS, part)
            entries.append(entry | {"sound": sound_uri(y, sr), "spectrogram": spectrogram_uri(y, sr), "error": None})
        except AudioError as error:  # removed since it was measured
            entries.append(entry | {"error": _reason(error)})
    return entries


def _wrong_labels(clip: _Clip, labels: Sequence[Label]) -> list[int]:
    """Return the labels that a clip has, or was predicted to have, but not both."""
    return [index for index, label in enumerate(labels) if label in clip.label ^ clip.prediction]


def _confidence(clip: _Clip, classifier: Predictor) -> float:
    """Return the probability of the label; or, of several, the largest distance of a wrong one to its threshold."""
    if classifier.thresholds is None:
        return float(clip.probabilities.max())
    distances = np.abs(clip.probabilities - classifier.thresholds)
    return float(distances[_wrong_labels(clip, classifier.labels)].max())


def _part(classifier: Predictor) -> str:
    """Return the part of a longer sound that the network takes: 'middle' or 'start'."""
    config = classifier.feature_config
    return "middle" if classifier.views != 1 else config.kept_part


def _map(clips: Sequence[_Clip], name: Callable) -> Markup | None:
    """Return the map of the embeddings, each with the name of its clip and the wrong prediction; None for one clip."""
    chosen = [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, min(MAX_POINTS, len(clips))).astype(int))]
    if len(chosen) < 2:
        return None
    titles = [
        f"{name(source_name(clip.sound))}: {label_text(clip.label)}"
        + ("" if clip.prediction == clip.label else f", predicted: {label_text(clip.prediction)}")
        for clip in chosen
    ]
    labels = [label_text(clip.label) if isinstance(clip.label, frozenset) else clip.label for clip in chosen]
    return embedding_svg(np.stack([clip.vector for clip in chosen]), labels, titles)


def _namer(paths: Sequence[str | None]) -> Callable[[str | os.PathLike | None], str]:
    """Return a function that shortens paths by the folders that they have in common."""
    folders = {os.path.dirname(os.path.abspath(os.fsdecode(path))) for path in paths if path}  # noqa: PTH100, PTH120
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # no folder, or several drives
        common = None

    def name(path: str | os.PathLike | None) -> str:
        if path is None:
            return "sound without a name"
        path = os.fsdecode(path)
        if common and os.path.isabs(path) and path.startswith(os.path.join(common, "")):  # noqa: PTH117, PTH118
            path = os.path.relpath(path, common)
        return printable(path)

    return name


def _text(value: Any) -> str:
    return printable(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)


def _reason(error: Exception) -> str:
    return printable(getattr(error, "reason", error))
