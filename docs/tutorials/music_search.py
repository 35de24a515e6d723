"""
Music search
============

Train a classifier of genres, turn songs into vectors, and find the songs most similar to a query.
"""

# %%
# The songs
# ---------
#
# With a copy of GTZAN (``mxnet-audio datasets download gtzan data/``), set ``GTZAN = "data"``. Without one, short tunes
# are synthesised: each style has its own tempo and timbre, and each tune its own key and notes.

import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

from mxnet_audio import Cifar10AudioClassifier, Cifar10AudioRecommender, Cifar10AudioSearch, datasets
from mxnet_audio.metrics import precision_at_k

GTZAN = None
SONGS_PER_STYLE = 12
EPOCHS = 15

STYLES = {"ballad": (2, 1.5, 3), "march": (4, 0.5, 12), "techno": (8, 0.2, 5)}  # notes a second, decay [s], harmonics


def compose(style, rng, sr=12000, seconds=2.0):
    """Return a tune of random notes from a pentatonic scale."""
    rate, decay, harmonics = STYLES[style]
    t = np.arange(int(sr * seconds)) / sr
    key = rng.uniform(110, 220)
    y = 0.01 * rng.standard_normal(t.size)
    for start in np.arange(0, seconds, 1 / rate):
        pitch = key * 2 ** (rng.choice([0, 2, 4, 7, 9, 12]) / 12)
        after = np.maximum(t - start, 0)
        tone = sum(np.sin(2 * np.pi * pitch * n * after) / n for n in range(1, harmonics + 1))
        y += (t >= start) * np.exp(-after / decay) * tone
    return 0.5 * y / np.abs(y).max()


work = Path(tempfile.mkdtemp())
if GTZAN is None:
    rng = np.random.default_rng(0)
    for style in STYLES:
        (work / "songs" / style).mkdir(parents=True)
        for number in range(SONGS_PER_STYLE):
            sf.write(work / "songs" / style / f"{number:02d}.wav", compose(style, rng), 12000)
    pairs = datasets.folder(work / "songs")
    library = [pair for index, pair in enumerate(pairs) if index % 4]
    queries = pairs[::4]
else:
    library = datasets.get("gtzan").pairs(GTZAN, folds=["train"])
    queries = datasets.get("gtzan").pairs(GTZAN, folds=["test"])
print(len(library), "songs in the library,", len(queries), "queries")

# %%
# A classifier that serves as encoder
# -----------------------------------
#
# The vectors of a trained classifier put sounds of one class near each other.

classifier = Cifar10AudioClassifier()
classifier.fit(library, work / "models", batch_size=8, epochs=EPOCHS, test_size=0, progress=False)
print(classifier.encode_audio(queries[0][0]).shape)

# %%
# Index and query
# ---------------
#
# An index is built once. It can be saved, and extended later: files that are in it already and have not changed are
# not read again. A distance is 1 minus the cosine of two vectors; the nearest neighbour comes first.

search = Cifar10AudioSearch(classifier=classifier)
search.index_many([path for path, _ in library])
search.save(work / "index")

query, style = queries[0]
print(f"query: {style}/{Path(query).name}")
for path, distance in search.query(query, top_k=5):
    print(f"  {distance:.4f}  {Path(path).parent.name}/{Path(path).name}")

# %%
# Precision at 5 is the share of the query's own style among its five nearest neighbours, over all queries.

style_of = dict(library)
found = [[style_of[neighbour.path] for neighbour in search.query(path, top_k=5)] for path, _ in queries]
print(f"precision at 5: {precision_at_k([style for _, style in queries], found, 5):.2f}")

# %%
# Recommendations
# ---------------
#
# A recommender keeps track of songs that were played, and recommends similar ones that were not.

recommender = Cifar10AudioRecommender(classifier=classifier)
recommender.load(work / "index")
recommender.track(library[0][0])
recommender.track(library[1][0])
for path, score in recommender.recommend(top_k=3):
    print(f"  {score:.4f}  {Path(path).parent.name}/{Path(path).name}")
