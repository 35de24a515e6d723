"""Tests of the preparation of clips; its splits and losses of clips are also tested with `fit`."""

import hashlib
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.audio.speed import Played
from mxnet_audio.data import AudioLoader
from mxnet_audio.data.transforms import Features, ToImage
from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.training import Recipe, Settings, prepare

CONFIG = AudioFeatureConfig(n_mels=16, n_frames=20)
SETTINGS = Settings(batch_size=4, epochs=1, random_state=0, learning_rate=0.1, checkpoint_interval=1)


def run(pairs, recipe=None, **options):
    options = {"nb_classes": None, "test_size": 0.25, "show": False} | options
    load = partial(AudioLoader, batch_size=4)
    steps = [Features(CONFIG), ToImage(CONFIG.time_axis)]
    return prepare(pairs, load, steps, CONFIG, SETTINGS, recipe or Recipe(), **options)


def tone(i):
    return np.sin(np.arange(6000) * (0.1 + 0.01 * i)).astype(np.float32), 12000


@pytest.fixture
def pairs(tmp_path, write_tone):
    """Return 8 files of two classes."""
    return [(write_tone(tmp_path / f"{i}.wav", 200 + 50 * i, 0.5), "ab"[i % 2]) for i in range(8)]


def test_clips_are_split_measured_and_loaded(pairs):
    prepared = run(pairs)
    assert prepared.labels == ["a", "b"] and len(prepared.targets) == 6 and prepared.skipped == []
    assert [label for _, label in prepared.held_out] == ["a", "b"]
    assert {path for path, _ in prepared.held_out} <= {str(path) for path, _ in pairs}
    x = np.concatenate([batch.asnumpy() for batch, _ in prepared.train_plain])
    assert x.shape == (6, 1, 16, 20)
    assert (prepared.mean, prepared.std) == pytest.approx((x.mean(), x.std()), rel=1e-4)
    assert [len(y) for _, y in prepared.train] == [4, 2] and [len(y) for _, y in prepared.test] == [2]


def test_digests_are_stable(pairs):
    """Checkpoints hold them: a change would keep interrupted runs from being resumed."""
    sounds = [(tone(i), "ab"[i % 2]) for i in range(2)] + [(Played(tone(5), 1.1), "a")]
    files = [(str(path), label) for path, label in pairs]
    digests = run(pairs + sounds, test_size=0).digests

    def identity(y, rate):
        return f"array\0<f4\0(6000,)\0{rate}\0{hashlib.sha256(y.data).hexdigest()}"

    names = [identity(*tone(0)), identity(*tone(1)), f"{identity(*tone(5))}\0played at 1.1"]
    every = files + list(zip(names, "aba"))
    assert digests["training clips"] == hashlib.sha256(json.dumps(every).encode()).hexdigest()[:16]
    assert digests["test clips"] == hashlib.sha256(b"[]").hexdigest()[:16]


def test_a_clip_listed_twice_is_refused_under_any_name(pairs, tmp_path):
    link = tmp_path / "link.wav"
    link.symlink_to(pairs[0][0])
    relative = os.path.relpath(pairs[0][0])
    for again in (pairs[0][0], str(pairs[0][0]), link, relative, {"path": str(link)}):
        with pytest.raises(DatasetError, match="0 and 8"):
            run([*pairs, (again, "a")])
        with pytest.raises(DatasetError, match="0 and 1"):
            run(pairs, validation_pairs=[(tone(0), "a"), (again, "a")])
    with pytest.raises(DatasetError, match="8 and 9"):
        run([*pairs, (tone(0), "a"), (tone(0), "a")])
    run([*pairs, (Played(pairs[0][0], 1.1), "a")])


def test_unusable_files_are_left_out_and_listed(pairs, tmp_path, caplog):
    broken = tmp_path / "broken.wav"
    broken.write_text("not sound")
    prepared = run([*pairs, (broken, "a")])
    [(path, error)] = prepared.skipped
    assert path == str(broken) and "broken.wav" in caplog.text and str(broken) in str(error)
    assert len(prepared.targets) == 6
    with pytest.raises(DatasetError, match=r"silence"):
        run([*pairs, (broken, "silence")])
    with pytest.raises(DatasetError, match=r"1 files.*broken"):
        run(pairs, validation_pairs=[(broken, "a")])


def test_groups_and_validation_pairs_cannot_be_combined(pairs):
    with pytest.raises(ParameterError, match=r"groups .*validation_pairs"):
        run(pairs, groups=range(8), validation_pairs=[(tone(0), "a")])
    with pytest.raises(DatasetError, match=r"3 groups .*8 "):
        run(pairs, groups=range(3))


def test_a_bad_test_size_is_refused_before_files_are_read():
    with pytest.raises(ParameterError, match=r"test_size .* 1$"):
        run([("missing.wav", "a"), ("missing too.wav", "b")], test_size=1)


def test_aliases_count_as_their_labels(pairs):
    pairs = [(path, label if Path(path).stem != "6" else "c") for path, label in pairs]
    prepared = run(pairs, test_size=0, label_aliases={"c": "a"})
    assert prepared.labels == ["a", "b", "c"] and prepared.counts_as.tolist() == [0, 1, 0]


def test_augmented_clips_are_loaded_from_samples(pairs):
    prepared = run(pairs, Recipe(sound=lambda x: 0.1 * x))
    plain, quiet = (
        np.mean([x.asnumpy().mean() for x, _ in loader]) for loader in (prepared.train_plain, prepared.train)
    )
    assert quiet < plain - 5  # dB


def test_sets_of_labels_become_rows_of_targets(pairs):
    sets = [{"a", "c"}, ["a"], "a", ("b", "a"), set(), "c", {"c"}, {"b"}]
    clips = [(path, labels) for (path, _), labels in zip(pairs, sets)]
    prepared = run(clips, test_size=0)
    assert prepared.multi_label and prepared.labels == ["a", "b", "c"]
    expected = [[1, 0, 1], [1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]
    assert prepared.targets.tolist() == expected
    batches = [y for _, y in prepared.train_plain]
    assert all(y.dtype == np.float32 for y in batches)
    assert sorted(np.concatenate([y.asnumpy() for y in batches]).tolist()) == sorted(expected)
    again = run([(path, {labels} if isinstance(labels, str) else labels) for path, labels in clips], test_size=0)
    assert again.digests == prepared.digests
    balanced = run(clips, Recipe(balance="batches"), test_size=0)
    drawn = [row for _, y in balanced.train for row in y.asnumpy().tolist()]
    assert sum(row[1] for row in drawn) >= 2 and [0, 0, 0] in drawn


def test_validation_clips_may_have_sets_or_text_with_a_separator(pairs):
    clips = [(path, "a|b" if n % 3 else "b") for n, (path, _) in enumerate(pairs)]
    prepared = run(clips[:6], validation_pairs=clips[6:], label_separator="|")
    assert prepared.labels == ["a", "b"] and prepared.held_out[1][1] == frozenset(["a", "b"])
    sets = [(path, {"a", "b"}) for path, _ in pairs[6:]]
    mixed = run(pairs[:6], validation_pairs=sets)
    assert mixed.multi_label and mixed.held_out == [(str(path), frozenset(labels)) for path, labels in sets]
    with pytest.raises(DatasetError, match="'z'"):
        run(pairs[:6], validation_pairs=[(pairs[6][0], {"z"})])


def test_a_class_of_sets_whose_clips_cannot_be_read_is_named(pairs, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    clips = [*pairs, (tmp_path / "bad.wav", {"a", "c"})]
    with pytest.raises(DatasetError, match="no clip of c "):
        run(clips, test_size=0)
