"""Synthetic sounds of three pitches, with other columns beside them, and small networks for them."""

import numpy as np
import pytest

PITCHES = {"low": 300, "middle": 900, "high": 2500}


def tone(pitch, seconds, rng, sr=8000):
    """Return a tone with noise, and its rate."""
    t = np.arange(int(seconds * sr)) / sr
    samples = 0.4 * np.sin(2 * np.pi * pitch * t + rng.uniform(0, 6)) + rng.normal(0, 0.05, len(t))
    return samples.astype(np.float32), sr


@pytest.fixture(scope="session")
def tones():
    """Columns of 36 sounds of 0.1 to 0.2 s."""
    rng = np.random.default_rng(0)
    labels = [label for label in PITCHES for _ in range(12)]
    sounds = [tone(PITCHES[label] * rng.uniform(0.9, 1.1), rng.uniform(0.1, 0.2), rng) for label in labels]
    return {
        "clip": sounds,
        "label": labels,
        "is_high": ["yes" if label == "high" else "no" for label in labels],
        "pitch": [PITCHES[label] / 1000 for label in labels],
        "tags": [{"low": "a|b", "middle": "b", "high": "c"}[label] for label in labels],
        "level": rng.normal(size=len(labels)).tolist(),
        "room": [f"room {index % 2}" for index in range(len(labels))],
    }


@pytest.fixture(scope="session")
def configured():
    """Function that makes a configuration: ``configured(*outputs, inputs=[], encoder={}, trainer={}, **sections)``."""
    types = {"label": "category", "is_high": "binary", "pitch": "number", "tags": "set"}

    def configured(*outputs, inputs=(), encoder=(), trainer=(), **sections):
        features = []
        for name in outputs or ("label",):
            features.append({"name": name, "type": types[name]})
            if name == "tags":
                features[-1]["preprocessing"] = {"tokenizer": "pipe"}
        small = {"type": "parallel_cnn", "num_filters": 4, "fc_layers": [{"output_size": 8}], "reduce_output": "mean"}
        clip = {"name": "clip", "type": "audio", "encoder": dict(encoder) or {**small, "norm": "batch"}}
        if "pretrained_model_name_or_path" not in clip["encoder"]:
            clip["preprocessing"] = {"num_filter_bands": 8, "audio_file_length_limit_in_s": 0.2}
        split = {"type": "stratify", "column": "label", "probabilities": [0.5, 0.25, 0.25]}
        return {
            "input_features": [clip, *inputs],
            "output_features": features,
            "preprocessing": {"split": split},
            "trainer": {"epochs": 3, "batch_size": 6, "learning_rate": 0.02, "early_stop": -1, **dict(trainer)},
            **sections,
        }

    return configured
