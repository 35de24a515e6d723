"""Fixtures: miniature corpora, their archives, and an HTTP server for them."""

import dataclasses
import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.http_host import host as host


def _sound(seed, format="WAV"):
    out = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, 4000)
    sf.write(out, noise, 8000, format=format, subtype="PCM_16")
    return out.getvalue()


def _csv(rows):
    return "\n".join(",".join(map(str, row)) for row in rows).encode() + b"\n"


US8K_COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")

#: Files of a miniature archive of each corpus.
MINIATURES = {
    "gtzan": {
        "genres/blues/blues.00029.au": _sound(1, "AU"),
        "genres/jazz/jazz.00054.au": b"not sound at all",
        "genres/blues/blues.00012.au": _sound(4, "AU"),
        "genres/jazz/jazz.00033.wav": _sound(2),
        "genres/rock/rock.00055.au": _sound(3, "AU"),
        "genres/blues/._blues.00029.au": b"Mac OS X",
    },
    "urbansound8k": {
        "UrbanSound8K/metadata/UrbanSound8K.csv": _csv(
            [
                US8K_COLUMNS,
                ("100032-3-0-0.wav", 100032, 0.0, 0.3, 1, 5, 3, "dog_bark"),
                ("100263-2-0-117.wav", 100263, 58.5, 62.5, 1, 10, 2, "children_playing"),
                ("100263-2-0-121.wav", 100263, 60.5, 64.5, 1, 10, 2, "children_playing"),
            ]
        ),
        "UrbanSound8K/audio/fold5/100032-3-0-0.wav": _sound(1),
        "UrbanSound8K/audio/fold10/100263-2-0-117.wav": _sound(2),
        "UrbanSound8K/audio/fold10/100263-2-0-121.wav": _sound(3),
        "UrbanSound8K/UrbanSound8K_README.txt": b"read me",
    },
    "esc50": {
        "ESC-50-abc/meta/esc50.csv": _csv(
            [("filename", "fold"), ("1-100032-A-0.wav", 1), ("2-5-A-3.wav", 2), ("5-7-B-41.wav", 5)]
        ),
        "ESC-50-abc/audio/1-100032-A-0.wav": _sound(1),
        "ESC-50-abc/audio/2-5-A-3.wav": _sound(2),
        "ESC-50-abc/audio/5-7-B-41.wav": _sound(3),
    },
    "fsdd": {
        "free-spoken-digit-dataset-1.0.9/recordings/0_george_0.wav": _sound(1),
        "free-spoken-digit-dataset-1.0.9/recordings/0_george_5.wav": _sound(2),
        "free-spoken-digit-dataset-1.0.9/recordings/9_theo_49.wav": _sound(3),
        "free-spoken-digit-dataset-1.0.9/README.md": b"read me",
    },
}
MINIATURES["esc10"] = MINIATURES["esc50"]


def pack(path, files):
    """Write the files to an archive of the format of the suffix."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name), data)  # without the time, so that the bytes are reproducible
    else:
        with gzip.GzipFile(path, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def miniature(tmp_path):
    """Function that makes a corpus with a miniature archive: ``miniature(name, urls=…) -> corpus, archive``."""

    def make(name, urls=(), **changes):
        from mxnet_audio import datasets

        corpus = datasets.get(name)
        archive = pack(tmp_path / "host" / corpus.remote.filename, MINIATURES[name])
        remote = dataclasses.replace(
            corpus.remote,
            urls=tuple(urls),
            size=archive.stat().st_size,
            hash="sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest(),
            **changes,
        )
        return dataclasses.replace(corpus, remote=remote), archive

    return make


@pytest.fixture
def touch(tmp_path):
    """Function that makes empty files in `tmp_path`: ``touch(*names) -> tmp_path``."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return tmp_path

    return make
