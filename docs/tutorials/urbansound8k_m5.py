"""
UrbanSound8K with M5
====================

Train M5, a network on waveforms (arXiv 1610.00087), on the folds of UrbanSound8K, and test it on a fold of its own.
"""

# %%
# The corpus
# ----------
#
# UrbanSound8K has 8,732 clips of street sound in ten classes and ten official folds. Clips of one recording are in one
# fold, so the folds must be used as they are. With a copy of the corpus (6 GB, ``mxnet-audio datasets download
# urbansound8k data/``), set ``ROOT = "data"``. Without one, a small corpus with the same table and folders is
# synthesised.

import csv
import tempfile
from pathlib import Path

import soundfile as sf

from mxnet_audio import M5AudioClassifier, datasets, viz
from mxnet_audio.data import AudioDataset, AudioLoader, transforms
from mxnet_audio.datasets.synthetic import render

ROOT = None
CLIPS_PER_FOLD = 2  # of each class
SECONDS = 1.0  # of the synthesised clips; those of the corpus have up to 4 s
EPOCHS = 6
TEST_FOLD = 10

STAND_INS = {  # synthesised in place of the corpus's sounds
    "air_conditioner": "wind",
    "car_horn": "bell",
    "children_playing": "vowels",
    "dog_bark": "bird_chirp",
    "drilling": "rain",
    "engine_idling": "engine",
    "gun_shot": "footsteps",
    "jackhammer": "clock_tick",
    "siren": "siren",
    "street_music": "plucked_string",
}

corpus = datasets.get("urbansound8k")
work = Path(tempfile.mkdtemp())
if ROOT is None:
    ROOT = work / "UrbanSound8K"
    (ROOT / "metadata").mkdir(parents=True)
    rows = []
    for fold in corpus.folds:
        (ROOT / "audio" / f"fold{fold}").mkdir(parents=True)
        for class_id, label in enumerate(corpus.labels):
            for take in range(CLIPS_PER_FOLD):
                source = 1000 * fold + take  # the recording that a clip was cut from
                name = f"{source}-{class_id}-0-0.wav"
                y = render(STAND_INS[label], source, sr=8000, seconds=SECONDS)
                sf.write(ROOT / "audio" / f"fold{fold}" / name, y, 8000)
                rows.append([name, source, 0, SECONDS, 1, fold, class_id, label])
    with (ROOT / "metadata" / "UrbanSound8K.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"])
        table.writerows(rows)
else:
    SECONDS = 4.0

train = corpus.pairs(ROOT, folds=[fold for fold in corpus.folds if fold != TEST_FOLD])
test = corpus.pairs(ROOT, folds=[TEST_FOLD])
print(len(train), "clips to train on,", len(test), "to test on")

# %%
# The network's input
# -------------------
#
# M5 takes samples at 8 kHz, resampled without aliasing, every clip at the same loudness. Other lengths than the input
# are cropped to their middle or padded with zeros. ``input_shape`` is one channel, one row, and the samples.

input_shape = (1, 1, int(8000 * SECONDS))

# %%
# Training
# --------
#
# The recipe of M5 is its paper's: Adam with a learning rate of 0.01 that falls to a tenth every 20 epochs, and weight
# decay. Clips are also shifted in time and played faster and slower. On the corpus, train for 60 epochs.
#
# The test fold is measured after each epoch, but nothing is chosen by it: the parameters kept are those of the last
# epoch.

classifier = M5AudioClassifier()
history = classifier.fit(
    train,
    work / "models",
    batch_size=16,
    epochs=EPOCHS,
    input_shape=input_shape,
    validation_pairs=test,
    progress=False,
)
print(f"accuracy on fold {TEST_FOLD}: {history['acc_test'][-1]:.2f}")
viz.plot_history(history)

# %%
report = classifier.evaluate(test)
print(report)

# %%
# A dataset for your own training loop
# ------------------------------------
#
# The same folds as a Gluon dataset. `AudioLoader` decodes in threads; its mode ``lazy_cached`` writes what it computed
# to disk in the first epoch and reads it from there in later ones.

dataset = AudioDataset.from_corpus(
    "urbansound8k",
    ROOT,
    folds=[TEST_FOLD],
    transforms=[transforms.Load(sr=8000), transforms.PadTrim(int(8000 * SECONDS))],
)
loader = AudioLoader(dataset, 4, "lazy_cached", shuffle=True, seed=0, cache_dir=work / "cache")
samples, labels = next(iter(loader))
print(samples.shape, [dataset.synsets[int(label)] for label in labels.asnumpy()])
