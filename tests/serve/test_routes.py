"""Tests of the routes of the API: their answers are those of the library for the same file."""

import threading
import time

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")

from mxnet_audio.events import find_events
from mxnet_audio.inference import OnnxAudioClassifier
from mxnet_audio.library.tagger import AudioTagger
from mxnet_audio.serve import ServedModels
from mxnet_audio.serve.served import ONNX_PASSES
from tests.models.hub_folders import HUB
from tests.serve.asgi import form, request

PASSES = range(ONNX_PASSES)  # of an exported network, at once


@pytest.fixture(scope="module")
def tagging_encoder():
    """Pretrained encoder of tiny size, with tags. Its steps are so short that 20 s of sound have too many."""
    from mxnet_audio.models import Wav2Vec2Net, wav2vec2
    from mxnet_audio.pretrained import load_encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wav2Vec2Net, "window", 1.0)
        patch.setattr(wav2vec2, "WINDOW", 1.0)
        yield load_encoder("wav2vec2", source=HUB / "wav2vec2_classifier")


@pytest.fixture(scope="module")
def exported_encoder(tagging_encoder, tmp_path_factory):
    """The same as an .onnx file."""
    from mxnet_audio.library.export import export_onnx

    path = tmp_path_factory.mktemp("encoder") / "encoder.onnx"
    export_onnx(tagging_encoder, path)
    return OnnxAudioClassifier(path)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Files of several formats, rates and lengths, mono and stereo; each is a path."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)

    def write(name, seconds, sr, channels=1, **options):
        t = np.arange(round(seconds * sr)) / sr
        # a low tone, noise, a high tone: the classes of the model
        part = 3 * t / seconds
        tone = 0.5 * np.sin(2 * np.pi * np.where(part < 1, 400, 3000) * t)
        y = np.where((part < 1) | (part > 2), tone, 0) + np.where((part > 1) & (part < 2), 0.1, 0.01) * rng.normal(
            size=len(t)
        )
        sf.write(folder / name, y if channels == 1 else np.stack([y, 0.3 * y[::-1]], axis=1), sr, **options)
        return folder / name

    return {
        "short": write("short.wav", 0.3, 12000),
        "fitting": write("fitting.wav", 1, 12000),
        "stereo": write("stereo.flac", 1, 44100, 2),
        "long": write("long.wav", 9, 22050),
        "ogg": write("long.ogg", 7.5, 32000, 2, format="OGG", subtype="VORBIS"),
        "mp3": write("long.mp3", 6.1, 44100, format="MP3"),
    }


def post(client, route, path, **parameters):
    with path.open("rb") as file:
        answer = client.post(route, files={"file": (path.name, file)}, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


# Files that are not seeked in give the same samples. Of a long sound, the library reads only the parts that it uses: it
# seeks in the file, resamples each part for itself, and a decoder of a lossy format starts anew at each. The server
# decodes the whole sound first.
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("short", 1e-6), ("fitting", 1e-6), ("stereo", 1e-6), ("long", 1e-4), ("ogg", 1e-4), ("mp3", 1e-4)],
)
def test_labels_and_embeddings_are_those_of_the_library(client, onnx_model, recordings, name, tolerance):
    path = recordings[name]
    expected, vector = onnx_model.predict(path), onnx_model.encode_audio(path)
    found = post(client, "/v1/predict", path, top_k=3)
    assert found["label"] == expected.label and len(found["top"]) == 3
    assert found["probability"] == pytest.approx(expected.probability, abs=tolerance)
    assert [entry["label"] for entry in found["top"]] == [label for label, _ in expected.top(3)]
    np.testing.assert_allclose(
        [entry["probability"] for entry in found["top"]], [p for _, p in expected.top(3)], atol=tolerance
    )
    assert found["model"] == {"network": "cifar10", "model_id": onnx_model.model_id}
    assert found["seconds"] == pytest.approx(sf.info(path).duration, abs=0.1)
    embedding = post(client, "/v1/embed", path)
    np.testing.assert_allclose(embedding["vector"], vector, atol=tolerance * max(1, np.abs(vector).max()))
    assert (embedding["dim"], embedding["model_id"]) == (len(vector), onnx_model.model_id)


