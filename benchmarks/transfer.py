"""Accuracy of pretrained encoders on ESC-10, for numbers of training clips, and of search with them.

Folds 1 to 4 are each left out once. A `PretrainedAudioClassifier` learns from 24 clips of each class in the other three
(all of them), or from fewer that the seed chooses, and is tested on all clips of the fold. Means, their standard
deviations over folds and over seeds, and the seconds of a fit are printed, once all clips are encoded; and without any
training, precision at 5: the share of the query's class among its five nearest clips of the other folds. `accuracy.py
esc10` measures networks that are trained from scratch in the same way.

``--unknown`` leaves two classes out of training, all pairs of them in turn, and prints the area under the ROC curve of
the score that tells their clips from clips of the other eight, both of the fold that is left out.
"""

import argparse
import itertools
import statistics
import tempfile
import time

import numpy as np
from accuracy import clips
from sklearn.metrics import roc_auc_score

from mxnet_audio import AudioSearch, PretrainedAudioClassifier, weights
from mxnet_audio.metrics import precision_at_k
from mxnet_audio.pretrained import load_encoder

ENCODERS = ("yamnet:mean", "yamnet:mean_std", "musicnn:max_pool", "musicnn:penultimate", "musicnn_vgg:pool5")


def chosen(pairs, count, seed):
    """Return as many clips of each class, chosen at random."""
    rng, by_label = np.random.default_rng(seed), {}
    for pair in pairs:
        by_label.setdefault(pair[1], []).append(pair)
    return [every[row] for every in by_label.values() for row in rng.permutation(len(every))[:count]]


def sides(pairs, folds, fold):
    """Return the clips of the other folds, and those of a fold."""
    return [[pair for pair, other in zip(pairs, folds) if (other == fold) == side] for side in (False, True)]


def precisions(encoder, vectors, pairs, folds):
    """Return the precision at 5 of each fold in a search of the others."""
    label_of, found = dict(pairs), []
    for fold in sorted(set(folds)):
        indexed, queries = sides(pairs, folds, fold)
        search = AudioSearch(encoder=encoder)
        for path, _ in indexed:
            search.index.add(path, vectors[path])
        near = [[label_of[path] for path, _ in search.query_vector(vectors[path], top_k=5)] for path, _ in queries]
        found.append(precision_at_k([label for _, label in queries], near, 5))
    return np.array(found)


def main():
    """Print a line for each encoder and number of clips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="+", default=ENCODERS, metavar="ENCODER:EMBEDDING")
    parser.add_argument("--head", default="linear", choices=["linear", "mlp"])
    parser.add_argument("--clips", nargs="+", type=int, default=[24, 16, 4], help="of each class")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--unknown", action="store_true", help="measure how well unknown sounds are told instead")
    arguments = parser.parse_args()
    pairs, folds = clips("esc10")
    pairs = [(str(path), label) for path, label in pairs]
    for name in arguments.encoders:
        encoder, _, embedding = name.partition(":")
        if not weights.available(encoder):
            print(f"{encoder}: no weights here (mxnet-audio models info {encoder})", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            learner = Learner(encoder, embedding or None, arguments.head, folder)
            (unknown if arguments.unknown else known)(learner, name, pairs, folds, arguments)


class Learner:
    """Classifier that is fitted again and again, from a cache of its own."""

    def __init__(self, encoder, embedding, head, folder):
        self.classifier = PretrainedAudioClassifier(encoder, head, embedding=embedding)
        self.encoder = load_encoder(encoder, embedding=self.classifier.embedding)
        self.folder = folder

    def fit(self, train, seed=0, **test):
        """Learn from clips; return the measures."""
        options = {"random_state": seed, "cache": self.folder, "progress": False}
        return self.classifier.fit(train, f"{self.folder}/model", **options, **test)


def known(learner, name, pairs, folds, arguments):
    """Print precision, and accuracy for each number of clips."""
    start = time.perf_counter()
    vectors = {encoding.path: encoding.vector for encoding in learner.encoder.encode_many(path for path, _ in pairs)}
    seconds = time.perf_counter() - start
    found = precisions(learner.encoder, vectors, pairs, folds)
    print(
        f"{name}: precision at 5 {found.mean():.3f} ± {found.std(ddof=1):.3f}; {len(pairs)} clips encoded in "
        f"{seconds:.1f} s",
        flush=True,
    )
    learner.fit(pairs, test_size=0)  # fills the cache
    order = sorted(set(folds))
    for count in arguments.clips:
        table, times = [], []
        for fold in order:
            train, test = sides(pairs, folds, fold)
            table.append([])
            for seed in arguments.seeds:
                part, start = chosen(train, count, seed), time.perf_counter()
                table[-1].append(learner.fit(part, seed, validation_pairs=test)["acc_test"][-1])
                times.append(time.perf_counter() - start)
        accuracies = np.array(table)
        over_seeds = accuracies.mean(axis=0).std(ddof=1) if len(arguments.seeds) > 1 else np.nan
        print(
            f"{name}, {count} clips a class: accuracy {accuracies.mean():.3f} ± "
            f"{accuracies.mean(axis=1).std(ddof=1):.3f} over folds, ± {over_seeds:.3f} over seeds; "
            f"{statistics.median(times):.1f} s a fit",
            flush=True,
        )


def unknown(learner, name, pairs, folds, arguments):
    """Print the area under the ROC curve of known against unknown sounds, by fold."""
    vectors = {encoding.path: encoding.vector for encoding in learner.encoder.encode_many(path for path, _ in pairs)}
    areas = {}
    for fold in sorted(set(folds)):
        train, test = sides(pairs, folds, fold)
        scored = np.stack([vectors[path] for path, _ in test])
        for left_out in itertools.combinations(sorted({label for _, label in pairs}), 2):
            learner.fit([pair for pair in train if pair[1] not in left_out], test_size=0)
            is_known = [label not in left_out for _, label in test]
            scores = learner.classifier.known_sounds.scores(scored)
            areas.setdefault(fold, []).append(roc_auc_score(is_known, scores))
    by_fold = ", ".join(f"{np.mean(values):.3f}" for values in areas.values())
    every = np.concatenate(list(areas.values()))
    print(f"{name}: area {every.mean():.3f}, by fold {by_fold}; least of a pair {every.min():.3f}", flush=True)


if __name__ == "__main__":
    main()
