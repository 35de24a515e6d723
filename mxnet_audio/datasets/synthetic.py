"""A corpus made on the spot: ten kinds of sound in rooms, noise and each other's way.

It stands in for real recordings where there is no network: the demo trains on it, and so can anyone who
wants to see the whole path work in minutes. It is hard on purpose. Noise lies over the clips, rooms smear
them, and another class is sometimes heard behind; rain, wind and engines are all noise, bells and strings
both ring, clocks and footsteps both knock.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import fftconvolve

from mxnet_audio.atomic import replacing, write_json
from mxnet_audio.datasets.synthesis import GENERATORS, coloured_noise
from mxnet_audio.errors import DatasetError

__all__ = ["LABELS", "render", "synthesise"]

logger = logging.getLogger(__name__)

#: The ten classes, sorted.
LABELS: tuple[str, ...] = tuple(GENERATORS)

_RECIPE = "synthetic.json"
# Raise it when the sound of any clip changes, so that an old directory is made anew.
_VERSION = 1


def _levelled(y: np.ndarray) -> np.ndarray:
    """The sound at unit RMS of its loudest tenth: a tick is not made louder for the silence around it."""
    loud = np.partition(np.abs(y), -(y.size // 10))[-(y.size // 10) :]
    return y / (np.sqrt(np.mean(loud**2)) + 1e-12)


def _in_room(rng: np.random.Generator, y: np.ndarray, sr: int) -> np.ndarray:
    """The sound with the tail of a random room, of the same length."""
    reverberation, wet = rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.4)
    time = np.arange(int(0.6 * reverberation * sr) + 1) / sr
    tail = rng.standard_normal(time.size) * np.exp(-6.9 * time / reverberation)
    return y + wet * fftconvolve(y, tail / np.sqrt(np.sum(tail**2)))[: y.size]


def render(label: str, index: int, seed: int = 0, sr: int = 22050, seconds: float = 3.0) -> np.ndarray:
    """Make one clip.

    Parameters
    ----------
    label : str
        One of :data:`LABELS`.
    index : int >= 0
        Number of the clip in its class. How many others there are makes no difference to a clip.
    seed : int >= 0
    sr : int > 0 [Hz]
    seconds : float > 0

    Returns
    -------
    np.ndarray [shape=(seconds * sr,), dtype=int16]

    Raises
    ------
    DatasetError
        If the label is none of ours.

    Examples
    --------
    >>> y = render("bell", 0, seconds=0.5)
    >>> y.shape, str(y.dtype)
    ((11025,), 'int16')
    """
    if label not in GENERATORS:
        raise DatasetError(f"no sound is called {label!r}: there are {', '.join(LABELS)}")
    rng = np.random.default_rng(np.random.SeedSequence([seed, LABELS.index(label), index]))
    n = round(seconds * sr)
    y = _levelled(GENERATORS[label](rng, n, sr))
    # Half of the clips begin late.
    y = np.roll(y, onset := int(rng.choice([0.0, rng.uniform(0, 0.3)]) * n))
    y[:onset] = 0.0
    if rng.uniform() < 0.6:
        y = _levelled(_in_room(rng, y, sr))
    if rng.uniform() < 0.25:
        other = LABELS[(LABELS.index(label) + int(rng.integers(1, len(LABELS)))) % len(LABELS)]
        y = y + 10 ** (rng.uniform(-20, -8) / 20) * _levelled(GENERATORS[other](rng, n, sr))
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
    """Write ten folders of 16-bit mono WAV files, one folder a class.

    Clips that are already there are left alone, so a killed run goes on where it stopped and a finished one
    costs nothing. The directory remembers its seed, rate and length; asked for others, it is made anew.

    Parameters
    ----------
    directory : str or os.PathLike
        Made when missing.
    clips_per_class : int > 0
    seed : int >= 0
        The same seed gives the same clips.
    sr : int >= 4000 [Hz]
    seconds : float >= 0.25

    Returns
    -------
    list of (str, str)
        Path and label of every clip, sorted.

    Raises
    ------
    DatasetError
        If a number is out of range, the directory cannot be written, or it holds files of these names that
        were not made here.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pairs = synthesise(folder, clips_per_class=1, sr=8000, seconds=0.5)
    >>> len(pairs), pairs[0][1]
    (10, 'bell')
    """
    if clips_per_class < 1 or seed < 0 or sr < 4000 or seconds < 0.25:
        raise DatasetError(
            "wanted clips_per_class >= 1, seed >= 0, sr >= 4000 and seconds >= 0.25, "
            f"got {clips_per_class}, {seed}, {sr} and {seconds}"
        )
    directory = Path(directory)
    recipe = {"version": _VERSION, "seed": int(seed), "sr": int(sr), "seconds": float(seconds)}
    try:
        _claim(directory, recipe)
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


def _claim(directory: Path, recipe: dict) -> None:
    """Make the folders and leave in them only clips of this recipe."""
    for label in LABELS:
        (directory / label).mkdir(parents=True, exist_ok=True)
    marker = directory / _RECIPE
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        found = None
    if found == recipe:
        return
    clips = [path for label in LABELS for path in (directory / label).glob(f"{label}_*.wav")]
    if clips and not marker.exists():
        raise DatasetError(f"{clips[0]} was not made here: choose another directory", directory)
    if clips:
        logger.info("making the synthetic corpus in %s anew: it was made with %s", directory, found)
    # The old recipe stays until its last clip is gone, so a kill in between leaves nothing mixed.
    for path in clips:
        path.unlink()
    write_json(marker, recipe)
