"""``speaker export``."""

import numpy as np

from mxnet_audio import OnnxAudioClassifier, SpeakerRecognizer, audio


def test_exported_network_computes_the_embedding_of_a_window(run_json, people, speaker_model, tmp_path):
    """The tolerance is 1e-3."""
    path = tmp_path / "vöices.onnx"
    document = run_json("speaker", "export", path, "--front-end", "--model-dir", speaker_model)
    recognizer = SpeakerRecognizer.load(speaker_model)
    assert document == {
        "output": str(path),
        "takes": "samples",
        "model_id": recognizer.model.id,
        "labels": ["ann", "bob", "cem"],
    }
    config = recognizer.model.feature_config
    y, sr = audio.load(people / "ann" / "0.wav", sr=config.sr)
    window = audio.repeat_to(y, config.n_samples)[: config.n_samples]
    embedding = OnnxAudioClassifier(path).encode_audio((window, sr))
    expected = recognizer.encode_audio((window, sr))
    np.testing.assert_allclose(embedding / np.linalg.norm(embedding), expected, atol=1e-3)
