"""Searches and tags with encoders of the hub: tiny models, whose weights are random."""

import shutil

import numpy as np
import pytest
import soundfile

from mxnet_audio.errors import InvalidAudioError, ModelError, ParameterError, SearchError
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.library.tagger import AudioTagger
from mxnet_audio.pretrained import load_encoder
from tests.models.hub_folders import HUB

SR = 16_000


@pytest.fixture
def noise():
    """Return the function that makes noise of a length."""

    def make(seconds, seed=0):
        return np.float32(np.random.default_rng(seed).normal(0, 0.1, round(seconds * SR))), SR

    return make


@pytest.fixture
def clips(noise, tmp_path):
    """Paths of five clips of different lengths."""
    paths = [tmp_path / f"{seed} é.wav" for seed in range(5)]
    for seed, path in enumerate(paths):
        soundfile.write(path, *noise(0.1 + 0.05 * seed, seed))
    return paths


def test_an_index_knows_name_embedding_and_folder(clips, tmp_path):
    folder = shutil.copytree(HUB / "wavlm", tmp_path / "wavlm")
    search = AudioSearch(encoder=load_encoder("wavlm", source=folder, layer=1))
    search.index_many(clips[:4], save_dir=tmp_path / "index")
    assert search.index.model == {"encoder": "wavlm", "embedding": "1:mean", "source": str(folder)}
    nearest = search.query(clips[0])
    again, recommender = AudioSearch(), AudioRecommender()
    for one in (again, recommender):
        one.load(tmp_path / "index")
    assert again.query(clips[0]) == nearest and again.encoder.embedding == "1:mean"
    recommender.track(clips[4])
    assert len(recommender.recommend()) == 4
    folder.rename(tmp_path / "moved")
    late = AudioSearch()
    late.load(tmp_path / "index")
    with pytest.raises(ModelError, match=r"wavlm: missing.*--source"):
        late.query(clips[0])
    moved = AudioSearch(encoder=load_encoder("wavlm", source=tmp_path / "moved", layer=1))
    moved.load(tmp_path / "index")
    assert moved.query(clips[0]) == nearest
    moved.save(tmp_path / "index")
    late.load(tmp_path / "index")
    assert late.query(clips[0]) == nearest


def test_an_index_of_other_weights_or_another_layer_is_refused(clips, tmp_path):
    folder = shutil.copytree(HUB / "wav2vec2", tmp_path / "model")
    AudioSearch(encoder=load_encoder("wav2vec2", source=folder)).index_many(clips, save_dir=tmp_path / "index")
    for other in (load_encoder("wav2vec2", source=folder, layer=0), load_encoder("hubert", source=HUB / "hubert")):
        with pytest.raises(SearchError, match=rf"wav2vec2 of {folder}, mean"):
            AudioSearch(encoder=other).load(tmp_path / "index")
    shutil.rmtree(folder)
    shutil.copytree(HUB / "wav2vec2_large", folder)
    search = AudioSearch()
    search.load(tmp_path / "index")
    with pytest.raises(SearchError, match="the index holds embeddings of"):
        search.query(clips[0])


def test_tags_of_a_model_that_chooses_one_of_its_classes(noise):
    tagger = AudioTagger("wav2vec2", source=HUB / "wav2vec2_classifier")
    prediction = tagger.predict(noise(0.2))
    assert prediction.encoder == "wav2vec2" and prediction.label in tagger.labels == ["down", "go", "up"]
    assert prediction.probabilities.sum() == pytest.approx(1)


def test_timelines(noise):
    tagger = AudioTagger(load_encoder("ast", source=HUB / "ast_classifier"))
    y, _ = noise(2.0)
    y[round(0.64 * SR) : round(1.3 * SR)] = 0
    default = tagger.predict_timeline((y, SR))
    assert [(part.start, part.end) for part in default] == [(0, 0.64), (0.64, 1.28), (1.28, 1.92), (1.36, 2)]
    assert [part.label is None for part in default] == [False, True, False, False]
    halves = tagger.predict_timeline((y, SR), 0.5, 0.5)
    assert [(part.start, part.end) for part in halves] == [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]
    np.testing.assert_allclose(halves[3].probabilities, tagger.predict((y[-SR // 2 :], SR)).probabilities, atol=1e-5)
    (whole,) = tagger.predict_timeline((y, SR), 1e6)  # longer than the network takes
    assert (whole.start, whole.end) == (0, 2)
    for window, hop in ((0.01, None), (0.5, 0.6), (0.5, 0), ("1", None), (float("nan"), None)):
        with pytest.raises(ParameterError, match=r"(window|hop) must be a number"):
            tagger.predict_timeline((y, SR), window, hop)
    with pytest.raises(InvalidAudioError, match="too short"):
        tagger.predict_timeline((y[:100], SR))


def test_a_model_without_classes_is_refused():
    for options in (
        {"encoder": "wavlm", "source": HUB / "wavlm"},
        {"encoder": load_encoder("ast", source=HUB / "ast")},
    ):
        with pytest.raises(ParameterError, match=r"the (wavlm|ast) model at .*(wavlm|ast) has none"):
            AudioTagger(**options)
    with pytest.raises(ParameterError, match="encoder of a tagger"):
        AudioTagger("wav2vec2")
    with pytest.raises(ParameterError, match="loaded encoder"):
        AudioTagger(load_encoder("ast", source=HUB / "ast_classifier"), source=HUB)
