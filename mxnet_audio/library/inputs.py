"""Inputs of the networks: features for an input shape, and the input shape for features."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from mxnet_audio import training
from mxnet_audio.data.transforms import Features, ToImage, Transform
from mxnet_audio.errors import AudioError, FeatureError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models import NETWORKS, EncoderNet, SequenceNet, check_shape, default_features

__all__ = [
    "choose_features",
    "features_for_shape",
    "input_shape_of",
    "network_input",
    "stream_features",
    "window_features",
]


LENGTHS = ("n_frames", "audio_file_length_limit_in_s")  # fields of feature configurations


def network_input(config: AudioFeatureConfig) -> list[Transform]:
    """Return the transforms from a sound to the input of a network [shape=(1, bands, frames)]."""
    return [Features(config), ToImage(config.time_axis)]


def choose_features(
    network: str,
    sounds: Sequence[Any],
    input_shape: tuple[int, int, int] | None = None,
    feature_config: AudioFeatureConfig | None = None,
    published: AudioFeatureConfig | None = None,
) -> AudioFeatureConfig:
    """Choose the features to train a network with.

    Parameters
    ----------
    network : str
        Name of the network.
    sounds : sequence
        Clips to train on, each as `mxnet_audio.audio.load` takes it.
    input_shape : tuple of int [(1, bands, frames)], optional
        Shape of the input; not used if `feature_config` is given.
    feature_config : AudioFeatureConfig, optional
        Features; the network's default features if neither this nor `input_shape` is given.
    published : AudioFeatureConfig, optional
        Features of a whole window that the published weights of a `SequenceNet` take.

    Returns
    -------
    AudioFeatureConfig
        Complete: if no length is given, that of a typical clip, at most 29.12 s, or a window of a `SequenceNet`; if no
        rate is given, the most frequent one. See `training.complete_config`.

    Raises
    ------
    ParameterError
        If the input shape is invalid for the network, or the configuration is of another type, or differs from that of
        the published weights in more than its length.

    Examples
    --------
    >>> choose_features('m5', []).n_samples
    32000
    """
    if feature_config is None:
        if input_shape is not None:
            feature_config = features_for_shape(network, input_shape, published)
            return feature_config if published is None else _of_window(network, feature_config, published)
        feature_config = published or _open_features(network)
    if not isinstance(feature_config, AudioFeatureConfig):
        kind = type(feature_config).__name__
        raise FeatureError(f"feature_config must be an AudioFeatureConfig, as from_yaml returns it, got {kind}")
    if published is not None:
        return _of_window(network, feature_config, published)
    completed = training.complete_config(sounds, feature_config)
    if not issubclass(NETWORKS[network], EncoderNet):
        return completed
    if completed.identity() | {"n_frames": None} != _open_features(network).identity():
        raise ParameterError(f"feature_config of {network} may only set n_frames, since its weights fix the features")
    n_frames = max(config.n_frames or 0 for config in (completed, default_features(network)))
    return completed.model_copy(update={"n_frames": n_frames})


def _of_window(network: str, config: AudioFeatureConfig, published: AudioFeatureConfig) -> AudioFeatureConfig:
    """Return the features of a `SequenceNet` if they differ from those of a window in their length only, if at all."""
    found, expected = (
        {name: value for name, value in features.identity().items() if name not in LENGTHS}
        for features in (config, published)
    )
    if found != expected:
        reason = "may only set the length of the input, since published weights fix the features"
        raise ParameterError(f"feature_config of {network} {reason}")
    if config.time_axis == -1 and config.n_frames is None:
        return published
    if (config.n_samples or 0) > (published.n_samples or 0):
        raise ParameterError(f"feature_config of {network} must be of {published.n_samples} samples or fewer, a window")
    return config


def window_features(net: SequenceNet, published: AudioFeatureConfig) -> AudioFeatureConfig:
    """Return the features of a whole window, for the features that published weights take."""
    *_, frames = net.longest_input(net.architecture)
    if published.type == "raw":
        return published.model_copy(update={"audio_file_length_limit_in_s": net.window})
    return published.model_copy(update={"n_frames": frames})


def stream_features(net: EncoderNet | SequenceNet, config: AudioFeatureConfig) -> AudioFeatureConfig:
    """Return the features of windows of any length, for the features that a network was trained on."""
    if isinstance(net, EncoderNet):
        return config
    config = window_features(net, config)
    is_open = config.type != "raw" and net.fixed_steps is None
    return config.model_copy(update={"n_frames": None}) if is_open else config


def features_for_shape(
    network: str, input_shape: tuple[int, int, int], published: AudioFeatureConfig | None = None
) -> AudioFeatureConfig:
    """Return a network's features, with as many bands and frames, or samples, as make an input of this shape.

    They are those of its published weights, if given, otherwise the default ones.

    Raises
    ------
    ParameterError
        If the network cannot take such an input.
    """
    try:
        channels, bands, length = map(operator.index, input_shape)
    except (TypeError, ValueError):
        channels = bands = length = 0
    if channels != 1:
        raise FeatureError(f"input_shape must be (1, bands, frames), one channel, got {input_shape!r}")
    check_shape(network, input_shape)
    config = published or default_features(network)
    if issubclass(NETWORKS[network], EncoderNet | SequenceNet) and config.type != "raw":
        if config.shape[0] != bands:
            raise FeatureError(f"input_shape of {network} must have {config.shape[0]} bands, got {input_shape!r}")
        return config.model_copy(update={"n_frames": length})
    if config.type != "raw":
        return AudioFeatureConfig(**config.identity() | {"n_mels": bands, "n_frames": length})
    assert config.sr is not None  # raw features have a fixed rate
    limit = length / config.sr
    if int(limit * config.sr) < length:  # rounded down, and the limit counts whole samples
        limit = math.nextafter(limit, math.inf)
    return AudioFeatureConfig(**config.identity() | {"audio_file_length_limit_in_s": limit})


def _open_features(network: str) -> AudioFeatureConfig:
    """Return a network's default features; those of an encoder without the length of its patches."""
    config = default_features(network)
    return config.model_copy(update={"n_frames": None}) if issubclass(NETWORKS[network], EncoderNet) else config


def input_shape_of(network: str, config: AudioFeatureConfig) -> tuple[int, int, int]:
    """Return the shape of a network's input.

    Raises
    ------
    ParameterError
        If the shape is not the same for all sounds, or the network cannot take such an input.
    """
    bands, frames = config.shape[:: 1 if config.time_axis == -1 else -1]
    if bands is None or frames is None:
        shape = NETWORKS[network].input_format
        reason = f"set n_frames (or sr and a length limit) in feature_config; {network} takes {shape}"
        raise FeatureError(f"a network needs inputs of one size: {reason}")
    shape = (1, bands, frames)
    try:
        check_shape(network, shape)
    except AudioError as error:
        raise ParameterError(f"{config.type} features: {error.reason}") from None
    return shape
