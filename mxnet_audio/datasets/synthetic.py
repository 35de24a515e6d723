"""Synthetic corpus of ten classes, rendered with rooms, noise and background sounds, as files.

It replaces real recordings if there is no network, for example in the demo. It is difficult on purpose: the clips have
noise and reverberation, sometimes another class in the background, and some classes are similar (rain, wind and engines
are all noise; bells and strings both ring; clocks and footsteps both knock). The generators of the plain sounds are in
:mod:`mxnet_audio.datasets.synthesis`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import fftconvolve

from mxnet_audio.atomic import read_json, replacing, write_json
from mxnet_audio.checks import one_of, real_number, whole_number
from mxnet_audio.datasets.synthesis import GENERATORS, coloured_noise
from mxnet_audio.errors import DatasetError

__all__ = ["LABELS", "render", "synthesise"]

logger = logging.getLogger(__name__)

#: The ten classes, sorted.
LABELS: tuple[str, ...] = tuple(GENERATORS)

_RECIPE_FILE = "synthetic.json"
# To be raised if the sound of any clip changes, so that existing directories are rendered again.
_VERSION = 1


def _normalized(y: np.ndarray) -> np.ndarray:
    """Scale the sound to unit RMS of its loudest tenth, so that silence around short sounds does not count."""
    loud = np.partition(np.abs(y), -(y.size // 10))[-(y.size // 10) :]
    return y / (np.sqrt(np.mean(loud**2)) + 1e-12)


def _reverberated(rng: np.random.Generator, y: np.ndarray, sr: int) -> np.ndarray:
    """Add the reverberation of a random room; the length is unchanged."""
    reverberation, wet = rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.4)
    time = np.arange(int(0.6 * reverberation * sr) + 1) / sr
    tail = rng.standard_normal(time.size) * np.exp(-6.9 * time / reverberation)
    return y + wet * fftconvolve(y, tail / np.sqrt(np.sum(tail**2)))[: y.size]


def render(label: str, index: int, seed: int = 0, sr: int = 22050, seconds: float = 3.0) -> np.ndarray:
    """Render one clip.

    Parameters
    ----------
    label : str
        One of :data:`LABELS`.
    index : int >= 0
        Number of the clip in its class. A clip does not depend on the number of clips.
    seed : int >= 0
    sr : int > 0 [Hz]
    seconds : float > 0
        Duration [s].

    Returns
    -------
    np.ndarray [shape=(seconds * sr,), dtype=int16]

    Raises
    ------
    ParameterError
        If the label is unknown.

    Examples
    --------
    >>> y = render("bell", 0, seconds=0.5)
    >>> y.shape, str(y.dtype)
    ((11025,), 'int16')
    """
    one_of("label", label, LABELS)
    rng = np.random.default_rng(np.random.SeedSequence([seed, LABELS.index(label), index]))
    n = round(seconds * sr)
    y = _normalized(GENERATORS[label](rng, n, sr))
    # Half of the clips begin with silence.
    y = np.roll(y, onset := int(rng.choice([0.0, rng.uniform(0, 0.3)]) * n))
    y[:onset] = 0.0
    if rng.uniform() < 0.6:
        y = _normalized(_reverberated(rng, y, sr))
    if rng.uniform() < 0.25:
        other = LABELS[(LABELS.index(label) + int(rng.integers(1, len(LABELS)))) % len(LABELS)]
        y = y + 10 ** (rng.uniform(-20, -8) / 20) * _normalized(GENERATORS[other](rng, n, sr))
    y = y + 10 ** (-rng.uniform(10, 40) / 20) * coloured_noise(rng, n, rng.uniform(0, 2))
    peak = 10 ** (rng.uniform(-18, -1) / 20)
    return np.round(32767 * peak * y / (np.max(np.abs(y)) + 1e-12)).astype(np.int16)


def synthesise(
    directory: str | os.PathLike,
    clips_per_class: int = 30,
    seed: int = 0,
    sr: int = 22050,
    seconds: float = 3.0,
) -> list[tuple[str, str]]:
    """Write a corpus of 16-bit mono WAV files, with one folder per class.

    Existing clips are kept, so an interrupted call can be repeated to continue. The directory holds a record of seed,
    rate and duration; if these differ, all clips are rendered again.

    Parameters
    ----------
    directory : str or os.PathLike
        Created if it is missing.
    clips_per_class : int > 0
    seed : int >= 0
        The same seed gives the same clips.
    sr : int >= 4000 [Hz]
    seconds : float >= 0.25
        Duration of a clip [s].

    Returns
    -------
    list of (str, str)
        Path and label of every clip, sorted.

    Raises
    ------
    ParameterError
        If a number is out of range.
    DatasetError
        If the directory cannot be written, or it holds clips of these names that are not synthetic.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pairs = synthesise(folder, clips_per_class=1, sr=8000, seconds=0.5)
    >>> len(pairs), pairs[0][1]
    (10, 'bell')
    """
    clips_per_class, seed = whole_number("clips_per_class", clips_per_class), whole_number("seed", seed, 0)
    sr, seconds = whole_number("sr", sr, 4000), real_number("seconds", seconds, 0.25)
    directory = Path(directory)
    recipe = {"version": _VERSION, "seed": seed, "sr": sr, "seconds": seconds}
    try:
        _prepare_directory(directory, recipe)
        pairs = []
        for label in LABELS:
            for index in range(clips_per_class):
                path = directory / label / f"{label}_{index:04d}.wav"
                pairs.append((str(path), label))
                if not path.exists():
                    clip = render(label, index, seed, sr, seconds)
                    with replacing(path) as temporary:
                        sf.write(temporary, clip, sr, format="WAV", subtype="PCM_16")
    except (OSError, sf.LibsndfileError) as error:
        raise DatasetError(f"cannot write the synthetic corpus: {error}", directory) from error
    return pairs


def _prepare_directory(directory: Path, recipe: dict) -> None:
    """Create the folders, and delete clips of another recipe."""
    for label in LABELS:
        (directory / label).mkdir(parents=True, exist_ok=True)
    record = directory / _RECIPE_FILE
    try:
        existing = read_json(record)
    except (FileNotFoundError, ValueError):
        existing = None
    if existing == recipe:
        return
    clips = [path for label in LABELS for path in (directory / label).glob(f"{label}_*.wav")]
    if clips and not record.exists():
        raise DatasetError(f"{clips[0]} is not a synthetic clip: choose another directory", directory)
    if clips:
        logger.info("rendering the synthetic corpus in %s again: it was made with %s", directory, existing)
    # The old record is kept until its last clip is deleted, so a killed process cannot leave clips of two recipes.
    for path in clips:
        path.unlink()
    write_json(record, recipe)
