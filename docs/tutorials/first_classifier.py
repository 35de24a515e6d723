"""
A first classifier
==================

Train a network on a folder of clips, measure it on clips that it was not trained on, and look at its mistakes.
"""

# %%
# The data
# --------
#
# A classifier is trained on pairs of a path and a label. A folder with one folder of sound files for each class, or a
# CSV file with the columns ``path,label``, gives such a list. Here ten kinds of sound are synthesised, in noise and in
# random rooms.

import tempfile
from pathlib import Path

from mxnet_audio import Cifar10AudioClassifier, datasets, viz
from mxnet_audio.datasets.synthetic import synthesise
from mxnet_audio.features import load_features

FOLDER = None  # your own folder of class folders; None synthesises one
CLIPS_PER_CLASS = 16
EPOCHS = 20

work = Path(tempfile.mkdtemp())
if FOLDER is None:
    FOLDER = work / "sound"
    synthesise(FOLDER, CLIPS_PER_CLASS, sr=12000, seconds=1.0)
pairs = datasets.folder(FOLDER)
print(len(pairs), "clips, the first of class", pairs[0][1])

# %%
# Every fourth clip is kept for the test at the end. Nothing about the training is chosen by these clips.

train = [pair for index, pair in enumerate(pairs) if index % 4]
test = pairs[::4]

# %%
# Training
# --------
#
# `fit` holds out a fifth of the clips that it is given, in proportion from each class, and reports the accuracy on them
# after each epoch. It writes the model to a folder; ``resume=True`` continues a run that was interrupted.

classifier = Cifar10AudioClassifier()
history = classifier.fit(train, work / "models", batch_size=8, epochs=EPOCHS, progress=False)
print(f"accuracy on the held-out fifth after the last epoch: {history['acc_test'][-1]:.2f}")

viz.plot_history(history)

# %%
# Predictions
# -----------
#
# `predict_class` returns a label. `predict` returns the probabilities as well, and `top` the most probable classes.

path, label = test[0]
print(f"{Path(path).name} is of class {label}")
print("predicted:", classifier.predict_class(path))
for name, probability in classifier.predict(path).top(3):
    print(f"  {probability:.2f} {name}")

# %%
# The network's input is a log-mel spectrogram.

viz.plot_spectrogram(load_features(path, classifier.feature_config), classifier.feature_config)

# %%
# How good is it?
# ---------------
#
# `evaluate` reports precision and recall for each class, and the confusion matrix.

report = classifier.evaluate(test)
print(report)

viz.plot_confusion(report)

# %%
# Embeddings
# ----------
#
# The layer before the scores is a vector for each sound. Similar sounds have similar vectors: the tutorial on music
# search builds on that.

paths = [path for path, _ in test]
vectors = [encoding.vector for encoding in classifier.encode_many(paths)]
viz.plot_embedding(vectors, [label for _, label in test])

# %%
# Next steps
# ----------
#
# - Real clips need more epochs and, for each class, some ten clips or more.
# - Clips from one recording, artist or speaker belong on one side of the split: pass ``groups=`` to `fit`.
# - `mxnet_audio.cross_validate` measures over all folds and several seeds.
