"""Figures and sound that are embedded in an HTML page: data URIs and SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import soundfile as sf
from markupsafe import Markup

from mxnet_audio import audio
from mxnet_audio.features import AudioFeatureConfig, extract
from mxnet_audio.viz.embedding import plot_embedding
from mxnet_audio.viz.figure import printable, save
from mxnet_audio.viz.spectrogram import plot_spectrogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["embedding_svg", "excerpt", "figure_uri", "sound_uri", "spectrogram_uri"]

SAMPLE_RATE = 22050  # Hz
SVG = "{http://www.w3.org/2000/svg}"


def excerpt(sound: Any, seconds: float, part: str) -> tuple[np.ndarray, int]:
    """Load the start or the middle of a sound; return samples [shape=(n,)] between -1 and 1, and their rate [Hz]."""
    y, sr = audio.load(sound)
    length = min(len(y), round(seconds * sr))
    start = (len(y) - length) // 2 if part == "middle" else 0
    y = audio.resample(y[start : start + length], sr, SAMPLE_RATE)
    return np.clip(y, -1, 1), SAMPLE_RATE


def sound_uri(y: np.ndarray, sr: int) -> str:
    """Return samples as a data URI: MP3, which every browser plays, or FLAC if libsndfile cannot write MP3."""
    kind = "MP3" if "MP3" in sf.available_formats() else "FLAC"
    file = io.BytesIO()
    with sf.SoundFile(file, "w", sr, 1, format=kind) as stream:
        for start in range(0, len(y), sr):  # libsndfile's coders overflow their stack if they get much at a time
            stream.write(y[start : start + sr])
    return _uri("audio/mpeg" if kind == "MP3" else "audio/flac", file.getvalue())


def spectrogram_uri(y: np.ndarray, sr: int) -> str:
    """Return the log-mel spectrogram of samples as a data URI."""
    config = AudioFeatureConfig.model_validate({"sr": sr, "n_fft": 1024, "hop_length": 512, "n_mels": 64})
    figure = plot_spectrogram(extract(y, sr, config), config)
    figure.set_size_inches(6, 2.6)
    figure.set_dpi(100)
    return figure_uri(figure, "webp")


def figure_uri(figure: Figure, format: str = "svg") -> str:
    """Return a figure as a data URI."""
    file = io.BytesIO()
    save(figure, file, format)
    return _uri("image/svg+xml" if format == "svg" else f"image/{format}", file.getvalue())


def embedding_svg(vectors: np.ndarray, labels: Sequence[Hashable], titles: Sequence[str]) -> Markup:
    """Return a map of embeddings as SVG, where each point has a title.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d)]
        Embeddings.
    labels : sequence [n] of str or int
        Class of each embedding.
    titles : sequence [n] of str
        Text that is shown at each point.
    """
    figure = plot_embedding(vectors, labels)
    for number, collection in enumerate(figure.axes[0].collections):
        collection.set_gid(f"class-{number}")
    file = io.BytesIO()
    save(figure, file, "svg")
    ElementTree.register_namespace("", SVG[1:-1])
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    svg = ElementTree.fromstring(file.getvalue())
    for number, name in enumerate(sorted(set(labels), key=str)):
        points = svg.findall(f".//{SVG}g[@id='class-{number}']//{SVG}use")
        for point, title in zip(points, (title for title, label in zip(titles, labels) if label == name)):
            element = ElementTree.Element(f"{SVG}title")
            element.text = printable(title)
            point.insert(0, element)
    if (metadata := svg.find(f"{SVG}metadata")) is not None:
        svg.remove(metadata)
    svg.set("role", "img")
    svg.set("aria-label", "Map of the embeddings: a point for each clip, its class shown by color and shape")
    for size in ("width", "height"):
        svg.attrib.pop(size, None)  # the width of the page
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def _uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
