"""Clusters in this process, tiny exported models, and sounds that take little time."""

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("distributed")
pytest.importorskip("pyarrow")


@pytest.fixture(scope="session")
def client():
    """Client of a cluster of two workers in this process, which share its models."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 2, "processes": False, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**options) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="session")
def onnx_model(make_once):
    """An .onnx file of a small network with random parameters, of three classes."""

    def fill(folder):
        from mxnet_audio.engine import mx
        from mxnet_audio.features import AudioFeatureConfig
        from mxnet_audio.library.export import export_onnx
        from mxnet_audio.library.trained_model import TrainedModel

        for seed in range(2):
            config = AudioFeatureConfig(n_mels=32, n_frames=40)
            options = {"views": None, "random_state": seed, "model_ctx": mx.cpu(), "data_ctx": mx.cpu()}
            model = TrainedModel("cifar10", ["dog", "rain", "wind"], config, **options)
            model.net.standardize.set(-30.0, 20.0)
            export_onnx(model, folder / f"{seed}.onnx", front_end=True)

    return make_once("cluster-models", fill) / "0.onnx"


def write_sound(path, seed, seconds=0.5):
    """Write a noise of its own for each seed."""
    noise = np.random.default_rng(seed).normal(0, 0.1, int(8000 * seconds))
    sf.write(path, noise, 8000)


@pytest.fixture
def songs(tmp_path):
    """Folder of 12 sounds, ``00.wav`` to ``11.wav``, of 8 kB each."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for number in range(12):
        write_sound(folder / f"{number:02}.wav", number)
    return folder
