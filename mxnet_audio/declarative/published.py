"""Encoders with published weights in a declarative run: loaded by the configuration, and from a saved run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mxnet_audio import weights
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.encoders import PretrainedEncoder
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.model_store import Tensors
from mxnet_audio.pretrained import AudioEncoder
from mxnet_audio.weights.architecture import read_architecture

__all__ = ["describe_encoder", "load_encoders", "stored_weights"]

OPTIONS = "source=FOLDER, --source FOLDER"  # in messages on missing weights; a configuration has a key for it


def load_encoders(
    config: RunConfig,
    stored: Callable[[str], weights.Loaded | None] = lambda name: None,
    *,
    model_ctx: mx.Context,
    data_ctx: mx.Context,
) -> dict[str, AudioEncoder]:
    """Load the encoders of a configuration, by the name of the input feature; tied features share one.

    Parameters
    ----------
    config : RunConfig
    stored : callable
        Function from the name of a feature to the weights that a saved run holds; None for those of the configuration.
    model_ctx, data_ctx : mxnet.Context
        Device of the networks, and device on which batches are put first.

    Raises
    ------
    ModelError
        If the weights cannot be loaded.
    ParameterError
        If an encoder has no such layer, reduction or embedding.
    """
    encoders: dict[str, AudioEncoder] = {}
    features = {feature.name: feature for feature in config.input_features}
    for name, root in config.shared_encoders.items():
        settings: Any = features[root].encoder
        if not isinstance(settings, PretrainedEncoder):
            continue
        if root not in encoders:
            names = ("embedding", "layer", "reduce_output")
            encoder = AudioEncoder(
                settings.type,
                source=settings.pretrained_model_name_or_path,
                revision=settings.revision,
                use_pretrained=settings.use_pretrained,
                model_ctx=model_ctx,
                data_ctx=data_ctx,
                **{name: getattr(settings, name) for name in names if hasattr(settings, name)},
            )
            if (loaded := stored(root)) is not None:
                encoder._loaded = loaded
            try:
                encoders[root] = encoder.fit()
            except ModelError as error:
                key = f"{root}: encoder.pretrained_model_name_or_path: FOLDER"
                raise ModelError(error.reason.replace(OPTIONS, key), error.path) from error
        encoders[name] = encoders[root]
    return encoders


def describe_encoder(encoder: AudioEncoder) -> dict[str, Any]:
    """Return the entry of an encoder in the manifest of a run, from which `stored_weights` makes it again."""
    loaded = encoder.loaded
    return {
        "name": loaded.record.name,
        "architecture": None if loaded.architecture is None else loaded.architecture.model_dump(mode="json"),
        "features": None if loaded.features is None else loaded.features.identity(),
        "source": loaded.source,
        "revision": loaded.revision,
        "identity": loaded.identity,
    }


def stored_weights(entry: Mapping[str, Any], tensors: Tensors) -> weights.Loaded:
    """Return weights that a run holds, given their entry in its manifest.

    Raises
    ------
    ModelError
        If the entry is damaged.
    """
    try:
        settings, features = entry["architecture"], entry["features"]
        return weights.Loaded(
            weights.record(entry["name"]),
            tensors,
            [],
            None if settings is None else read_architecture(settings),
            None if features is None else AudioFeatureConfig(**features),
            source=entry["source"],
            revision=entry["revision"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"damaged: the description of an encoder is wrong: {error}") from error
