"""Batches of clips: in the order and with the augmentation of a recipe, of any clips or of those of similar length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mxnet_audio.data import AudioLoader, BalancedSampler, BucketSampler, ClassBatchSampler, Mixup, Pad, Splice
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError
from mxnet_audio.training.distributed import ALONE, Workers
from mxnet_audio.training.label_sets import rarest_label
from mxnet_audio.training.open_input import OpenInput
from mxnet_audio.training.recipe import Recipe
from mxnet_audio.training.settings import Settings

__all__ = ["Batches", "check_batch"]

GE2E_UTTERANCES = 4  # of each speaker in a batch, for the loss that compares them
MAX_BUCKETS = 8  # of lengths: MXNet keeps memory for each
BUCKET_BATCHES = 4  # or more in a bucket, so that few are small and all are shuffled


def check_batch(recipe: Recipe, settings: Settings) -> None:
    """Raise ParameterError if the batch size does not suit the loss of the recipe."""
    if recipe.loss == "ge2e" and settings.batch_size % GE2E_UTTERANCES:
        reason = f"must be a multiple of {GE2E_UTTERANCES} for loss 'ge2e', which compares {GE2E_UTTERANCES} recordings"
        raise ParameterError(f"batch_size {reason} of each speaker, got {settings.batch_size}")


class Batches:
    """Batches of clips: of any clips, or, if their inputs have different lengths, of clips of similar length.

    Parameters
    ----------
    settings : Settings
        Batch size and seed.
    recipe : Recipe
        Augmentation and order of the training clips.
    n_classes : int
        Number of classes.
    n_train : int
        Number of training clips.
    workers : Workers
        Workers that train together. A batch has `batch_size` clips for each; loaders read the share of this one.
    """

    def __init__(self, settings: Settings, recipe: Recipe, n_classes: int, n_train: int, workers: Workers = ALONE):
        self._size, self._seed = settings.batch_size * workers.count, settings.random_state
        self._share = workers.share
        self._recipe, self._classes, self._n_train = recipe, n_classes, n_train
        self._lengths: np.ndarray | None = None
        self._pad: Pad | None = None

    def bucket(self, lengths: np.ndarray, open_input: OpenInput) -> None:
        """Make batches of clips of similar length.

        Parameters
        ----------
        lengths : np.ndarray [shape=(n,)], int
            Length of the input of each clip; 0 for unusable ones.
        open_input : OpenInput
            Step from samples to inputs, whose longest input can also come from augmentation.
        """
        count = min(max(self._n_train // (BUCKET_BATCHES * self._size), 1), MAX_BUCKETS)
        self._buckets = BucketSampler(lengths[lengths > 0].tolist(), self._size, count).buckets
        edges = [*map(int, self._buckets), open_input.longest]
        self._lengths, self._pad = lengths, Pad(value=0.0 if open_input.pads else None, buckets=edges)

    def plain(self, loader: AudioLoader, indices: np.ndarray, shuffle: bool = False) -> AudioLoader:
        """Return a loader of clips."""
        return loader.take(
            indices.tolist(),
            self._size,
            shuffle=shuffle,
            batch_sampler=self._bucket_sampler(indices, shuffle),
            batchify_fn=self._pad,
            share=self._share,
        )

    def training(self, loader: AudioLoader, indices: np.ndarray, targets: np.ndarray) -> AudioLoader:
        """Return a loader of the training clips, in the order and with the augmentation of the recipe."""
        recipe, seed = self._recipe, self._seed
        sampler: gluon.data.Sampler | None = None
        if recipe.loss == "ge2e":
            sampler = ClassBatchSampler(targets.tolist(), self._size, GE2E_UTTERANCES, seed)
        elif recipe.balance == "batches":
            sampler = BalancedSampler((targets if targets.ndim == 1 else rarest_label(targets)).tolist(), seed)
        batchify: Callable | None = self._pad
        if recipe.mixup:
            batchify = Mixup(recipe.mixup, self._classes, self._own_seed(), self._pad)
        elif recipe.splice:
            batchify = Splice(recipe.splice, self._own_seed())
        return loader.take(
            indices.tolist(),
            self._size,
            shuffle=True,
            sampler=sampler,
            batch_sampler=None if sampler else self._bucket_sampler(indices, shuffle=True),
            transforms=recipe.input_steps(seed),
            batchify_fn=batchify,
            share=self._share,
        )

    def _own_seed(self) -> int:
        """Return a seed for what is drawn for a whole share, so that no two workers draw the same."""
        rank = self._share[0]
        return self._seed if rank == 0 else int(np.random.SeedSequence((self._seed, rank)).generate_state(1)[0])

    def _bucket_sampler(self, indices: np.ndarray, shuffle: bool) -> BucketSampler | None:
        if self._lengths is None:
            return None
        return BucketSampler(self._lengths[indices].tolist(), self._size, self._buckets, shuffle, self._seed)
