"""Synthesise data/audio_samples/example.mp3, a chord progression: the query file of the first mxnet-audio's scripts."""

from pathlib import Path

import numpy as np
import soundfile as sf

SR = 22050
CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))  # C, A minor, F, G: semitones above C4

t = np.arange(int(2.5 * SR)) / SR
envelope = np.minimum(t / 0.02, 1) * np.exp(-t)
notes = [[261.63 * 2 ** (note / 12) for note in chord] for chord in CHORDS]
y = np.concatenate([envelope * sum(np.sin(2 * np.pi * hertz * t) for hertz in chord) for chord in notes])
path = Path(__file__).parent / "data" / "audio_samples" / "example.mp3"
path.parent.mkdir(parents=True, exist_ok=True)
sf.write(path, 0.9 * y / np.abs(y).max(), SR)
print(f"wrote {path}")
