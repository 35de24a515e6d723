"""Parts of the page as HTML, in which names and labels are text."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from mxnet_audio.viz import printable

if TYPE_CHECKING:
    from mxnet_audio.search.entries import Entry
    from mxnet_audio.serve.catalogue import FolderCatalogue

__all__ = ["IndexMap", "MapPoint", "MapPoints", "labels_text", "render", "sound_figure"]

MAX_POINTS = 500  # of the map
WIDTH, HEIGHT, MARGIN = 100, 50, 4  # of the map
SPECTROGRAM_FRAMES = 600

_environment = Environment(
    loader=PackageLoader("mxnet_audio.serve"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["printable"] = printable


def render(part: str, **values: Any) -> str:
    """Return the HTML of a part of the page: a macro of the template, whose values are escaped."""
    return str(getattr(_environment.get_template("page.html").module, part)(**values))


def labels_text(classifier: Any) -> str:
    """Return the line above the labels of a model: if it chooses one of its classes, that it always does so."""
    text = "What the model takes the sound for, with probabilities."
    if classifier is None or _multi_label(classifier):
        return text
    return f"{text} It chooses one of its {len(classifier.labels)} classes, for any sound."


def _multi_label(classifier: Any) -> bool:
    """Return True if several labels of a model can apply to one sound."""
    description = getattr(classifier, "description", None)  # of an .onnx file
    return classifier.thresholds is not None if description is None else description.multi_label


def sound_figure(samples: np.ndarray, rate: int) -> str:
    """Return the waveform and the spectrogram of a sound over one axis of time, as a data URI.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
    rate : int [Hz]
    """
    from matplotlib.figure import Figure

    seconds = len(samples) / rate
    figure = Figure(figsize=(5.6, 3.4), dpi=150)
    margins = {"left": 0.1, "right": 0.96, "bottom": 0.13, "top": 0.98, "hspace": 0.1}
    wave, spectrogram = figure.subplots(2, sharex=True, height_ratios=(1, 2), gridspec_kw=margins)
    low, high = _envelope(samples)
    wave.fill_between(np.linspace(0, seconds, len(low)), low, high, color="#332288", linewidth=0.6)
    wave.set(xlim=(0, seconds))
    levels, hertz = _spectrogram(samples, rate)
    extent = (0, seconds, 0, hertz / 1000)
    spectrogram.imshow(levels, origin="lower", aspect="auto", cmap="magma", extent=extent)
    spectrogram.set(xlabel="time (s)", ylabel="frequency (kHz)")
    file = io.BytesIO()
    figure.savefig(file, format="webp")  # a tenth of a PNG
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _envelope(samples: np.ndarray, columns: int = 1200) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest sample in each of at most `columns` equal parts."""
    edges = np.unique(np.linspace(0, len(samples), min(columns, len(samples)) + 1).astype(int)[:-1])
    return np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)


def _spectrogram(samples: np.ndarray, rate: int) -> tuple[np.ndarray, float]:
    """Return at most 600 frames [dB, shape=(bins, frames)], not below the loudest by 80 dB; and the top [Hz]."""
    from mxnet_audio.features import power_to_db

    size = 1024 if rate > 12000 else 512
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    starts = np.linspace(0, len(padded) - size, min(SPECTROGRAM_FRAMES, 1 + (len(padded) - size) // (size // 4)))
    frames = np.stack([padded[start : start + size] for start in starts.astype(int)]) * np.hanning(size)
    power = np.abs(np.fft.rfft(frames.astype(np.float32))) ** 2
    levels = power_to_db(np.maximum(power, 1e-10))
    return np.maximum(levels, levels.max() - 80).T, rate / 2


class MapPoint(NamedTuple):
    """Point of a map: its coordinates in the figure, and its text."""

    x: float
    y: float
    name: str


class MapPoints(NamedTuple):
    """Points of a map: those of the index, those of its sounds that were chosen, and that of the query."""

    points: list[MapPoint]
    chosen: list[MapPoint]
    query: MapPoint
    width: int = WIDTH
    height: int = HEIGHT


class IndexMap:
    """Map of the sounds of an index: their vectors on the two principal components, computed once.

    Of a large index, 500 sounds are shown.

    Parameters
    ----------
    catalogue : FolderCatalogue
        Catalogue of the index.
    """

    def __init__(self, catalogue: FolderCatalogue):
        self.catalogue = catalogue
        self._lock = threading.Lock()
        self._plane: _Plane | None = None

    def points(self, query: np.ndarray, entries: Iterable[Entry]) -> MapPoints | None:
        """Return the points of a query and of some entries among those of the index; None of less than three sounds."""
        with self._lock:
            if self._plane is None:
                self._plane = self._fitted()
        plane = self._plane
        if len(plane.names) < 3:
            return None
        names, chosen = self._found(entries)
        others = (self._scaled(np.stack([query, *chosen])) - plane.mean) @ plane.axes.T
        everything = np.concatenate([plane.points, others])
        low, high = everything.min(axis=0), everything.max(axis=0)
        size = np.array([WIDTH, HEIGHT])
        scale = ((size - 2 * MARGIN) / np.maximum(high - low, 1e-12)).min()  # the same in both directions

        def placed(points: np.ndarray, names: Sequence[str]) -> list[MapPoint]:
            places = (points - (low + high) / 2) * scale + size / 2
            return [MapPoint(x, y, name) for (x, y), name in zip(places.round(2).tolist(), names)]

        (query_point,) = placed(others[:1], ["this sound"])
        return MapPoints(placed(plane.points, plane.names), placed(others[1:], names), query_point)

    def _fitted(self) -> _Plane:
        """Compute the principal components of the index, or of equally spaced ones of its sounds."""
        entries = self.catalogue.index.entries
        names, vectors = self._found(entries[:: max(1, -(-len(entries) // MAX_POINTS))])
        table = self._scaled(np.stack(vectors)) if vectors else np.zeros((0, 1), np.float32)
        mean = table.mean(axis=0) if vectors else np.zeros(1, np.float32)
        axes = np.zeros((2, table.shape[1]), np.float32)
        found = np.linalg.svd(table - mean, full_matrices=False)[2][:2]
        axes[: len(found)] = found
        return _Plane(mean, axes, (table - mean) @ axes.T, names)

    def _found(self, entries: Iterable[Entry]) -> tuple[list[str], list[np.ndarray]]:
        """Return the names and the vectors of those entries that are in the index."""
        index = self.catalogue.index
        with index.lock:
            # By their real paths: others may be relative to a folder that is not the present one.
            found = [(entry, index.vector(entry.real)) for entry in entries if entry.real in index]
        return [self.catalogue.name_of(entry) for entry, _ in found], [vector for _, vector in found]

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors of length 1, where only their angles are compared."""
        if self.catalogue.index.metric != "cosine":
            return vectors
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


class _Plane(NamedTuple):
    """Plane of a map: mean [shape=(dim,)], axes [shape=(2, dim)], points [shape=(n, 2)] and their names."""

    mean: np.ndarray
    axes: np.ndarray
    points: np.ndarray
    names: list[str]
