"""Synthesised speakers: harmonics of a pitch, filtered by formants; and a recognizer trained on some of them."""

from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import lfilter

from mxnet_audio import audio, features
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.errors import AudioError
from mxnet_audio.inference.results import Encoding

# Pitch [Hz], and factor of the formants.
SPEAKERS = {
    "ann": (210, 1.15),
    "bob": (110, 0.9),
    "cem": (150, 1.02),
    "dan": (130, 1.3),
}
TRAINED = ("ann", "bob", "cem")  # speakers of `write_speaker_model`
EPOCHS = 6


class FakeEncoder:
    """Stand-in for a published encoder of voices: the mean spectrum in decibels, without its mean."""

    config = features.AudioFeatureConfig(type="log_mel", sr=8000, n_fft=512, hop_length=128, n_mels=24, top_db=None)

    def __init__(self, name, source=None, revision=None, model_ctx=None, data_ctx=None):
        self.name, self.model_id, self.origin = name, "0123456789abcdef", (source and str(source), revision)

    def encode_audio(self, path):
        """Compute the vector of one recording."""
        with naming_errors(source_name(path)):
            y, sr = audio.load(path, sr=self.config.sr)
            spectrum = features.extract(audio.valid_audio(y, allow_silence=False), sr, self.config).mean(axis=1)
        spectrum = spectrum - spectrum.mean()
        return (spectrum / np.linalg.norm(spectrum)).astype(np.float32)

    def encode_many(self, paths, batch_size=16):
        """Compute the vectors of many recordings."""
        for path in paths:
            try:
                yield Encoding(source_name(path), self.encode_audio(path))
            except AudioError as error:
                yield Encoding(source_name(path), None, error)


def speak(rng: np.random.Generator, speaker: str, seconds: float = 0.6, sr: int = 8000) -> np.ndarray:
    """Synthesise a vowel."""
    pitch, tract = SPEAKERS[speaker]
    t = np.arange(round(seconds * sr)) / sr
    phase = 2 * np.pi * np.cumsum(pitch * (1 + rng.uniform(-0.05, 0.05) * t / seconds)) / sr
    y = np.exp(8 * (np.cos(phase) - 1))  # pulses of the glottis
    y = y - y.mean() + 0.02 * rng.standard_normal(t.size)
    radius = np.exp(-100 * np.pi / sr)
    for formant in tract * np.array([600, 1200, 2500]) * rng.uniform(0.95, 1.05, 3):
        y = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / sr), radius**2], y)
    return 0.5 * y / np.abs(y).max()


def synthesise_voices(folder: Path, takes: int = 8, sessions: bool = False, speakers=TRAINED) -> Path:
    """Write ``<speaker>/<take>.wav``; with `sessions` ``<speaker>/<session>/<take>.wav``, two takes a session."""
    rng = np.random.default_rng(0)
    for speaker in speakers:
        for take in range(takes):
            path = folder / speaker / (f"talk {take // 2}" if sessions else "") / f"{take}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, speak(rng, speaker), 8000)
    return folder


def write_speaker_model(folder: Path) -> None:
    """Fill a folder with ``people`` (ten recordings each of four speakers) and ``model``, where nobody is enrolled.

    The recognizer is a sincnet, the smallest network, trained on the first eight recordings of the `TRAINED` speakers.
    For `make_once`: ``make_once("speakers", write_speaker_model)``.
    """
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

    people = synthesise_voices(folder / "people", takes=10, speakers=SPEAKERS)
    pairs = [(str(people / name / f"{take}.wav"), name) for name in TRAINED for take in range(8)]
    options = {"epochs": EPOCHS, "batch_size": 8, "seconds": 0.4, "checkpoint_interval": EPOCHS, "progress": False}
    SpeakerRecognizer("sincnet").fit(pairs, folder / "model", **options)
