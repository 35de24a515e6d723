"""Searches with pretrained encoders, and indexes that know which model made them."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import datasets
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError, ParameterError, SearchError
from mxnet_audio.inference import OnnxAudioClassifier
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier, Cifar10AudioRecommender, Cifar10AudioSearch
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch
from tests.library.fake_classifier import FakeClassifier
from tests.library.fake_encoder import FakeEncoder, load_fake_encoder


@pytest.fixture
def fake_encoders(monkeypatch):
    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load_fake_encoder)


@pytest.fixture
def songs(tmp_path):
    """Paths of ten files; the later, the larger the distance from the first."""
    paths = [str(tmp_path / f"{i} é.wav") for i in range(10)]
    for i, path in enumerate(paths):
        angle = i * np.pi / 20
        Path(path).write_text(json.dumps([np.cos(angle), np.sin(angle), 0, 0, 0, 0, 0, 0]))
    return paths


@pytest.fixture
def index(fake_encoders, songs, tmp_path):
    """Folder of an index of all songs but the last, made with the encoder musicnn."""
    AudioSearch(encoder="musicnn").index_many(songs[:-1], save_dir=tmp_path / "index")
    return tmp_path / "index"


def change_manifest(index, **fields):
    manifest = json.loads((index / "index.json").read_text())
    manifest.update(fields)
    (index / "index.json").write_text(json.dumps({name: value for name, value in manifest.items() if value != "-"}))


def test_an_index_knows_its_encoder(index, songs):
    search = AudioSearch()
    search.load(index)
    assert search.encoder is None
    assert [path for path, _ in search.query(songs[0], 2)] == songs[1:3]
    assert (search.encoder.name, search.classifier) == ("musicnn", None)
    assert search.index.model == {"encoder": "musicnn", "embedding": "max_pool", "source": None}
    recommender = AudioRecommender()
    recommender.load(index)
    recommender.track(songs[0])
    assert recommender.encoder is None  # the vector is in the index
    recommender.track(songs[-1])
    assert recommender.encoder.name == "musicnn"
    assert len(recommender.recommend()) == 8


def test_an_index_is_continued_with_its_encoder(index, songs):
    search = AudioSearch()
    report = search.index_many(songs, save_dir=index)
    assert (report.added, report.unchanged) == (1, 9)
    assert search.encoder.fake.encoded == songs[-1:]


def test_an_index_knows_embedding_source_and_devices(fake_encoders, songs, tmp_path):
    source = tmp_path / "weights"
    source.mkdir()
    encoder = load_fake_encoder("yamnet", embedding="mean_std", source=source)
    AudioSearch(encoder=encoder).index_many(songs, save_dir=tmp_path / "index")
    for expected in (str(source), None):  # weights that were moved are looked for where all are
        search = AudioSearch(mx.cpu(1), mx.cpu())
        search.load(tmp_path / "index")
        search.query(songs[0])
        found = search.encoder
        assert (found.name, found.embedding, found.source) == ("yamnet", "mean_std", expected)
        assert (found.model_ctx, found.data_ctx) == (mx.cpu(1), mx.cpu())
        shutil.rmtree(source, ignore_errors=True)


def test_auto_is_stored_as_the_encoder_that_it_chose(fake_encoders, songs, tmp_path):
    AudioSearch(encoder="auto").index_many(songs, save_dir=tmp_path)
    search = AudioSearch()
    search.load(tmp_path)
    assert search.index.model["encoder"] == "yamnet"


def test_an_index_of_another_encoder_is_refused(index, songs, tmp_path):
    both = r"index: .*musicnn, max_pool.*musicnn-max_pool.*yamnet, mean.*yamnet-mean.*another directory"
    other = AudioSearch(encoder="yamnet")
    with pytest.raises(SearchError, match=both):
        other.load(index)
    with pytest.raises(SearchError, match=both):
        other.index_many(songs, save_dir=index)
    other.index_many(songs, save_dir=tmp_path / "other")
    change_manifest(index, model_id="musicnn-max_pool of other weights")
    search = AudioSearch()
    search.load(index)
    with pytest.raises(SearchError, match=r"other weights.*musicnn-max_pool"):
        search.query(songs[0])
    assert search.encoder is None
    search.load(tmp_path / "other")
    search.query(songs[0])
    assert search.encoder.name == "yamnet"


def test_a_model_of_an_index_goes_with_it_and_a_given_one_stays(index, songs, tmp_path):
    AudioSearch(encoder="yamnet").index_many(songs, save_dir=tmp_path / "other")
    search = AudioSearch()
    for folder, name in ((index, "musicnn"), (tmp_path / "other", "yamnet"), (index, "musicnn")):
        search.load(folder)
        assert len(search.query(songs[0], 3)) == 3
        assert search.encoder.name == name
        twin = pickle.loads(pickle.dumps(search))
        twin.load(tmp_path / "other")
        assert twin.encoder is None
    given = AudioSearch(encoder="musicnn")
    given.load(index)
    with pytest.raises(SearchError, match=r"yamnet.*musicnn"):
        given.load(tmp_path / "other")
    assert len(given) == 9


@pytest.mark.usefixtures("fake_encoders")
def test_arguments_that_contradict_or_are_of_the_wrong_type():
    classifier = FakeClassifier()
    loaded = load_fake_encoder("yamnet")
    assert AudioSearch(encoder=loaded).encoder is loaded
    assert AudioSearch(mx.cpu(1), encoder="yamnet").encoder.model_ctx == mx.cpu(1)
    with pytest.raises(ParameterError, match=r"encoder.*classifier"):
        AudioSearch(classifier=classifier, encoder="yamnet")
    with pytest.raises(ParameterError, match=r"model_ctx.*encoder"):
        AudioSearch(mx.cpu(), encoder=loaded)
    for kind in (Cifar10AudioSearch, Cifar10AudioRecommender):
        with pytest.raises(ParameterError, match=f"encoder.*{kind.__name__}"):
            kind(encoder="yamnet")
    for wrong in (3, b"yamnet", FakeEncoder, classifier):
        with pytest.raises(ParameterError, match="encoder"):
            AudioSearch(encoder=wrong)
    with pytest.raises(ParameterError, match=r"load_model.*FakeEncoder"):
        AudioSearch(encoder=loaded).load_model("models")
    with pytest.raises(ModelError, match="encoder="):
        AudioSearch().query("a.wav")


def test_unknown_encoder():
    with pytest.raises(ParameterError, match=r"yamnet.*'yamnett'"):
        AudioSearch(encoder="yamnett")


@pytest.mark.parametrize(
    "model",
    [{"encoder": "not yet published"}, {"encoder": 3}, {"encoder": None}, {"model": None}, {}, {"model": ["a"]}],
    ids=str,
)
def test_a_description_that_is_damaged_or_newer(index, songs, model, monkeypatch):
    monkeypatch.undo()  # the real loader
    change_manifest(index, model=model)
    search = AudioSearch()
    search.load(index)
    assert len(search.query_vector(np.ones(8), 3)) == 3  # needs no model
    with pytest.raises(SearchError):
        search.query(songs[0])
    change_manifest(index, model="musicnn")
    with pytest.raises(SearchError, match=r"index\.json.*damaged"):
        search.load(index)


def test_an_index_without_a_description(index, songs):
    change_manifest(index, model="-")  # as in former versions
    search = AudioSearch()
    search.load(index)
    with pytest.raises(ModelError, match="encoder="):
        search.query(songs[0])
    search = AudioSearch(encoder="musicnn")
    search.load(index)
    assert [path for path, _ in search.query(songs[0], 2)] == songs[1:3]
    search.save(index)
    again = AudioSearch()
    again.load(index)
    assert again.query(songs[0], 2) == search.query(songs[0], 2)


def test_an_index_knows_the_folder_of_a_classifier(corpus, model_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(model_dir.parent)
    paths = [path for path, _ in corpus[:6]]
    model = shutil.copytree(model_dir, tmp_path / "model")
    search = Cifar10AudioSearch()
    search.load_model(model)
    search.index_many(paths, save_dir=tmp_path / "index")
    assert search.index.model == {"model": str(model), "network": "cifar10"}
    expected = search.query(paths[0])
    again = AudioSearch()
    again.load(tmp_path / "index")
    assert again.query(paths[0]) == expected
    assert isinstance(again.classifier, Cifar10AudioClassifier)
    own = Cifar10AudioSearch()
    own.load(tmp_path / "index")
    with pytest.raises(ModelError, match="load_model"):
        own.query(paths[0])
    model.rename(tmp_path / "moved")
    late = AudioSearch()
    late.load(tmp_path / "index")
    with pytest.raises(SearchError, match=r"model: missing.*--model-dir"):
        late.query(paths[0])
    classifier = Cifar10AudioClassifier()
    classifier.load_model(tmp_path / "moved")
    moved = AudioSearch(classifier=classifier)
    moved.index_many(paths, save_dir=tmp_path / "index")
    assert moved.index.model["model"] == str(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved")
    (tmp_path / "moved").mkdir()
    late.load(tmp_path / "index")
    with pytest.raises(ModelError, match="moved"):
        late.query(paths[0])


def test_an_index_knows_an_onnx_file(corpus, classifier, tmp_path):
    pytest.importorskip("onnxruntime")
    paths = [path for path, _ in corpus[:4]]
    classifier.export_onnx(tmp_path / "model.onnx")
    search = AudioSearch(classifier=pickle.loads(pickle.dumps(OnnxAudioClassifier(tmp_path / "model.onnx"))))
    search.index_many(paths, save_dir=tmp_path / "index")
    again = AudioSearch()
    again.load(tmp_path / "index")
    assert again.query(paths[0]) == search.query(paths[0])
    assert isinstance(again.classifier, OnnxAudioClassifier)
    on_gpu = AudioSearch(mx.cpu())
    on_gpu.load(tmp_path / "index")
    with pytest.raises(SearchError, match="CPU"):
        on_gpu.query(paths[0])


def test_only_a_model_that_is_on_disk_is_described(corpus, own_classifier, model_dir, tmp_path):
    assert own_classifier.model_path == model_dir.absolute()
    own_classifier.adapt([path for path, _ in corpus])
    assert own_classifier.model_path is None
    search = AudioSearch(classifier=own_classifier)
    search.index_audio(corpus[0][0])
    assert search.index.model is None
    own_classifier.save_model(tmp_path)
    assert own_classifier.model_path == tmp_path
    search.index_audio(corpus[1][0])
    assert search.index.model == {"model": str(tmp_path), "network": "cifar10"}
    own_classifier.load_model(model_dir, parameters="best")
    assert own_classifier.model_path is None


def test_sounds_of_a_kind_are_neighbours_without_training(published, esc10, tmp_path):
    label_of = {path: label for path, label in datasets.folder(esc10) if label in ("rain", "rooster")}
    paths = [path for path in label_of if Path(path).name.startswith("1-")][::3]
    search = AudioSearch(encoder=published("yamnet"))
    search.index_many(paths, save_dir=tmp_path)
    again = AudioSearch()
    again.load(tmp_path)
    for label in ("rain", "rooster"):
        query = next(path for path in label_of if label_of[path] == label and path not in paths)
        assert [label_of[path] for path, _ in again.query(query, 3)] == [label] * 3
