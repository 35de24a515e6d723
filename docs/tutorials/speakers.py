"""
Speaker recognition
===================

Train an encoder of voices, enroll speakers, verify that two recordings are of one speaker, and identify who speaks.
"""

# %%
# The recordings
# --------------
#
# With a copy of the Free Spoken Digit Dataset (``mxnet-audio datasets download fsdd data/``), set ``FSDD = "data"``.
# Without one, vowels of four voices are synthesised: harmonics of a speaker's pitch, filtered by resonances of a vocal
# tract of the speaker's length.

import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import lfilter

from mxnet_audio import SpeakerRecognizer, metrics, viz
from mxnet_audio.datasets.speakers import of_corpus, speaker_folder

FSDD = None
RECORDINGS = 12
EPOCHS = 4

VOICES = {"ann": (210, 1.15), "bob": (110, 0.9), "cem": (150, 1.02), "dan": (130, 1.3)}  # pitch [Hz], formant scale


def speak(voice, rng, sr=8000, seconds=0.6):
    """Return one vowel."""
    pitch, scale = VOICES[voice]
    t = np.arange(int(sr * seconds)) / sr
    phase = 2 * np.pi * np.cumsum(pitch * (1 + rng.uniform(-0.05, 0.05) * t / seconds)) / sr
    y = np.exp(8 * (np.cos(phase) - 1)) + 0.02 * rng.standard_normal(t.size)
    radius = np.exp(-100 * np.pi / sr)
    for formant in scale * np.array([600, 1200, 2500]) * rng.uniform(0.95, 1.05, 3):
        y = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / sr), radius**2], y)
    return 0.5 * y / np.abs(y).max()


work = Path(tempfile.mkdtemp())
if FSDD is None:
    rng = np.random.default_rng(0)
    for voice in VOICES:
        (work / "people" / voice).mkdir(parents=True)
        for number in range(RECORDINGS):
            sf.write(work / "people" / voice / f"{number:02d}.wav", speak(voice, rng), 8000)
    recordings = speaker_folder(work / "people")
else:
    recordings = of_corpus("fsdd", FSDD)
test = recordings[::4]
train = [recording for index, recording in enumerate(recordings) if index % 4]
print(len(recordings), "recordings; the first is of", recordings[0].speaker)

# %%
# Training
# --------
#
# The network learns to separate the speakers of the training set. Its embedding is the vector of a voice. `fit` also
# sets the threshold, by recordings that it holds out. Threshold and figures hold for these speakers; others are harder
# to separate, see the guide on speakers.

recognizer = SpeakerRecognizer("resnet18")
pairs = [(recording.path, recording.speaker) for recording in train]
history = recognizer.fit(pairs, work / "voices", epochs=EPOCHS, batch_size=8, progress=False)
print(f"threshold: {recognizer.threshold:.2f}")

# %%
# Enroll and verify
# -----------------
#
# Only vectors of enrolled speakers are stored, no audio. A vector still identifies a person: treat it as personal data.

for speaker in sorted({recording.speaker for recording in train}):
    recognizer.enroll(speaker, [path for path, name in pairs if name == speaker])
print(recognizer.speakers)

first, second = test[0], test[-1]
print("two recordings of different speakers:", recognizer.verify(first.path, second.path))
print(f"claims to be {first.speaker}:", recognizer.verify_as(first.speaker, first.path))

# %%
# Identify
# --------
#
# The speaker is None where no enrolled speaker reaches the threshold.

for recording in test[::3]:
    answer = recognizer.identify(recording.path)
    print(f"{recording.speaker}: identified as {answer.speaker}")

# %%
# Measure
# -------
#
# A trial is a pair of recordings, with label 1 for one speaker and 0 for two.

vectors = np.stack([encoding.vector for encoding in recognizer.encode_many(recording.path for recording in test)])
speakers = np.array([recording.speaker for recording in test])
one, other = np.triu_indices(len(test), 1)
labels = (speakers[one] == speakers[other]).astype(int)
scores = (vectors @ vectors.T)[one, other]
print(metrics.verification_report(labels, scores, threshold=recognizer.threshold))

viz.plot_roc((labels, scores))
