"""Recommendations, and the listening history."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.errors import AudioDecodeError, ModelError, ParameterError, SearchError
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch
from tests.library.fake_classifier import FakeClassifier


class FakeRecommender(AudioRecommender):
    classifier_class = FakeClassifier


@pytest.fixture
def songs(tmp_path):
    """Paths by name: twelve songs of each of three styles, and four half-way between the first two styles."""
    rng = np.random.default_rng(0)
    centres = {"jazz": np.eye(8)[0], "metal": np.eye(8)[1], "folk": np.eye(8)[2]}
    centres["between"] = (centres["jazz"] + centres["metal"]) / np.sqrt(2)
    paths = {}
    for style, centre in centres.items():
        for i in range(4 if style == "between" else 12):
            path = tmp_path / f"{style}{i}.wav"
            path.write_text(json.dumps((centre + 0.3 + rng.normal(0, 0.05, 8)).tolist()))
            paths[f"{style}{i}"] = str(path)
    return paths


@pytest.fixture
def recommender(songs):
    recommender = FakeRecommender()
    recommender.load_model("models/model-a")
    recommender.index_many(songs.values())
    return recommender


def styles(recommendations):
    return [Path(path).stem.rstrip("0123456789") for path, _ in recommendations]


def test_similar_songs_are_recommended(recommender, songs):
    recommender.track(songs["folk0"])
    found = recommender.recommend(limits=11)
    assert styles(found) == ["folk"] * 11
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    nearest = [path for path, _ in recommender.query(songs["folk0"], 11)]
    assert [path for path, _ in found] == nearest  # for one played song: its neighbours, in their order


def test_scores_follow_the_formula(recommender, songs):
    played = ["folk0", "jazz1", "jazz1", "jazz1", "metal2"]
    for name in played:
        recommender.track(songs[name])
    fresh = [path for name, path in songs.items() if name not in played]
    expected = dict.fromkeys(fresh, 0.0)
    for name in played:
        near = {
            path: distance
            for path, distance in recommender.query_vector(recommender.index.vector(songs[name]), 100)
            if path in expected
        }
        reach = sorted(near.values())[9]
        for path in fresh:
            expected[path] += np.exp(-near[path] / reach) / len(played)
    found = recommender.recommend(limits=100)
    assert {path for path, _ in found} == set(fresh)
    for path, score in found:
        assert score == pytest.approx(expected[path], rel=1e-6)
    assert [path for path, _ in found] == sorted(fresh, key=lambda path: -expected[path])


def test_two_styles_are_both_recommended_and_not_their_middle(recommender, songs):
    for name in ("jazz0", "jazz1", "metal0", "metal1"):
        recommender.track(songs[name])
    found = styles(recommender.recommend(limits=12))
    assert set(found) == {"jazz", "metal"}
    assert 3 <= found.count("jazz") <= 9


def test_songs_played_more_often_count_more(recommender, songs):
    recommender.track(songs["jazz0"])
    recommender.track(songs["metal0"])
    for _ in range(4):
        recommender.track(songs["metal0"])
    assert styles(recommender.recommend(limits=5)) == ["metal"] * 5
    for _ in range(20):
        recommender.track(songs["jazz0"])
    assert styles(recommender.recommend(limits=5)) == ["jazz"] * 5


def test_played_songs_are_never_recommended(recommender, songs, tmp_path):
    link = tmp_path / "link.wav"
    link.symlink_to(songs["jazz3"])
    recommender.track(link)  # the same song under another name
    names = list(songs)
    for name in names[:-1]:
        recommender.track(songs[name])
        shown = {path for path, _ in recommender.recommend(limits=100)}
        assert not shown & set(recommender.history)
        assert songs["jazz3"] not in shown
        assert len(shown) == len(songs) - len({*recommender.history} - {str(link)} | {songs["jazz3"]})
    recommender.track(songs[names[-1]])
    assert recommender.recommend() == []  # all songs were played


def test_a_shorter_list_is_the_beginning_of_a_longer_one(recommender, songs):
    recommender.track(songs["jazz0"])
    recommender.track(songs["folk0"])
    assert recommender.recommend(limits=5) == recommender.recommend(limits=30)[:5]
    assert len(recommender.recommend()) == 10


def test_copies_are_in_the_order_of_indexing(recommender, songs, tmp_path):
    copies = []
    for i in range(15):
        copies.append(tmp_path / f"copy{i}.wav")
        copies[-1].write_bytes(Path(songs["folk0"]).read_bytes())
    recommender.index_many(copies)
    recommender.track(songs["folk0"])
    found = recommender.recommend(limits=15)
    assert [path for path, _ in found] == [str(path) for path in copies]
    assert {score for _, score in found} == {1.0}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("engine", ["exact", "voyager", "annoy"])
def test_all_engines_recommend_the_same(songs, engine, metric):
    def ranked(engine):
        recommender = FakeRecommender(engine=engine, metric=metric)
        recommender.load_model("models/model-a")
        recommender.index_many(songs.values())
        recommender.track(songs["metal3"])
        recommender.track(songs["folk1"])
        return recommender.recommend(limits=20)

    assert ranked(engine) == ranked("exact")
    assert set(styles(ranked(engine))) == {"metal", "folk"}


def test_a_song_outside_the_index_is_indexed(recommender, songs, tmp_path):
    new = tmp_path / "new.wav"
    new.write_bytes(Path(songs["metal5"]).read_bytes())
    recommender.track(new)
    assert new in recommender
    assert recommender.recommend(limits=1)[0].path == songs["metal5"]
    recommender.classifier.encoded.clear()
    recommender.track(songs["jazz0"])
    assert recommender.classifier.encoded == []  # its embedding is in the index


def test_an_unusable_song_is_not_tracked(recommender, songs, tmp_path):
    (tmp_path / "bad.wav").write_text("bad")
    with pytest.raises(AudioDecodeError):
        recommender.track(tmp_path / "bad.wav")
    assert recommender.history == []
    with pytest.raises(ModelError, match="load_model"):
        FakeRecommender().track(songs["jazz0"])


def test_without_a_history(recommender, songs):
    for untracked in (recommender, FakeRecommender()):
        with pytest.raises(SearchError, match="track"):
            untracked.recommend()
    recommender.track(songs["jazz0"])
    recommender.remove(songs["jazz0"])  # its embedding is removed
    with pytest.raises(SearchError, match="track"):
        recommender.recommend()
    recommender.index_audio(songs["jazz0"])  # and back; it still counts as played
    assert songs["jazz0"] not in [path for path, _ in recommender.recommend(limits=100)]


@pytest.mark.parametrize("count", [0, -3, 1.5, True, "10"])
def test_bad_numbers(recommender, songs, count):
    recommender.track(songs["jazz0"])
    with pytest.raises(ParameterError, match="top_k"):
        recommender.recommend(count)
    with pytest.raises(ParameterError, match="limits"):
        recommender.recommend(limits=count)
    with pytest.raises(ParameterError, match="top_k"):
        recommender.recommend(None)


def test_a_recommendation_is_usable_as_a_path(recommender, songs):
    recommender.track(songs["jazz0"])
    (best,) = recommender.recommend(1)
    assert os.fspath(best) == best.path and Path(best).read_text() == Path(best.path).read_text()
    recommender.track(best)
    assert recommender.history == [songs["jazz0"], best.path]


def test_history_is_saved_with_the_index(recommender, songs, tmp_path):
    for name in ("jazz0", "metal0", "jazz0"):
        recommender.track(songs[name])
    assert recommender.history == [songs["jazz0"], songs["metal0"], songs["jazz0"]]
    recommender.save(tmp_path / "index")
    loaded = FakeRecommender()
    loaded.load_model("models/model-a")
    loaded.load(tmp_path / "index")
    assert loaded.history == recommender.history
    assert loaded.recommend() == recommender.recommend()
    loaded.track(songs["folk0"])
    loaded.index_many([tmp_path / "missing.wav"], save_dir=tmp_path / "index")
    again = FakeRecommender()
    again.load(tmp_path / "index")
    assert again.history[-1] == songs["folk0"]
    search = AudioSearch()  # it does not use the history, and keeps it
    search.load(tmp_path / "index")
    search.remove(songs["jazz5"])
    search.save(tmp_path / "index")
    again.load(tmp_path / "index")
    assert len(again.history) == 4


def test_only_the_last_songs_count(monkeypatch, recommender, songs):
    from mxnet_audio.library import recommender as module

    assert module.HISTORY_SONGS == 200
    monkeypatch.setattr(module, "HISTORY_SONGS", 2)
    for name in ("jazz0", "jazz1", "metal0", "metal1"):
        recommender.track(songs[name])
    assert styles(recommender.recommend(limits=10)) == ["metal"] * 10
    assert songs["jazz0"] not in [path for path, _ in recommender.recommend(limits=100)]


def test_arguments_that_contradict_or_are_of_the_wrong_type(recommender, songs):
    with pytest.raises(SearchError, match=r"nothing was tracked.*track\(path\)"):
        recommender.recommend()
    for sound in (b"RIFF", None, 3):
        with pytest.raises(ParameterError, match="path"):
            recommender.track(sound)
    recommender.track(songs["jazz0"])
    assert recommender.recommend(2, limits=2) == recommender.recommend(limits=2)
    with pytest.raises(ParameterError, match=r"limits.*2.*1"):
        recommender.recommend(top_k=1, limits=2)
