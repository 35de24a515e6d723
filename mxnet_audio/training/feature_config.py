"""Feature configurations for training: completed from typical clips, and where a loader caches the features."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from mxnet_audio.audio import typical_length
from mxnet_audio.audio.headers import rates
from mxnet_audio.checks import path_argument
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models import MIN_INPUT_SIZE

__all__ = ["cache_options", "complete_config"]

log = logging.getLogger(__name__)

MAX_FRAMES = 1366  # 29.12 s at the default 12 kHz and hop of 256, the input of MusicTaggerCNN


def complete_config(paths: Sequence[str], config: AudioFeatureConfig | None = None) -> AudioFeatureConfig:
    """Fill in the sampling rate and the number of frames of a feature configuration from typical clips.

    A network needs inputs of one size at one rate. Where the configuration leaves them open, as the default one does,
    they are chosen by the headers of some hundred clips: ``sr`` is the most frequent rate, ``n_frames`` covers the
    median length, with at least 16 and at most 1366 frames (29.12 s of the default features). The choice of the rate
    is logged.

    Parameters
    ----------
    paths : sequence of str
        Clips. Those that cannot be read are ignored; without any, ``n_frames`` is 1366.
    config : AudioFeatureConfig, optional
        Configuration to complete. Default: log-mel.

    Returns
    -------
    AudioFeatureConfig
        A copy with ``sr`` and ``n_frames``. Values that are set remain, and so does the length of types without
        ``n_frames``, such as raw samples.

    Examples
    --------
    >>> complete_config(['missing.wav']).n_frames
    1366
    """
    config = config or AudioFeatureConfig()
    found: dict[str, int] = {}
    if config.sr is None and (counts := rates(paths)):
        found["sr"] = counts.most_common(1)[0][0]
        level = logging.WARNING if len(counts) > 1 else logging.INFO
        log.log(level, "sr is not set: features are computed at %d Hz, of the rates %s", found["sr"], sorted(counts))
    if config.time_axis == -1 and config.n_frames is None:
        seconds = typical_length(paths)
        frames = MAX_FRAMES if seconds is None else config.frames_in(seconds)
        found["n_frames"] = min(max(frames, MIN_INPUT_SIZE), MAX_FRAMES)
    return config.model_copy(update=found)


def cache_options(config: AudioFeatureConfig, cache: bool | str | os.PathLike) -> dict[str, Any]:
    """Return the arguments of `AudioLoader` for caching features: ``mode`` and ``cache_dir``.

    Parameters
    ----------
    config : AudioFeatureConfig
        A ``mode`` that is set here has precedence over ``cache=True``.
    cache : bool or str or os.PathLike
        Cache features on disk, in the default directory (True) or in this one, or not at all (False).

    Raises
    ------
    ParameterError
        If `cache` is of another type, or contradicts the ``mode`` of the configuration.

    Examples
    --------
    >>> cache_options(AudioFeatureConfig(), cache=True), cache_options(AudioFeatureConfig(), cache=False)
    ({'mode': 'lazy_cached', 'cache_dir': None}, {'mode': 'lazy', 'cache_dir': None})
    """
    if cache is not None and not isinstance(cache, bool):
        path_argument("cache", cache)
    mode = "lazy_cached" if cache else "lazy"
    if "mode" in config.model_fields_set:
        if cache is not True and mode != config.mode:
            raise ParameterError(f"cache={cache!r} contradicts mode={config.mode!r} of the feature configuration")
        mode = config.mode
    return {"mode": mode, "cache_dir": None if isinstance(cache, bool) else cache}
