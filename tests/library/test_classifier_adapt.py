"""Adaptation to another room: batch norms measured again on unlabelled clips."""

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import Cifar10AudioClassifier, audio, load_classifier
from mxnet_audio.errors import DatasetError, ModelError, ParameterError
from mxnet_audio.training import get_parameters


@pytest.fixture(scope="module")
def elsewhere(corpus, tmp_path_factory):
    """Pairs of the corpus, recorded with a poor microphone in a noisy room."""
    folder, rng = tmp_path_factory.mktemp("elsewhere"), np.random.default_rng(0)
    pairs = []
    for i, (path, label) in enumerate(corpus):
        y, sr = sf.read(path)
        y = 0.05 * (y + 0.7 * np.r_[0, y[:-1]]) + rng.normal(0, 0.02, len(y))
        pairs.append((str(folder / f"{i}.wav"), label))
        sf.write(pairs[-1][0], y, sr)
    return pairs


def test_accuracy_rises_and_only_statistics_change(own_classifier, elsewhere):
    unlabelled, others = elsewhere[:12], elsewhere[12:]
    before, report, model_id = (
        get_parameters(own_classifier.model.net),
        own_classifier.evaluate(others),
        own_classifier.model_id,
    )
    own_classifier.adapt([path for path, _ in unlabelled], batch_size=3)
    after = get_parameters(own_classifier.model.net)
    changed = {parameter for parameter in before if (before[parameter] != after[parameter]).any()}
    assert changed and all("running" in parameter for parameter in changed)
    assert changed == {parameter for parameter in before if "running" in parameter}
    assert own_classifier.evaluate(others).accuracy >= report.accuracy + 0.3
    assert own_classifier.model_id != model_id and own_classifier.skipped == []


def test_one_channel_of_each_clip(own_classifier, model_dir, elsewhere):
    again = Cifar10AudioClassifier()
    again.load_model(model_dir)
    sounds = [audio.load(path) for path, _ in elsewhere[:4]]
    own_classifier.adapt(sounds)
    again.adapt([(np.stack([np.zeros_like(y), y]), sr) for y, sr in sounds], channel="right")
    assert again.model_id == own_classifier.model_id
    with pytest.raises(ParameterError, match="channel"):
        again.adapt(sounds, channel="centre")
    assert again.model_id == own_classifier.model_id


def test_the_order_of_the_clips_does_not_matter_and_the_result_is_saved(own_classifier, model_dir, elsewhere, tmp_path):
    paths = [path for path, _ in elsewhere]
    own_classifier.adapt(paths)
    own_classifier.save_model(tmp_path)
    again = Cifar10AudioClassifier()
    again.load_model(model_dir)
    again.adapt(path for path in sorted(paths, reverse=True))  # one batch, whatever the order
    saved = load_classifier(tmp_path)
    assert saved.model_id == own_classifier.model_id
    assert saved.model.notes["training"]["adapted to, inputs"] == 2 * len(paths)  # two parts of each
    found, expected = (np.stack([p.probabilities for p in c.predict_many(paths)]) for c in (again, saved))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_interruption_leaves_the_model_unchanged(own_classifier, elsewhere):
    before, model_id = get_parameters(own_classifier.model.net), own_classifier.model_id
    x = np.random.default_rng(0).normal(size=(4, *own_classifier.model.net.input_shape)).astype(np.float32)

    def interrupted():
        yield x
        changed = get_parameters(own_classifier.model.net)
        assert any((before[parameter] != changed[parameter]).any() for parameter in before)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own_classifier.model.adapt(interrupted())
    after = get_parameters(own_classifier.model.net)
    assert all((before[parameter] == after[parameter]).all() for parameter in before)
    assert own_classifier.model_id == model_id and "adapted to, inputs" not in own_classifier.model.notes["training"]


def test_unusable_files_are_left_out_and_listed(own_classifier, model_dir, elsewhere, tmp_path, caplog):
    text = tmp_path / "text.wav"
    text.write_text("not sound")
    paths = [path for path, _ in elsewhere]
    own_classifier.adapt([*paths[:6], text, tmp_path / "missing.wav"], batch_size=3)
    assert sorted(path for path, _ in own_classifier.skipped) == [str(tmp_path / "missing.wav"), str(text)]
    assert "missing.wav" in caplog.text
    fingerprint = own_classifier.model_id
    for paths_without_sound, reason in (([], "none of the 0"), ([text], r"none of the 1 files.*text.wav")):
        with pytest.raises(DatasetError, match=reason):
            own_classifier.adapt(paths_without_sound)
        assert own_classifier.model_id == fingerprint
    silence = (np.zeros(12000, np.float32), 12000)
    own_classifier.adapt([*paths[:4], silence])
    assert [path for path, _ in own_classifier.skipped] == ["item 4"]
    caplog.clear()
    own_classifier.adapt(paths[0])
    assert "adapted to 1 clips" in caplog.text
    with pytest.raises(ParameterError, match="labels"):
        own_classifier.adapt(elsewhere)
    fingerprint = own_classifier.model_id
    for wrong in (0, 2.5, "8"):
        with pytest.raises(ParameterError, match="batch_size"):
            own_classifier.adapt(paths, batch_size=wrong)
    assert own_classifier.model_id == fingerprint
    with pytest.raises(ModelError):
        Cifar10AudioClassifier().adapt(paths)