def test_channels(client, onnx_model, recordings):
    path = recordings["stereo"]
    for channel in ("left", "right", "1"):
        library = int(channel) if channel.isdecimal() else channel
        found, expected = (
            post(client, "/v1/embed", path, channel=channel),
            onnx_model.encode_audio(path, channel=library),
        )
        np.testing.assert_allclose(found["vector"], expected, atol=1e-5)
    wrong = client.post("/v1/embed", params={"channel": "each"}, files={"file": path.read_bytes()})
    assert wrong.status_code == 422 and "channel" in wrong.json()["detail"]
    missing = client.post("/v1/embed", params={"channel": "2"}, files={"file": ("a.flac", path.read_bytes())})
    assert missing.status_code == 422 and missing.json()["detail"].startswith("a.flac: ")


def test_a_model_of_mxnet(serving, trained_model, recordings):
    client = serving(ServedModels(classifier=trained_model))
    for name in ("fitting", "stereo"):
        expected = trained_model.predict(recordings[name])
        found = post(client, "/v1/predict", recordings[name])
        assert found["label"] == expected.label
        assert found["probability"] == pytest.approx(expected.probability, abs=1e-6)


def test_several_labels(serving, onnx_model, recordings, monkeypatch):
    monkeypatch.setitem(vars(onnx_model), "thresholds", np.zeros(3))
    assert post(serving(), "/v1/predict", recordings["short"])["label"] == onnx_model.labels
    monkeypatch.setitem(vars(onnx_model), "thresholds", np.ones(3) * 2)
    found = post(serving(), "/v1/predict", recordings["short"])
    assert found["label"] == [] and found["probability"] > 0


@pytest.mark.parametrize("kind", ["encoder", "classifier"])
def test_tags_are_those_of_the_library(serving, tagging_encoder, exported_encoder, recordings, kind):
    """Of a pretrained encoder, and of its .onnx file."""
    models = ServedModels(**{kind: tagging_encoder if kind == "encoder" else exported_encoder})
    client, tagger = serving(models), AudioTagger(tagging_encoder)
    for name in ("short", "stereo"):
        expected = tagger.predict(recordings[name])
        found = post(client, "/v1/tags", recordings[name], top_k=2)
        assert [tag["label"] for tag in found["tags"]] == [label for label, _ in expected.top(2)]
        np.testing.assert_allclose([tag["score"] for tag in found["tags"]], [s for _, s in expected.top(2)], atol=1e-4)
        assert found["encoder"] == "wav2vec2"
    vector = tagging_encoder.encode_audio(recordings["stereo"])
    found = post(client, "/v1/embed", recordings["stereo"])
    np.testing.assert_allclose(found["vector"], vector, atol=1e-4 * np.abs(vector).max())
    assert found["model_id"] == tagging_encoder.model_id


def test_events_are_those_of_the_library(client, serving, onnx_model, tagging_encoder, recordings):
    def events(model, path, *windows, **options):
        return [list(event) for event in sorted(find_events(model.iter_timeline(path, *windows), **options))]

    def found(client, **parameters):
        answer = post(client, "/v1/events", path, **parameters)
        assert answer["seconds"] == pytest.approx(9)
        return [list(event.values()) for event in answer["events"]]

    path, label = recordings["long"], onnx_model.labels[0]
    expected = events(onnx_model, path, threshold=0.4)
    assert len(expected) > 1
    assert [event[:3] for event in found(client, threshold=0.4)] == [event[:3] for event in expected]
    few = events(onnx_model, path, 0.5, 0.2, threshold=0.3, labels=[label], min_duration=1, max_gap=1)
    options = {"threshold": 0.3, "label": label, "min_duration": 1, "max_gap": 1, "window": 0.5, "hop": 0.2}
    np.testing.assert_allclose([event[3] for event in found(client, **options)], [event[3] for event in few], atol=1e-4)
    tagger, client = AudioTagger(tagging_encoder), serving(ServedModels(classifier=onnx_model, encoder=tagging_encoder))
    expected = events(tagger, path, 1.0, 1.0, threshold=0.2)
    assert expected and [event[:3] for event in found(client, threshold=0.2, window=1, hop=1)] == [
        e[:3] for e in expected
    ]


