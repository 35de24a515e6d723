"""Classify, search and recommend sound with M5, a network that takes the waveform."""

from __future__ import annotations

import os
from typing import Any

from mxnet_audio import training
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch

__all__ = ["M5AudioClassifier", "M5AudioRecommender", "M5AudioSearch"]


class M5AudioClassifier(AudioClassifier):
    """Four convolutions over the samples, embedding of 512; see `AudioClassifier` and `models.M5Net`.

    Sound is resampled to 8 kHz; the network takes its middle, or all of it, padded with zeros at the end.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(8000) / 8000
    >>> tones = [(np.sin(2 * np.pi * (300 + 50 * i) * t), 8000) for i in range(4)]
    >>> noises = [(rng.normal(0, 0.1, t.size), 8000) for _ in range(4)]
    >>> pairs = [(tone, 'tone') for tone in tones] + [(noise, 'noise') for noise in noises]
    >>> classifier = M5AudioClassifier()
    >>> folder = getfixture('tmp_path')
    >>> history = classifier.fit(pairs, folder, batch_size=4, epochs=2, test_size=0.25,
    ...                          input_shape=(1, 1, 8000), cache=False, progress=False)
    >>> classifier.predict_class(tones[0]) in classifier.labels
    True
    >>> classifier.encode_audio(tones[0]).shape
    (512,)
    """

    network = "m5"
    recipe = "waveform"

    def fit(
        self,
        audio_path_label_pairs: training.Pairs,
        model_dir_path: str | os.PathLike,
        batch_size: int = 64,
        epochs: int = 20,
        test_size: float = 0.2,
        random_state: int = 42,
        input_shape: tuple[int, int, int] | None = None,
        nb_classes: int | None = None,
        learning_rate: float = 0.01,
        checkpoint_interval: int = 10,
        **options: Any,
    ) -> dict[str, list[float]]:
        """Train on files; see `AudioClassifier.fit` for all parameters. Two defaults differ.

        Parameters
        ----------
        input_shape : tuple of int [(1, 1, samples)], optional
            Shape of the input, at 8 kHz: ``samples = 8000 * seconds``; (1, 1, 32000), 4 s, by default.
        learning_rate : float > 0
            Learning rate of Adam, as in the paper.
        **options
            Further parameters of `AudioClassifier.fit`.

        Returns
        -------
        dict of str to list of float
            ``loss_train, loss_test, acc_train, acc_test``: one value an epoch.

        Raises
        ------
        DatasetError, ModelError, ParameterError
            As `AudioClassifier.fit`.
        """
        return super().fit(
            audio_path_label_pairs,
            model_dir_path,
            batch_size,
            epochs,
            test_size,
            random_state,
            input_shape,
            nb_classes,
            learning_rate,
            checkpoint_interval,
            **options,
        )


class M5AudioSearch(AudioSearch):
    """Search for similar sound by the embeddings of `M5AudioClassifier`."""

    classifier_class = M5AudioClassifier


class M5AudioRecommender(AudioRecommender):
    """Recommend songs by listening history and the embeddings of `M5AudioClassifier`."""

    classifier_class = M5AudioClassifier
