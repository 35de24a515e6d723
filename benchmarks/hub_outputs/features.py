"""Make tests/features/hub_features.npz: features of a few sounds, by the packages that publish the encoders.

    python benchmarks/hub_outputs/features.py [--output tests/features/hub_features.npz]

The tests compare `mxnet_audio.features` with this file. Run the program by hand, in an environment with torch,
transformers, torchaudio, torchlibrosa and speechbrain. Sounds are not stored: `sounds` makes them again, and needs
NumPy alone, so a test loads this file. For each case of `CASES`, and each of its sounds:

    versions              JSON: versions of the packages
    CASE/SOUND/shape      shape of the features, bands x frames; of wav2vec2, 1 x samples
    CASE/SOUND/frames     numbers of the frames that are stored: some of the first, in the middle, around the end of the
                          sound, and the last
    CASE/SOUND/values     features of these frames
    CASE/SOUND/rounding   of AST, PANNs and SpeechBrain: the largest difference of the package's features, which it
                          computes in float32, from the same in float64
"""

from __future__ import annotations

import argparse
import copy
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("torch", "transformers", "torchaudio", "torchlibrosa", "speechbrain", "numpy")
RATES = {"panns": 32000}  # of the others: 16000 Hz
CASES = {
    "whisper": {},
    "whisper_128": {"feature_size": 128},
    "whisper_1s": {"chunk_length": 1},
    "ast": {},
    "ast_small": {"num_mel_bins": 40, "max_length": 60, "mean": -2.5, "std": 3.5},
    "ast_plain": {"do_normalize": False},
    "panns": {},
    "speechbrain": {},
    "wav2vec2": {},
}
SHORTEST = {"whisper": 1, "ast": 400, "panns": 513}  # [samples] that a package accepts; of the others 1
LONGER = {"whisper": 485_000, "whisper_128": 485_000, "ast": 170_000, "ast_plain": 170_000}  # than the window [samples]


def sounds(case: str) -> dict[str, np.ndarray]:
    """Return the sounds of a case by their names [shape=(n,)], float32."""
    random = np.random.RandomState(0)
    sr = RATES.get(case, 16000)
    time = np.arange(sr // 2) / sr
    noise = (0.1 * random.standard_normal(sr // 2)).astype(np.float32)
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    return {
        "noise": noise,
        "quiet": 1e-4 * noise,
        "tone": tone,
        "tone in noise": tone + np.float32(0.01) * noise,
        "offset": noise + np.float32(0.3),
        "silence": np.zeros(sr // 2, np.float32),
        "short": noise[: SHORTEST.get(case.split("_")[0], 1)],
        "odd": noise[:1777],
        "long": np.resize(noise, LONGER.get(case, 3 * sr + 7)) * np.float32(0.3),
    }


def stored_frames(count: int, covered: int) -> np.ndarray:
    """Return the numbers of frames to store, of `count` frames, `covered` of which contain the sound."""
    chosen = [*range(3), covered // 2, *range(covered - 3, covered + 3), *range(count - 3, count)]
    return np.unique([frame for frame in chosen if 0 <= frame < count])


class Extractors:
    """Functions of samples, one for each case: features [shape=(bands, frames)], and the same in float64 or None."""

    def __init__(self) -> None:
        import torch
        import transformers
        from speechbrain.lobes.features import Fbank
        from speechbrain.processing.features import InputNormalization
        from torchlibrosa.stft import LogmelFilterBank, Spectrogram

        torch.set_num_threads(1)
        self._torch = torch
        classes = {
            "whisper": transformers.WhisperFeatureExtractor,
            "ast": transformers.ASTFeatureExtractor,
            "wav2vec2": transformers.Wav2Vec2FeatureExtractor,
        }
        self._published = {
            case: classes[case.split("_")[0]](**options)
            for case, options in CASES.items()
            if case.split("_")[0] in classes
        }
        self._spectrum = Spectrogram(n_fft=1024, hop_length=320, win_length=1024, pad_mode="reflect")
        self._log_mel = LogmelFilterBank(sr=32000, n_fft=1024, n_mels=64, fmin=50, fmax=14000, top_db=None)
        self._fbank = Fbank(n_mels=80)
        self._normalize = InputNormalization(norm_type="sentence", std_norm=False)

    def extract(self, case: str, y: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        if case == "panns":
            return self._panns(y, "float32"), self._panns(y, "float64")
        if case == "speechbrain":
            return self._speechbrain(y, "float32"), self._speechbrain(y, "float64")
        extractor: Any = self._published[case]
        values = next(iter(extractor(y, sampling_rate=16000, return_tensors="np").values()))[0]
        if case.startswith("ast"):
            exact = extractor._extract_fbank_features(y.astype(np.float64), extractor.max_length)
            return values.T, (extractor.normalize(exact) if extractor.do_normalize else exact).T
        return np.atleast_2d(values), None

    def _panns(self, y: np.ndarray, dtype: str) -> np.ndarray:
        number = getattr(self._torch, dtype)
        spectrum, log_mel = (copy.deepcopy(layer).to(number) for layer in (self._spectrum, self._log_mel))
        with self._torch.no_grad():
            return log_mel(spectrum(self._torch.from_numpy(y)[None].to(number)))[0, 0].numpy().T

    def _speechbrain(self, y: np.ndarray, dtype: str) -> np.ndarray:
        number, fbank = getattr(self._torch, dtype), copy.deepcopy(self._fbank)
        fbank.compute_STFT.window = fbank.compute_STFT.window.to(number)
        filters = fbank.compute_fbanks
        for name in ("band", "f_central", "all_freqs_mat"):
            setattr(filters, name, getattr(filters, name).to(number))
        frames = fbank(self._torch.from_numpy(y)[None].to(number))
        return self._normalize(frames, self._torch.ones(1))[0].numpy().T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("tests/features/hub_features.npz"))
    path = parser.parse_args().output
    versions = {name: version(name) for name in PACKAGES}
    print(versions)
    extractors, arrays = Extractors(), {"versions": np.array(json.dumps(versions))}
    for case in CASES:
        hop = 1 if case == "wav2vec2" else 320 if case == "panns" else 160
        for name, y in sounds(case).items():
            values, exact = extractors.extract(case, y)
            frames = stored_frames(values.shape[-1], len(y) // hop)
            stored = {"shape": values.shape, "frames": frames, "values": values[..., frames].astype(np.float32)}
            if exact is not None:
                stored["rounding"] = np.abs(values - exact).max()
                print(f"{case}, {name}: rounding {stored['rounding']:.1e}")
            arrays |= {f"{case}/{name}/{key}": np.asarray(value) for key, value in stored.items()}
    np.savez_compressed(path, **arrays)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
