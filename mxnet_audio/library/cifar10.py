"""Classify, search and recommend sound with the CIFAR-10 style network."""

from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch

__all__ = ["Cifar10AudioClassifier", "Cifar10AudioRecommender", "Cifar10AudioSearch"]


class Cifar10AudioClassifier(AudioClassifier):
    """Five convolutions with elongated pools, embedding of 512; see `AudioClassifier` and `models.Cifar10Net`.

    Examples
    --------
    >>> import numpy as np, soundfile
    >>> folder, rng = getfixture('tmp_path'), np.random.default_rng(0)
    >>> pairs = []
    >>> for i in range(8):
    ...     path, label = folder / f'{i}.wav', ('noise', 'tone')[i % 2]
    ...     t = np.arange(12000) / 12000
    ...     y = rng.normal(0, 0.1, t.size) if label == 'noise' else np.sin(2 * np.pi * (300 + 50 * i) * t)
    ...     soundfile.write(path, y, 12000)
    ...     pairs.append((path, label))
    >>> classifier = Cifar10AudioClassifier()
    >>> history = classifier.fit(pairs, folder / 'model', batch_size=4, epochs=2, test_size=0.25,
    ...                          input_shape=(1, 32, 40), cache=folder / 'cache', progress=False)
    >>> len(history['acc_test'])
    2
    >>> classifier.predict_class(pairs[0][0]) in classifier.labels
    True
    >>> classifier.encode_audio(pairs[0][0]).shape
    (512,)
    """

    network = "cifar10"


class Cifar10AudioSearch(AudioSearch):
    """Search for similar sound by the embeddings of `Cifar10AudioClassifier`."""

    classifier_class = Cifar10AudioClassifier


class Cifar10AudioRecommender(AudioRecommender):
    """Recommend songs by listening history and the embeddings of `Cifar10AudioClassifier`."""

    classifier_class = Cifar10AudioClassifier
