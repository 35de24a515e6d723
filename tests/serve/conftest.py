"""A small trained model, its .onnx file, an index that it made, and apps that serve them in this process.

The models are shared by all tests of a session, which must not change them.
"""

import io

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")
pytest.importorskip("python_multipart")

from starlette.testclient import TestClient

from mxnet_audio.serve import ServedModels, ServeSettings, create_app


def wav(seconds=1.0, frequency=440.0, sr=12000, **kwargs):
    """Return the bytes of a WAV file with a tone."""
    y = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)
    file = io.BytesIO()
    sf.write(file, y, sr, format=kwargs.pop("format", "WAV"), **kwargs)
    return file.getvalue()


@pytest.fixture(scope="session")
def wav_bytes():
    """Function that returns the bytes of a sound file: ``wav_bytes(seconds=1.0, frequency=440.0, sr=12000)``."""
    return wav


@pytest.fixture(scope="session")
def trained_model(model_dir):
    """Small classifier of the kinds low, high and noise, of the folder `model_dir`."""
    from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

    classifier = Cifar10AudioClassifier()
    classifier.load_model(model_dir)
    return classifier


@pytest.fixture(scope="session")
def onnx_path(model_dir, make_once):
    """The .onnx file of the small classifier."""

    def fill(folder):
        from mxnet_audio.library import load_classifier
        from mxnet_audio.library.export import export_onnx

        export_onnx(load_classifier(model_dir).model, folder / "model.onnx", front_end=True)

    return make_once("serve-onnx", fill) / "model.onnx"


@pytest.fixture(scope="session")
def onnx_model(onnx_path):
    """The exported classifier."""
    from mxnet_audio.inference import OnnxAudioClassifier

    return OnnxAudioClassifier(onnx_path)


@pytest.fixture(scope="session")
def index_dir(onnx_model, corpus, make_once):
    """Folder of an index of the 24 clips of `corpus`, by the exported classifier; copy it to change it."""

    def fill(folder):
        from mxnet_audio.library.search import AudioSearch

        AudioSearch(classifier=onnx_model).index_many([path for path, _ in corpus], save_dir=folder)

    return make_once("serve-index", fill)


@pytest.fixture(scope="session")
def searched(onnx_model, index_dir):
    """The index with its model; tests must not change it."""
    from mxnet_audio.library.search import AudioSearch

    search = AudioSearch(classifier=onnx_model)
    search.load(index_dir)
    return search


@pytest.fixture(scope="session")
def served_models(onnx_model, searched):
    """Exported classifier and index."""
    return ServedModels(classifier=onnx_model, search=searched)


@pytest.fixture
def serving(served_models):
    """Function that makes a started `TestClient`: ``serving(models=served_models, **settings) -> TestClient``.

    Its app is ``client.app``, and its service ``client.app.state.service``.
    """
    clients = []

    def serve(models=served_models, **settings):
        settings.setdefault("page", False)
        client = TestClient(create_app(models, ServeSettings(**settings)), raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client

    yield serve
    for client in reversed(clients):
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def client(served_models):
    """Started `TestClient` of an app with the exported classifier and the index, without the page."""
    with TestClient(create_app(served_models, ServeSettings(page=False)), raise_server_exceptions=False) as client:
        yield client