@pytest.mark.parametrize(
    "parameters",
    [{"threshold": 0}, {"threshold": 1.1}, {"threshold": "nan"}, {"label": "dgo"}, {"min_duration": -1}]
    + [{"max_gap": "inf"}, {"window": 0}, {"window": 1, "hop": 2}, {"hop": 1e9}],
    ids=str,
)
def test_wrong_parameters_of_events(client, wav_bytes, parameters):
    answer = client.post("/v1/events", files={"file": ("a.wav", wav_bytes())}, params=parameters)
    assert answer.status_code == 422 and answer.json()["type"] == "urn:mxnet-audio:bad-parameter"
    name = "labels" if "label" in parameters else [*parameters][-1]
    assert name in answer.json()["detail"]


@pytest.mark.parametrize("top_k", [0, -1, 10**30, "x", ""])
def test_wrong_numbers_of_results(client, wav_bytes, top_k):
    answer = client.post("/v1/predict", files={"file": wav_bytes()}, params={"top_k": top_k})
    assert answer.status_code == 422 and "top_k" in answer.json()["detail"]


def test_silence_is_refused_in_the_words_of_the_library(client, tmp_path):
    sf.write(tmp_path / "quiet.wav", np.zeros(12000), 12000)
    for route in ("predict", "embed", "events", "search"):
        answer = client.post(f"/v1/{route}", files={"file": ("quiet.wav", (tmp_path / "quiet.wav").read_bytes())})
        assert answer.status_code == 422, route
        assert answer.json()["detail"].startswith("quiet.wav: silent: the peak is below -100 dBFS")


def test_what_is_not_served(serving, searched, wav_bytes):
    client = serving(ServedModels(search=searched))
    for route, option in {"predict": "--model-dir", "tags": "--encoder", "events": "--encoder"}.items():
        answer = client.post(f"/v1/{route}", files={"file": wav_bytes()})
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:mxnet-audio:not-served")
        assert option in answer.json()["detail"]
        headers = {"Content-Type": "audio/wav"}
        answer = request(client.app, [bytes(1000)], path=f"/v1/{route}", headers=headers, run=client.portal.call)
        assert (answer.status, answer.parts) == (404, 0)  # before the body is read
    assert client.post("/v1/embed", files={"file": wav_bytes()}).json()["model_id"] == searched.index.model_id


def test_the_models_are_listed(client, serving, onnx_model, tagging_encoder, tmp_path):
    answer = client.get("/v1/models").json()
    assert answer["classifier"] == {
        "network": "cifar10", "model_id": onnx_model.model_id, "dim": onnx_model.embedding_dim,
        "labels": ["high", "low", "noise"],
    }  # fmt: skip
    assert answer["index"] == {"sounds": 24, "metric": "cosine", "model_id": onnx_model.model_id}
    assert (answer["encoder"], answer["speakers"]) == (None, None)
    assert answer["limits"] == {"max_bytes": 64 << 20, "max_seconds": 600, "timeout": 60, "names_sounds": False}
    client = serving(ServedModels(encoder=tagging_encoder), audio_root=tmp_path, max_seconds=5)
    answer = client.get("/v1/models").json()
    assert answer["encoder"]["labels"] == tagging_encoder.labels and answer["index"] is None
    assert answer["limits"]["max_seconds"] == 5 and answer["limits"]["names_sounds"]


@pytest.fixture
def slow_model(onnx_model, monkeypatch):
    """Let the model wait in each batch for an event; it returns the sizes of the batches, too."""
    sizes, gate, has_begun = [], threading.Event(), threading.Event()
    forward = type(onnx_model).forward

    def wait(inputs):
        sizes.append(len(inputs))
        has_begun.set()
        assert gate.wait(30)
        return forward(onnx_model, inputs)

    monkeypatch.setitem(vars(onnx_model), "forward", wait)
    yield gate, has_begun, sizes
    gate.set()


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def start_passes(threads, sizes):
    """Start requests one after another, so that each is computed in a pass of its own."""
    for number, thread in enumerate(threads, 1):
        thread.start()
        until(lambda: len(sizes) == number)  # noqa: B023 - called before the next one


