"""Distinction of known from unknown sounds, on synthetic embeddings."""

import base64
import io

import numpy as np
import pytest

from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.inference.known_sounds import KnownSounds, Standardization, checked_share, from_text, to_text


@pytest.fixture
def embeddings():
    """Embeddings of three classes, their classes, and embeddings of a fourth class."""
    rng = np.random.default_rng(0)
    means = rng.normal(0, 3, (4, 40)).astype(np.float32)
    targets = np.arange(300) % 3
    noise = rng.normal(0, 1, (300, 40)).astype(np.float32)
    return means[targets] + noise, targets, means[3] + noise[:100]


def test_scores_distinguish_another_class(embeddings):
    vectors, targets, others = embeddings
    left_out = KnownSounds.of(vectors[:75], targets[:75]).scores(vectors[75:150])
    known = KnownSounds.of(vectors[:150], targets[:150], left_out)
    assert known.contain(vectors[150:], 0.05).mean() == pytest.approx(0.95, abs=0.06)
    assert known.contain(vectors[150:], 0.5).mean() == pytest.approx(0.5, abs=0.12)
    assert known.contain(others, 0.05).mean() < 0.05
    assert (np.abs(known.scores(vectors)) <= 1).all()


def test_the_scale_of_the_embeddings_does_not_matter(embeddings):
    vectors, targets, others = embeddings
    one, two = KnownSounds.of(vectors, targets), KnownSounds.of(100 * vectors + 7, targets)
    np.testing.assert_allclose(one.scores(others), two.scores(100 * others + 7), rtol=1e-4)


def test_tensors(embeddings):
    vectors, targets, others = embeddings
    known = KnownSounds.of(vectors, targets, [0.5, 0.2])
    again = KnownSounds.from_tensors(known.to_tensors())
    np.testing.assert_allclose(again.scores(others), known.scores(others), atol=1e-5)
    assert again.known_scores.tolist() == pytest.approx([0.2, 0.5])
    with pytest.raises(ModelError, match="center"):
        KnownSounds.from_tensors({})


def test_elements_that_hardly_vary_do_not_outweigh_the_others():
    vectors = np.random.default_rng(0).normal(size=(100, 8))
    vectors[:, 0] *= 1e-6
    vectors[:, 1] = 5
    applied = Standardization.of(vectors).apply(np.ones((1, 8)))
    assert np.abs(applied[0, 0]) < 10 and np.isfinite(applied).all()
    assert np.isfinite(Standardization.of(np.ones((3, 8))).apply(np.ones((1, 8)))).all()


def test_shares():
    assert checked_share(True) == 0.05 and checked_share(0.2) == 0.2
    for wrong in (0, 1, 1.5, -0.1, "5%", None, float("nan")):
        with pytest.raises(ParameterError, match="unknown"):
            checked_share(wrong)


def test_text(embeddings):
    vectors, targets, others = embeddings
    known = KnownSounds.of(vectors, targets, [0.5, 0.2])
    text = to_text(known)
    assert text == to_text(known)
    np.testing.assert_allclose(from_text(text).scores(others), known.scores(others), atol=1e-5)
    for damaged in ("", "abc", text[:100], "%"):
        with pytest.raises(ModelError, match="known sounds"):
            from_text(damaged)


def test_arrays_that_do_not_fit_each_other_are_refused(embeddings):
    vectors, targets, others = embeddings
    known = KnownSounds.of(vectors, targets, [0.5, 0.2])
    good = known.to_tensors()
    for name, value in {
        "center": good["center"][1:],
        "scale": good["scale"][None],
        "means": good["means"][0],
        "known_scores": good["known_scores"][:0],
    }.items():
        with pytest.raises(ModelError):
            KnownSounds.from_tensors({**good, name: value})
    with pytest.raises(ModelError):
        KnownSounds.from_tensors({**good, "scale": np.full_like(good["scale"], np.nan)})
    with pytest.raises(ModelError, match="damaged"):
        KnownSounds.from_tensors({**good, "scale": np.zeros_like(good["scale"])})
    with pytest.raises(ModelError, match="40 numbers"):
        known.scores(others[:, 1:])


def test_text_that_stands_for_much_more_is_refused(embeddings):
    vectors, targets, _ = embeddings
    buffer = io.BytesIO()
    arrays = KnownSounds.of(vectors, targets, [0.5, 0.2]).to_tensors()
    np.savez_compressed(buffer, **arrays, padding=np.zeros(10_000_000, np.float32))
    with pytest.raises(ModelError, match="larger"):
        from_text(base64.b64encode(buffer.getvalue()).decode())
