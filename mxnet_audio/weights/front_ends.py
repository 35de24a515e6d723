"""Features that models of the hub take, as ``preprocessor_config.json`` and the settings of the network say."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mxnet_audio.errors import FeatureError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.features.hub_fbanks import AST_MEAN, AST_STD
from mxnet_audio.weights.architecture import (
    WINDOW,
    Architecture,
    AstArchitecture,
    Wav2Vec2Architecture,
    WhisperArchitecture,
    check_array,
)
from mxnet_audio.weights.records import Record

__all__ = ["read_features"]


class _Preprocessor(BaseModel):
    """Base of the settings in ``preprocessor_config.json``; settings that change no feature are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    feature_extractor_type: str | None = None
    sampling_rate: int = Field(default=16000, ge=1, le=1 << 20)


class _Wav2Vec2Preprocessor(_Preprocessor):
    feature_size: int = 1
    do_normalize: bool = True


class _WhisperPreprocessor(_Preprocessor):
    feature_size: int | None = None
    do_normalize: bool = False
    hop_length: int = 160
    n_fft: int = 400
    nb_max_frames: int | None = None


class _AstPreprocessor(_Preprocessor):
    num_mel_bins: int | None = None
    max_length: int | None = None
    do_normalize: bool = True
    mean: float = AST_MEAN
    std: float = AST_STD


def read_features(
    record: Record, architecture: Architecture | None, preprocessor: Mapping[str, Any]
) -> AudioFeatureConfig | None:
    """Read the features that a model takes.

    Parameters
    ----------
    record : Record
    architecture : Architecture or None
        Settings of the network.
    preprocessor : mapping
        Content of ``preprocessor_config.json``; empty for the features that the network takes by default.

    Returns
    -------
    AudioFeatureConfig or None
        None for those of the network's class.

    Raises
    ------
    ModelError
        If a setting has an impossible value, or does not agree with the settings of the network: it is named.
    """
    try:
        if isinstance(architecture, Wav2Vec2Architecture):
            return _wav2vec2(architecture, _Wav2Vec2Preprocessor.model_validate(dict(preprocessor)))
        if isinstance(architecture, WhisperArchitecture):
            return _whisper(architecture, _WhisperPreprocessor.model_validate(dict(preprocessor)))
        if isinstance(architecture, AstArchitecture):
            return _ast(architecture, _AstPreprocessor.model_validate(dict(preprocessor)))
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {reprlib.repr(first['input'])}"
        ) from error
    except FeatureError as error:
        raise ModelError(error.reason) from error
    if record.network == "ecapa_voxceleb":
        return AudioFeatureConfig(type="speechbrain")
    return AudioFeatureConfig(type="panns") if record.network.startswith("panns_") else None


def _check(name: str, found: object, expected: object) -> None:
    if found not in (None, expected):
        raise ModelError(f"{name} must be {expected} for this model, got {found}")


def _wav2vec2(architecture: Wav2Vec2Architecture, preprocessor: _Wav2Vec2Preprocessor) -> AudioFeatureConfig:
    _check("feature_extractor_type", preprocessor.feature_extractor_type, "Wav2Vec2FeatureExtractor")
    _check("feature_size", preprocessor.feature_size, 1)
    check_array(architecture.largest_array_at(preprocessor.sampling_rate))
    return AudioFeatureConfig(
        type="raw",
        sr=preprocessor.sampling_rate,
        norm="unit_variance" if preprocessor.do_normalize else None,
        audio_file_length_limit_in_s=WINDOW,
    )


def _whisper(architecture: WhisperArchitecture, preprocessor: _WhisperPreprocessor) -> AudioFeatureConfig:
    _check("feature_extractor_type", preprocessor.feature_extractor_type, "WhisperFeatureExtractor")
    _check("sampling_rate", preprocessor.sampling_rate, 16000)
    _check("feature_size", preprocessor.feature_size, architecture.num_mel_bins)
    _check("nb_max_frames", preprocessor.nb_max_frames, 2 * architecture.max_source_positions)
    _check("hop_length", preprocessor.hop_length, 160)
    _check("n_fft", preprocessor.n_fft, 400)
    _check("do_normalize", preprocessor.do_normalize, False)
    return AudioFeatureConfig(
        type="whisper", n_mels=architecture.num_mel_bins, n_frames=2 * architecture.max_source_positions
    )


def _ast(architecture: AstArchitecture, preprocessor: _AstPreprocessor) -> AudioFeatureConfig:
    _check("feature_extractor_type", preprocessor.feature_extractor_type, "ASTFeatureExtractor")
    _check("sampling_rate", preprocessor.sampling_rate, 16000)
    _check("num_mel_bins", preprocessor.num_mel_bins, architecture.num_mel_bins)
    _check("max_length", preprocessor.max_length, architecture.max_length)
    # Features that are not normalized: the mean is subtracted, and the result is divided by twice the deviation.
    mean, std = (preprocessor.mean, preprocessor.std) if preprocessor.do_normalize else (0.0, 0.5)
    return AudioFeatureConfig(
        type="ast", n_mels=architecture.num_mel_bins, n_frames=architecture.max_length, mean=mean, std=std
    )