def test_a_request_whose_client_is_gone_is_dropped(serving, slow_model, wav_bytes):
    gate, _, sizes = slow_model
    client = serving()
    service, files = client.app.state.service, {"file": wav_bytes()}
    threads = [threading.Thread(target=client.post, args=["/v1/predict"], kwargs={"files": files}) for _ in PASSES]
    start_passes(threads, sizes)
    body, headers = form("file", wav_bytes(), "a.wav")

    # The body ends with its closing boundary; after that, the client closes the connection.
    answer = request(client.app, [body], path="/v1/predict", headers=headers, stop="disconnect", run=client.portal.call)
    assert (answer.status, answer.body) == (499, b"")
    assert service.waiting == len(PASSES)
    gate.set()
    for thread in threads:
        thread.join()
    assert sizes == [1 for _ in PASSES] and service.waiting == 0


def test_an_answer_that_takes_too_long(serving, slow_model, wav_bytes):
    answer = serving(timeout=0.2).post("/v1/predict", files={"file": wav_bytes()})
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:mxnet-audio:timed-out")
    slow_model[0].set()


def test_too_many_requests(serving, slow_model, wav_bytes):
    gate, has_begun, _ = slow_model
    client, answers = serving(queue_size=1), []

    def post():
        answers.append(client.post("/v1/predict", files={"file": wav_bytes()}).status_code)

    thread = threading.Thread(target=post)
    thread.start()
    assert has_begun.wait(30)
    answer = client.post("/v1/predict", files={"file": wav_bytes()})
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:mxnet-audio:busy")
    assert int(answer.headers["Retry-After"]) > 0
    gate.set()
    thread.join()
    assert answers == [200]


def test_concurrent_requests_are_one_batch(serving, slow_model, wav_bytes, onnx_model):
    gate, _, sizes = slow_model
    client, answers = serving(), {}

    def post(frequency):
        sound = wav_bytes(frequency=frequency)
        answers[frequency] = client.post("/v1/embed", files={"file": sound}).json()["vector"]

    threads = [threading.Thread(target=post, args=[frequency]) for frequency in (300, 600, 1200, 2400, 3600, 4800)]
    service = client.app.state.service
    batcher = service._batchers[id(onnx_model)]
    count = len(PASSES)
    start_passes(threads[:count], sizes)
    for thread in threads[count:]:
        thread.start()
    until(lambda: len(batcher._waiting) == len(threads) - count)
    gate.set()
    for thread in threads:
        thread.join()
    assert sizes == [1] * count + [len(threads) - count] and service.waiting == 0
    for frequency, vector in answers.items():
        expected = onnx_model.encode_audio(wav_bytes(frequency=frequency))
        np.testing.assert_allclose(vector, expected, atol=1e-5 * np.abs(expected).max())


def test_no_answer_names_files_of_the_server(serving, onnx_model, wav_bytes, monkeypatch):
    from mxnet_audio.errors import ModelError

    def fail(inputs):
        raise ModelError("unusable: embeddings are NaN or infinity", onnx_model.model_path)

    monkeypatch.setitem(vars(onnx_model), "forward", fail)
    answer = serving().post("/v1/predict", files={"file": wav_bytes()})
    assert answer.status_code == 500 and "Traceback" not in answer.text
    assert str(onnx_model.model_path) not in answer.text and onnx_model.model_path.name not in answer.text


def test_a_parameter_that_the_route_does_not_have_is_named(serving, wav_bytes):
    client, files = serving(), {"file": wav_bytes()}
    answer = client.post("/v1/events?treshold=0.9", files=files)
    assert answer.status_code == 422 and answer.json()["detail"].endswith("'treshold', did you mean threshold?")
    assert client.get("/v1/models?a=1").status_code == 422
    assert client.post("/v1/predict?top_k=1&channel=mix", files=files).status_code == 200
