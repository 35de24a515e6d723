"""Make tests/models/hub/wav2vec2*, hubert and wavlm*: tiny random models, and what transformers computes.

    python benchmarks/hub_outputs/wav2vec2.py [--output tests/models/hub]

The tests compare the Gluon networks with these folders. Run the program by hand, in an environment with torch and
transformers. Each folder is a model as `save_pretrained` writes it, and `expected.npz`:

    versions           JSON: versions of the packages
    inputs             (2, samples)               random samples, zeros behind the ends
    lengths            (2,)                       their numbers of samples
    hidden_0, …        (2, steps, dim)            input of the first layer, and the output of each layer, of each input
                                                  alone, zeros behind the ends; the last one is after the final norm
    padded_hidden_0, … (2, steps, dim)            the same of both inputs as one batch, of networks without group norm
    logits             (2, labels)                of classifiers
    probe              as hidden_2, or as logits: the loss is the sum of the product
    gradient.inputs    (2, samples)               gradient of the loss
    gradient.<name>    as the parameter           the same, by transformers' names of the parameters
    sound              (3200,)                    of classifiers: a sound of 0.2 s at 16 kHz
    sound_features     (3200,)                    its features, by the folder's feature extractor
    sound_scores       (labels,)                  its scores, by `pipeline('audio-classification')`

The extractors have three convolutions: a vector depends on 30 samples, and there is one for each 20 samples.
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
    HubertConfig,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

PACKAGES = ("torch", "transformers", "numpy")
LENGTHS = (500, 330)
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (12, 8, 8),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 6,
    "num_conv_pos_embedding_groups": 4,
    "num_codevectors_per_group": 4,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
    "vocab_size": 8,
}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}  # as the large models
DISTANCES = {"num_buckets": 12, "max_bucket_distance": 20}
LABELS = ["down", "go", "up"]
CLASSIFIER = {
    "use_weighted_layer_sum": True,
    "classifier_proj_size": 12,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: number for number, label in enumerate(LABELS)},
}

MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "wav2vec2": lambda: Wav2Vec2ForPreTraining(Wav2Vec2Config(**TINY)),
    "wav2vec2_large": lambda: Wav2Vec2Model(Wav2Vec2Config(**TINY | LARGE | {"num_conv_pos_embeddings": 5})),
    "wav2vec2_classifier": lambda: Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**TINY | CLASSIFIER)),
    "hubert": lambda: HubertModel(
        HubertConfig(**TINY, conv_bias=True, feat_proj_layer_norm=False, conv_pos_batch_norm=True)
    ),
    "wavlm": lambda: WavLMModel(WavLMConfig(**TINY | DISTANCES)),
    "wavlm_large": lambda: WavLMModel(WavLMConfig(**TINY | LARGE | DISTANCES)),
}


def randomize(model: PreTrainedModel) -> None:
    """Set all parameters as if the model were trained: no bias is zero, and no norm is the identity."""
    random = torch.Generator().manual_seed(1)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        values = torch.randn(tensor.shape, generator=random)
        if name.endswith(("running_var", "original0")) or (tensor.ndim == 1 and name.endswith("norm.weight")):
            tensor.data = 1 + 0.2 * values
        elif tensor.ndim > 1 and min(tensor[0].shape) > 0 and "gru_rel_pos_const" not in name:
            tensor.data = values / tensor[0].numel() ** 0.5
        else:
            tensor.data = tensor.data + 0.3 * values


def sounds() -> list[torch.Tensor]:
    """Return random samples: loud ones, and quiet ones with an offset."""
    random = torch.Generator().manual_seed(2)
    loud, quiet = (torch.randn((length,), generator=random) for length in LENGTHS)
    return [torch.round(64 * loud) / 64, torch.round(16 * quiet) / 1024 + 0.25]  # which compress well


def padded(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Return tensors as one, with zeros behind their ends."""
    return torch.nn.utils.rnn.pad_sequence([tensor.detach() for tensor in tensors], batch_first=True)


