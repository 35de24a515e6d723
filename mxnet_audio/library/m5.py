"""Classify, search and recommend sound with M5, the network that hears the waveform itself."""

from __future__ import annotations

import os

from mxnet_audio import training
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch

__all__ = ["M5AudioClassifier", "M5AudioRecommender", "M5AudioSearch"]


class M5AudioClassifier(AudioClassifier):
    """Four convolutions over the samples and a vector of 512; see `AudioClassifier` and `models.M5Net`.

    Sound is resampled to 8 kHz; the network hears its middle, or all of it and zeros after that.

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
    >>> history = classifier.fit(pairs, folder, batch_size=4, epochs=2, test_size=0.25, nb_classes=2,
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
        input_shape: tuple[int, int, int] = (1, 1, 32000),
        nb_classes: int | None = 10,
        learning_rate: float = 0.01,
        checkpoint_interval: int = 10,
        **options,
    ) -> dict[str, list[float]]:
        """Train as `AudioClassifier.fit` does, which says what the arguments are, with other defaults.

        Parameters
        ----------
        input_shape : tuple of int [(1, 1, samples)]
            Length of the input at 8 kHz: ``samples = 8000 * seconds``.
        learning_rate : float > 0
            The paper's.
        **options
            What else `AudioClassifier.fit` takes.

        Returns
        -------
        dict of str to list of float
            ``loss_train, loss_test, acc_train, acc_test``: one value an epoch.

        Raises
        ------
        DatasetError, FeatureError, ModelError
            As there.
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
    """Find sound that is like a sound, by the vectors of `M5AudioClassifier`."""

    classifier_class = M5AudioClassifier


class M5AudioRecommender(AudioRecommender):
    """Recommend sound by what was heard, by the vectors of `M5AudioClassifier`."""

    classifier_class = M5AudioClassifier
