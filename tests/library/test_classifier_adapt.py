"""Norms measured anew on clips without labels: another place, the same classes."""

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import Cifar10AudioClassifier, load_classifier
from mxnet_audio.errors import DatasetError, ModelError
from mxnet_audio.training import get_parameters


@pytest.fixture(scope="module")
def elsewhere(corpus, tmp_path_factory):
    """The corpus through a poor microphone in a noisy room."""
    folder, rng = tmp_path_factory.mktemp("elsewhere"), np.random.default_rng(0)
    pairs = []
    for i, (path, label) in enumerate(corpus):
        y, sr = sf.read(path)
        y = 0.05 * (y + 0.7 * np.r_[0, y[:-1]]) + rng.normal(0, 0.02, len(y))
        pairs.append((str(folder / f"{i}.wav"), label))
        sf.write(pairs[-1][0], y, sr)
    return pairs


def test_adapted_to_another_room_it_knows_its_clips_better_and_only_statistics_changed(classifier, elsewhere):
    there, others = elsewhere[:12], elsewhere[12:]
    before, known, name = get_parameters(classifier.model.net), classifier.evaluate(others), classifier.model_id
    classifier.adapt([path for path, _ in there], batch_size=3)
    after = get_parameters(classifier.model.net)
    changed = {parameter for parameter in before if (before[parameter] != after[parameter]).any()}
    assert changed and all("running" in parameter for parameter in changed)
    assert changed == {parameter for parameter in before if "running" in parameter}
    assert classifier.evaluate(others).accuracy >= known.accuracy + 0.3
    assert classifier.model_id != name and classifier.skipped == []


def test_the_order_of_the_clips_is_all_the_same_and_the_result_is_kept(classifier, model_dir, elsewhere, tmp_path):
    paths = [path for path, _ in elsewhere]
    classifier.adapt(paths)
    classifier.save_model(tmp_path)
    again = Cifar10AudioClassifier()
    again.load_model(model_dir)
    again.adapt(path for path in sorted(paths, reverse=True))  # one batch, whatever the order
    kept = load_classifier(tmp_path)
    assert kept.model_id == classifier.model_id and kept.model.notes["training"]["adapted to, inputs"] == len(paths)
    found, expected = (np.stack([p.probabilities for p in c.predict_many(paths)]) for c in (again, kept))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_interruption_leaves_the_model_as_it_was(classifier, elsewhere):
    before, name = get_parameters(classifier.model.net), classifier.model_id
    x = np.random.default_rng(0).normal(size=(4, *classifier.model.net.input_shape)).astype(np.float32)

    def stopped():
        yield x
        changed = get_parameters(classifier.model.net)
        assert any((before[parameter] != changed[parameter]).any() for parameter in before)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classifier.model.adapt(stopped())
    after = get_parameters(classifier.model.net)
    assert all((before[parameter] == after[parameter]).all() for parameter in before)
    assert classifier.model_id == name and "adapted to, inputs" not in classifier.model.notes["training"]


def test_what_cannot_be_used_is_left_out_and_listed(classifier, model_dir, elsewhere, tmp_path, caplog):
    text = tmp_path / "text.wav"
    text.write_text("not sound")
    paths = [path for path, _ in elsewhere]
    classifier.adapt([*paths[:6], text, tmp_path / "missing.wav"], batch_size=3)
    assert sorted(path for path, _ in classifier.skipped) == [str(tmp_path / "missing.wav"), str(text)]
    assert "missing.wav" in caplog.text
    fingerprint = classifier.model_id
    for nothing, reason in (([], "none of the 0"), ([text], "none of the 1 files.*text.wav")):
        with pytest.raises(DatasetError, match=reason):
            classifier.adapt(nothing)
        assert classifier.model_id == fingerprint
    missing = (np.zeros(12000, np.float32), 12000)  # silent
    classifier.adapt([*paths[:4], missing])
    assert [path for path, _ in classifier.skipped] == ["item 4"]
    caplog.clear()
    classifier.adapt(paths[0])  # one alone will do, in a way
    assert "adapted to 1 clips: too few" in caplog.text
    with pytest.raises(DatasetError, match="without their labels"):
        classifier.adapt(elsewhere)
    fingerprint = classifier.model_id
    for wrong in (0, 2.5, "8"):
        with pytest.raises(ModelError, match="batch_size"):
            classifier.adapt(paths, batch_size=wrong)
    assert classifier.model_id == fingerprint
    with pytest.raises(ModelError, match="no model yet"):
        Cifar10AudioClassifier().adapt(paths)
