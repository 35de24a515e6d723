"""Make tests/models/hub/whisper* and ast*: tiny random models of Whisper and AST, and what transformers computes.

    python benchmarks/hub_outputs/whisper_ast.py [--output tests/models/hub]

The tests compare the Gluon networks with these folders. Run the program by hand, in an environment with torch and
transformers. Each folder is a model as `save_pretrained` writes it, and `expected.npz`:

    versions           JSON: versions of the packages
    inputs             (2, bands, frames)         random spectra, as whisper and ast features have them
    hidden_0, …        (2, steps, dim)            input of the first layer, and the output of each layer; the last one
                                                  is after the final norm
    pooled             (2, dim)                   of AST: mean of its two class tokens
    logits             (2, labels)                of classifiers
    probe              as the logits, or the last hidden state: the loss is the sum of their product
    gradient.inputs    (2, bands, frames)         gradient of the loss
    gradient.<name>    as the parameter           the same, by transformers' names of the parameters
    sound              (12800,)                   of classifiers: a sound of 0.6 s at 16 kHz
    sound_features     (bands, frames)            its features, by the folder's feature extractor
    sound_scores       (labels,)                  its scores, by `pipeline('audio-classification')`

Whisper has windows of 1 s here (50 positions), AST of 0.64 s (64 frames).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    ASTModel,
    PreTrainedModel,
    SequenceFeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
    WhisperForConditionalGeneration,
    WhisperModel,
)

PACKAGES = ("torch", "transformers", "numpy")
WHISPER = {
    "vocab_size": 40,
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "max_source_positions": 50,
    "max_target_positions": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 3,
    "begin_suppress_tokens": None,
}
AST = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_length": 64,
    "num_mel_bins": 32,
}
SPEECH_LABELS = ["down", "go", "up"]
SOUND_LABELS = ["Speech", "Dog", "Music", "Rain"]


def with_labels(labels: list[str]) -> dict:
    """Return the settings of a classifier."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}


def whisper(network: type[PreTrainedModel], bands: int, **settings) -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """Make a Whisper model and its feature extractor."""
    config = WhisperConfig(**WHISPER, num_mel_bins=bands, **settings)
    return network(config), WhisperFeatureExtractor(feature_size=bands, chunk_length=1)


def ast(network: type[PreTrainedModel], **settings) -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """Make an AST model and its feature extractor."""
    bands, frames = AST["num_mel_bins"], AST["max_length"]
    return network(ASTConfig(**AST, **settings)), ASTFeatureExtractor(num_mel_bins=bands, max_length=frames)


def whisper_classifier() -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """Make a classifier by Whisper with a learned sum of the layers."""
    settings = {"use_weighted_layer_sum": True, "classifier_proj_size": 12}
    return whisper(WhisperForAudioClassification, 80, **settings, **with_labels(SPEECH_LABELS))


def ast_classifier() -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """Make a classifier by AST, of classes that may occur at once, and without biases of queries, keys and values."""
    settings = {"problem_type": "multi_label_classification", "qkv_bias": False}
    return ast(ASTForAudioClassification, **settings, **with_labels(SOUND_LABELS))


MODELS: dict[str, Callable[[], tuple[PreTrainedModel, SequenceFeatureExtractor]]] = {
    "whisper": lambda: whisper(WhisperModel, 80),
    "whisper_128": lambda: whisper(WhisperForConditionalGeneration, 128, scale_embedding=True),
    "whisper_classifier": whisper_classifier,
    "ast": lambda: ast(ASTModel),
    "ast_classifier": ast_classifier,
}


def randomize(model: PreTrainedModel) -> None:
    """Set all parameters as if the model were trained: no bias is zero, and no norm is the identity."""
    random = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=random)
        if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
            parameter.data = 1 + 0.2 * values
        elif parameter.ndim > 1 and not any(part in name for part in ("position", "token")):
            parameter.data = values / parameter[0].numel() ** 0.5
        else:
            parameter.data = parameter.data + 0.3 * values


def expected(model: PreTrainedModel) -> dict[str, np.ndarray]:
    """Compute outputs and gradients for random inputs."""
    is_whisper = model.config.model_type == "whisper"
    frames = 2 * model.config.max_source_positions if is_whisper else model.config.max_length
    random = torch.Generator().manual_seed(2)
    inputs = torch.randn((2, model.config.num_mel_bins, frames), generator=random)
    inputs = (torch.round(4 * inputs) / 4).requires_grad_()  # which compress well
    network = model if hasattr(model, "classifier") else model.get_encoder() if is_whisper else model
    outputs = network(inputs if is_whisper else inputs.transpose(1, 2), output_hidden_states=True)
    states = list(outputs.hidden_states)
    arrays = {}
    if not is_whisper:
        body = getattr(model, "audio_spectrogram_transformer", model)
        states[-1] = body.layernorm(states[-1])
        arrays["pooled"] = states[-1][:, :2].mean(dim=1)
    arrays |= {f"hidden_{layer}": state for layer, state in enumerate(states)}
    result = arrays["logits"] = outputs.logits if hasattr(outputs, "logits") else outputs.last_hidden_state
    if not hasattr(outputs, "logits"):
        del arrays["logits"]
    arrays["probe"] = torch.randn(result.shape, generator=random)
    (result * arrays["probe"]).sum().backward()
    arrays |= {"inputs": inputs, "gradient.inputs": inputs.grad}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            arrays[f"gradient.{name}"] = parameter.grad
    return {name: value.detach().numpy() for name, value in arrays.items()}


def expected_of_sound(model: PreTrainedModel, extractor: SequenceFeatureExtractor) -> dict[str, np.ndarray]:
    """Compute features and scores of a sound with a feature extractor and a pipeline."""
    seconds = np.arange(9_600) / 16_000
    noise = np.random.default_rng(3).standard_normal(len(seconds))
    sound = 0.3 * np.sin(2 * np.pi * (300 + 500 * seconds) * seconds) + 0.02 * noise
    sound = np.round(32_768 * sound).astype(np.float32) / 32_768  # as in a file with 16 bits
    features = extractor(sound, sampling_rate=16_000, return_tensors="np")
    features = features["input_features" if "input_features" in features else "input_values"][0]
    if model.config.model_type != "whisper":
        features = features.T
    classify = transformers.pipeline("audio-classification", model=model, feature_extractor=extractor, device="cpu")
    scores = {answer["label"]: answer["score"] for answer in classify(sound, top_k=None)}
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
    return {
        "sound": sound,
        "sound_features": features.astype(np.float32),
        "sound_scores": np.array([scores[label] for label in labels], np.float32),
    }


def main() -> None:
    """Write all folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("tests/models/hub"))
    root = parser.parse_args().output
    torch.set_num_threads(1)
    versions = json.dumps({name: version(name) for name in PACKAGES})
    for name, make in MODELS.items():
        model, extractor = make()
        model.eval()
        randomize(model)
        model.save_pretrained(root / name)
        extractor.save_pretrained(root / name)
        (root / name / "generation_config.json").unlink(missing_ok=True)
        (root / name / "model.safetensors").chmod(0o644)
        arrays = expected(model)
        if "logits" in arrays:
            arrays |= expected_of_sound(model, extractor)
        np.savez_compressed(root / name / "expected.npz", versions=versions, **arrays)
        print(name, sum(file.stat().st_size for file in (root / name).iterdir()), "bytes")


if __name__ == "__main__":
    main()
