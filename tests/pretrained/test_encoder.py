"""Pretrained encoders by name: published results, scikit-learn's interface, errors."""

import copy
import pickle

import numpy as np
import pytest
import soundfile

from mxnet_audio import weights
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ModelError, ParameterError
from mxnet_audio.pretrained import AudioEncoder, load_encoder


@pytest.fixture(scope="module")
def yamnet(published):
    return load_encoder(published("yamnet"))


@pytest.fixture(scope="module")
def clips(make_once):
    """Folder of eight clips of 1.2 s: low tones and noises, in turns."""

    def fill(folder):
        rng, t = np.random.default_rng(0), np.arange(19200) / 16000
        for i in range(8):
            y = rng.normal(0, 0.1, t.size) if i % 2 else 0.3 * np.sin(2 * np.pi * (200 + 20 * i) * t)
            soundfile.write(folder / f"{i}.wav", y, 16000)

    return sorted(make_once("encoder-clips", fill).glob("*.wav"))


LABELS = ["tone", "noise"] * 4


@pytest.mark.parametrize("name", weights.names())
def test_facts_and_shapes(published, clips, name):
    encoder = load_encoder(published(name))
    record = encoder.record
    for embedding, dim in record.embeddings.items():
        other = load_encoder(name, embedding=embedding)
        vector = other.encode_audio(clips[0])
        assert vector.shape == (dim,) == (other.embedding_dim,) and vector.dtype == np.float32
        assert np.isfinite(vector).all() and (embedding == record.embedding) == (other.model_id == encoder.model_id)
    assert len(encoder.labels) == record.n_tags
    (output,) = encoder.forward_many([clips[0]])
    assert output.probabilities.shape == (record.n_tags,)
    assert ((output.probabilities >= 0) & (output.probabilities <= 1)).all()


def test_frames(yamnet, clips):
    vectors, times = yamnet.encode_frames(clips[0])
    np.testing.assert_allclose(times, [[0, 0.975], [0.22, 1.195]], atol=1e-6)
    np.testing.assert_allclose(vectors.mean(axis=0), yamnet.encode_audio(clips[0]), atol=1e-5)
    both = load_encoder("yamnet", embedding="mean_std").encode_audio(clips[0])
    np.testing.assert_allclose(both, np.r_[vectors.mean(axis=0), vectors.std(axis=0)], atol=1e-5)
    frames = list(yamnet.iter_frames(clips[0]))
    np.testing.assert_allclose(np.concatenate([part.vectors for part in frames]), vectors, atol=1e-6)
    assert frames[0].scores.shape[1] == 521


def test_inputs_as_everywhere(yamnet, clips):
    path = clips[1]
    y, sr = soundfile.read(path, dtype="float32")
    expected = yamnet.encode_audio(path)
    for source in (str(path), (y, sr), (np.stack([y, y]), sr), path.read_bytes(), {"array": y, "sampling_rate": sr}):
        np.testing.assert_allclose(yamnet.encode_audio(source), expected, atol=1e-5)
    with path.open("rb") as file:
        np.testing.assert_allclose(yamnet.encode_audio(file), expected, atol=1e-5)


def test_scikit_learn(yamnet, clips):
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(yamnet)
    assert clone(load_encoder("yamnet", embedding="mean_std")).embedding == "mean_std"
    pipeline = make_pipeline(yamnet, LogisticRegression()).fit(clips[:6], LABELS[:6])
    assert list(pipeline.predict(clips[6:])) == LABELS[6:]
    search = GridSearchCV(pipeline, {"audioencoder__embedding": ["mean", "mean_std"]}, cv=2)
    search.fit(clips[:4], LABELS[:4])
    assert search.best_score_ == 1
    names = yamnet.get_feature_names_out()
    assert len(names) == 1024 and names[0] == "yamnet0"


def test_columns_and_output_of_tables(yamnet, clips):
    pandas = pytest.importorskip("pandas")
    expected = yamnet.transform(clips[:2])
    assert expected.shape == (2, 1024) and yamnet.transform([]).shape == (0, 1024)
    table = pandas.DataFrame({"path": [str(path) for path in clips[:2]]}, index=["a", "b"])
    for column in (table, table["path"], table.to_numpy(), np.array(clips[:2])):
        np.testing.assert_array_equal(yamnet.transform(column), expected)
    frame = copy.deepcopy(yamnet).set_output(transform="pandas").transform(table)
    assert list(frame.index) == ["a", "b"] and frame.columns[1023] == "yamnet1023"
    with pytest.raises(ParameterError, match=r"\(2, 2\)"):
        yamnet.transform(np.full((2, 2), "a.wav"))


def test_copies_and_parameters(yamnet, clips):
    expected = yamnet.encode_audio(clips[0])
    for other in (copy.copy(yamnet), copy.deepcopy(yamnet), pickle.loads(pickle.dumps(yamnet))):
        np.testing.assert_allclose(other.encode_audio(clips[0]), expected, atol=1e-6)
    assert len(pickle.dumps(yamnet)) < 1000  # the weights are loaded again
    other = copy.deepcopy(yamnet).set_params(embedding="mean_std")
    assert other.encode_audio(clips[0]).shape == (2048,) and yamnet.embedding_dim == 1024
    other.embedding = "mean"
    assert other.encode_audio(clips[0]).shape == (1024,) == (other.embedding_dim,)


def test_unusable_sounds(yamnet, clips, tmp_path):
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16000), 16000)
    good, *bad = yamnet.encode_many([clips[0], silent, tmp_path / "missing.wav"])
    assert good.error is None and good.path == str(clips[0])
    assert [type(encoding.error) for encoding in bad] == [InvalidAudioError, AudioDecodeError]
    for call in (yamnet.encode_audio, yamnet.encode_frames, lambda path: yamnet.transform([clips[0], path])):
        with pytest.raises(InvalidAudioError, match=r"silent\.wav"):
            call(silent)


def test_bad_arguments(published):
    with pytest.raises(ParameterError, match="nonesuch"):
        load_encoder("nonesuch")
    with pytest.raises(ParameterError, match=r"max_pool.*penultimate.*'mean'"):
        load_encoder(published("musicnn"), embedding="mean")
    with pytest.raises(ParameterError, match="model_ctx"):
        load_encoder("musicnn", model_ctx="cpu")
    with pytest.raises(ParameterError, match="auto"):
        load_encoder("auto", source="weights")
    for name in ("embeding", "yamnet"):
        with pytest.raises(ParameterError, match=f"'{name}'"):
            AudioEncoder().set_params(**{name: "mean"})
    with pytest.raises(ParameterError, match="paths"):
        AudioEncoder("yamnet").transform(np.array("a.wav"))
    with pytest.raises(ModelError, match="nowhere"):
        load_encoder("yamnet", source="nowhere")


def test_auto_is_yamnet_where_it_can_be_had(published, monkeypatch):
    published("musicnn")
    assert load_encoder(published("yamnet")).model_id == load_encoder().model_id
    load = weights.load

    def without_yamnet(name, *args, **kwargs):
        if name == "yamnet":
            raise ModelError("no network")
        return load(name, *args, **kwargs)

    monkeypatch.setattr(weights, "load", without_yamnet)
    assert AudioEncoder().record.name == "musicnn"


def test_auto_says_how_to_get_either_encoder(monkeypatch):
    def load(name):
        raise ModelError(f"the weights of {name} are not on this machine")

    monkeypatch.setattr(weights, "load", load)
    with pytest.raises(ModelError, match=r"(?s)weights of yamnet.*weights of musicnn"):
        load_encoder()