def states_of(model: PreTrainedModel, outputs: transformers.utils.ModelOutput) -> tuple[torch.Tensor, ...]:
    """Return the hidden states, the last one after the final norm, where transformers up to 4 has it."""
    if model.config.do_stable_layer_norm:
        return *outputs.hidden_states[:-1], outputs.last_hidden_state
    return outputs.hidden_states


def expected(model: PreTrainedModel) -> dict[str, np.ndarray]:
    """Compute outputs and gradients for random inputs."""
    is_classifier = hasattr(model, "classifier")
    body = model if is_classifier else getattr(model, "wav2vec2", model)
    inputs = [samples.requires_grad_() for samples in sounds()]
    outputs = [body(samples[None], output_hidden_states=True) for samples in inputs]
    states = [states_of(model, output) for output in outputs]
    arrays = {f"hidden_{layer}": padded([of[layer][0] for of in states]) for layer in range(len(states[0]))}
    results = [(output.logits if is_classifier else output.last_hidden_state)[0] for output in outputs]
    random = torch.Generator().manual_seed(3)
    probes = [torch.randn(result.shape, generator=random) for result in results]
    sum((result * probe).sum() for result, probe in zip(results, probes, strict=True)).backward()
    arrays |= {"inputs": padded(inputs), "lengths": torch.tensor(LENGTHS), "probe": padded(probes)}
    arrays["gradient.inputs"] = padded([samples.grad for samples in inputs])
    arrays |= {f"gradient.{name}": value.grad for name, value in model.named_parameters() if value.grad is not None}
    if is_classifier:
        arrays["logits"] = torch.stack(results)
    if model.config.feat_extract_norm == "layer":
        mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
        outputs = body(padded(inputs), attention_mask=mask.long(), output_hidden_states=True)
        states = states_of(model, outputs)
        arrays |= {f"padded_hidden_{layer}": state for layer, state in enumerate(states)}
    return {name: value.detach().numpy() for name, value in arrays.items()}


def expected_of_sound(model: PreTrainedModel, extractor: Wav2Vec2FeatureExtractor) -> dict[str, np.ndarray]:
    """Compute features and scores of a sound with a feature extractor and a pipeline."""
    seconds = np.arange(3200) / 16_000
    sound = 0.1 + 0.3 * np.sin(2 * np.pi * (300 + 500 * seconds) * seconds)
    sound = np.round(32_768 * sound).astype(np.float32) / 32_768  # as in a file with 16 bits
    features = extractor(sound, sampling_rate=16_000, return_tensors="np")["input_values"][0]
    classify = transformers.pipeline("audio-classification", model=model, feature_extractor=extractor, device="cpu")
    scores = {answer["label"]: answer["score"] for answer in classify(sound, top_k=None)}
    return {
        "sound": sound,
        "sound_features": features.astype(np.float32),
        "sound_scores": np.array([scores[label] for label in LABELS], np.float32),
    }


def main() -> None:
    """Write all folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("tests/models/hub"))
    root = parser.parse_args().output
    torch.set_num_threads(1)
    versions = json.dumps({name: version(name) for name in PACKAGES})
    for name, make in MODELS.items():
        torch.manual_seed(0)
        model = make().eval()
        randomize(model)
        extractor = Wav2Vec2FeatureExtractor(do_normalize=not name.startswith("wavlm"), return_attention_mask=True)
        model.save_pretrained(root / name)
        extractor.save_pretrained(root / name)
        (root / name / "model.safetensors").chmod(0o644)
        arrays = expected(model)
        if "logits" in arrays:
            arrays |= expected_of_sound(model, extractor)
        np.savez_compressed(root / name / "expected.npz", versions=versions, **arrays)
        print(name, sum(file.stat().st_size for file in (root / name).iterdir()), "bytes")


if __name__ == "__main__":
    main()
