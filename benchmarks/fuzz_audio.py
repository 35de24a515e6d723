"""Damaged sound files of many formats: each must give sound or an error that names it, in bounded memory and time.

    python benchmarks/fuzz_audio.py [--mutants 20000] [--seed 0] [--ffmpeg PATH] [--folder DIR]

Half a second of sound is encoded in 39 formats by libsndfile and PyAV. Mutants of these files are truncated, have bits
flipped, chunks removed, repeated or taken from other files, fields set to extremes, junk appended, several files
joined, or are text. Each is loaded with PyAV and, if the path of an ffmpeg is given, with that command in its place.
Anything but sound or an AudioError that names the file, more than 1 GB or more than 10 s (of a CPU, or a minute in all)
is a failure: the mutant is kept in the folder, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.errors import AudioError

MAX_SECONDS, MAX_WAIT, MAX_BYTES = 10.0, 60.0, 1 << 30
ADDRESS_SPACE = 4 << 30  # above it, allocations fail
SOUNDFILE = (  # suffix, format and subtype of libsndfile
    ("wav", "WAV", "PCM_16"),
    ("float.wav", "WAV", "FLOAT"),
    ("adpcm.wav", "WAV", "IMA_ADPCM"),
    ("gsm.wav", "WAV", "GSM610"),
    ("amb", "WAVEX", "PCM_24"),
    ("rf64", "RF64", "PCM_16"),
    ("w64", "W64", "PCM_16"),
    ("aiff", "AIFF", "PCM_16"),
    ("aifc", "AIFF", "FLOAT"),
    ("au", "AU", "ULAW"),
    ("caf", "CAF", "PCM_16"),
    ("alac.caf", "CAF", "ALAC_16"),
    ("voc", "VOC", "PCM_16"),
    ("sph", "NIST", "PCM_16"),
    ("svx", "SVX", "PCM_16"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
)
PYAV = (  # suffix, container, codec and rate
    ("m4a", "mp4", "aac", 44100),
    ("alac.m4a", "mp4", "alac", 44100),
    ("mov", "mov", "pcm_s16le", 44100),
    ("3gp", "3gp", "aac", 16000),
    ("mka", "matroska", "aac", 44100),
    ("webm", "webm", "libopus", 48000),
    ("flac.ogg", "ogg", "flac", 44100),
    ("wma", "asf", "wmav2", 44100),
    ("avi", "avi", "ac3", 48000),
    ("flv", "flv", "mp3", 44100),
    ("aac", "adts", "aac", 44100),
    ("ac3", "ac3", "ac3", 48000),
    ("eac3", "eac3", "eac3", 48000),
    ("mp2", "mp2", "mp2", 44100),
    ("tta", "tta", "tta", 44100),
    ("wv", "wv", "wavpack", 44100),
    ("amr", "amr", "libopencore_amrnb", 8000),
    ("rm", "rm", "real_144", 8000),
    ("mpg", "mpeg", "mp2", 48000),
    ("m2ts", "mpegts", "aac", 48000),
)
TEXTS = (
    b"This is a letter to somebody.\n" * 100,
    b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/etc/hostname\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile '/etc/hostname'\n",
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    b"<html><body>404 Not Found</body></html>\n",
)


def encode(
    y: np.ndarray,
    sr: int,
    container: str,
    codec: str,
    options: dict[str, str] | None = None,
    delay: float = 0.0,
    video: bool = False,
) -> bytes:
    """Encode sound with PyAV.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Samples of one, two or six channels.
    sr : int [Hz]
        Sampling rate.
    container, codec : str
        FFmpeg's names.
    options : dict, optional
        Options of the container.
    delay : float [s]
        Time of the first sample in the container.
    video : bool
        True adds two seconds of pictures that start at 0.
    """
    import av

    y = np.atleast_2d(y).astype(np.float32)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(y)]
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        packets: list[Any] = []
        if video:
            picture: Any = output.add_stream("mpeg2video", rate=25)
            picture.width = picture.height = 32
            for i in range(50):
                image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), i, np.uint8), format="rgb24")
                image.pts = i
                packets += picture.encode(image)
            packets += picture.encode(None)
        track: Any = output.add_stream(codec, rate=sr, layout=layout)
        if codec.startswith("wma"):
            track.bit_rate = 128_000  # it has no default
        frame = av.AudioFrame.from_ndarray(y, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = sr, 0
        for packet in [*track.encode(frame), *track.encode(None)]:
            if delay:
                packet.pts += round(delay / packet.time_base)
                packet.dts += round(delay / packet.time_base)
            packets.append(packet)
        for packet in sorted(packets, key=_time):
            output.mux(packet)
    return file.getvalue()


def _time(packet: Any) -> float:
    return float((packet.dts or 0) * (packet.time_base or 0))


def make_sounds(seconds: float = 0.5) -> dict[str, bytes]:
    """Return encoded stereo or mono sound by suffix."""
    rng = np.random.default_rng(0)
    sounds = {}
    for suffix, container, subtype in SOUNDFILE:
        sr, channels = (48000, 2) if subtype == "OPUS" else (22050, 1 if subtype in ("GSM610", "ALAC_16") else 2)
        channels = 1 if container == "SVX" else channels
        file = io.BytesIO()
        sf.write(file, rng.uniform(-0.5, 0.5, (int(seconds * sr), channels)), sr, format=container, subtype=subtype)
        sounds[suffix] = file.getvalue()
    for suffix, container, codec, sr in PYAV:
        channels = 1 if sr == 8000 else 2
        sounds[suffix] = encode(rng.uniform(-0.5, 0.5, (channels, int(seconds * sr))), sr, container, codec)
    return sounds


def mutant(sounds: dict[str, bytes], seed: int, index: int) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a mutant; they depend on the sounds, the seed and the index alone."""
    rng = np.random.default_rng((seed, index))
    names = sorted(sounds)
    suffix = names[index % len(names)]
    other = sounds[names[rng.integers(len(names))]]
    data = bytearray(sounds[suffix])
    for _ in range(rng.integers(1, 4)):
        data = MUTATIONS[rng.integers(len(MUTATIONS))](data, other, rng)
    return suffix, bytes(data)


def _part(data: bytes | bytearray, rng: np.random.Generator) -> slice:
    start = int(rng.integers(len(data) + 1))
    return slice(start, start + int(2 ** rng.uniform(0, 14)))


def _truncate(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    return data[: rng.integers(len(data) + 1)]


def _flip_bits(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    reach = len(data) if rng.random() < 0.5 else min(len(data), 256)  # half of them in the header
    for _ in range(rng.integers(1, 33) if reach else 0):
        data[rng.integers(reach)] ^= 1 << int(rng.integers(8))
    return data


def _set_field(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    size = int(rng.choice([1, 2, 4, 8]))
    at = int(rng.integers(max(1, min(len(data), 256 if rng.random() < 0.7 else len(data)))))
    largest = (1 << 8 * size) - 1
    value = int(rng.choice(5))
    value = (0, 1, largest, largest >> 1, (largest >> 1) + 1)[value]
    data[at : at + size] = value.to_bytes(size, "little" if rng.random() < 0.5 else "big")
    return data


def _remove(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    del data[_part(data, rng)]
    return data


def _repeat(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    part = _part(data, rng)
    return data[: part.stop] + data[part] * int(rng.integers(1, 4)) + data[part.stop :]


def _splice(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    data[_part(data, rng)] = other[_part(other, rng)]
    return data


def _join(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    return data + (other if rng.random() < 0.5 else data)


def _append_junk(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    count = int(2 ** rng.uniform(0, 18))
    return data + (rng.bytes(count) if rng.random() < 0.5 else bytes(count))


def _replace_by_text(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    text = TEXTS[rng.integers(len(TEXTS))]
    return bytearray(text) if rng.random() < 0.5 else data[: rng.integers(64)] + text


MUTATIONS: tuple[Callable[[bytearray, bytes, np.random.Generator], bytearray], ...] = (
    _truncate,
    _flip_bits,
    _flip_bits,
    _set_field,
    _set_field,
    _set_field,
    _remove,
    _repeat,
    _splice,
    _join,
    _append_junk,
    _replace_by_text,
)


def outcome(path: str, once: bool = False) -> str:
    """Use a file in several ways, or by one call: "sound" or "error", or a text that says what is wrong."""
    uses: tuple[Callable[[], Any], ...] = (
        lambda: audio.load(path, sr=16000),
        lambda: audio.info(path),
        lambda: audio.load(path, mono=False, offset=0.3, duration=0.2),
        lambda: sum(len(block) for block in audio.blocks(path, sr=16000)),
        lambda: audio.load(Path(path).read_bytes()),
    )
    results = []
    for use in uses[:1] if once else uses:
        try:
            use()
            results.append("sound")
        except AudioError as error:
            results.append("error")
            if use is not uses[-1] and error.path != path:
                return f"an error that names {error.path}: {error}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return results[0]


class Run(NamedTuple):
    """Mutants to try."""

    seed: int
    ffmpeg: str | None  # path of the command that decodes in the place of PyAV
    folder: str


def _try_all(run: Run, indices: range, results: Connection) -> None:
    """Try mutants in a process of their own, and send (index, suffix, outcome, seconds, peak bytes) for each."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for output in (1, 2):  # the decoders print there
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    sounds = make_sounds()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PATH"] = folder
        if run.ffmpeg:
            sys.modules["av"] = None  # type: ignore[assignment]
            os.symlink(run.ffmpeg, f"{folder}/ffmpeg")  # noqa: PTH211
        for index in indices:
            suffix, data = mutant(sounds, run.seed, index)
            path = Path(folder, f"{index}.{suffix}")
            path.write_bytes(data)
            results.send((index, suffix, None, 0.0, 0))
            begin = _cost()[0]
            result = outcome(str(path), once=run.ffmpeg is not None)
            end, peak = _cost()
            results.send((index, suffix, result, end - begin, peak))
            path.unlink()
            if peak > MAX_BYTES:
                return  # peaks never fall again


def _cost() -> tuple[float, int]:
    """Return the CPU time [s] and the peak memory [bytes] of this process and its children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages), 1024 * max(usage.ru_maxrss for usage in usages)


def outcomes(run: Run, indices: range) -> Iterator[tuple[int, str, str, float, int]]:
    """Yield (index, suffix, outcome, seconds, peak bytes) of mutants; processes that hang or crash are replaced."""
    context = multiprocessing.get_context("spawn")
    following = indices.start
    while following < indices.stop:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_try_all, args=(run, range(following, indices.stop), theirs), daemon=True)
        process.start()
        theirs.close()
        index, suffix, is_started = following, "?", False
        while True:
            # Before the first mutant, the sounds are made; a limit for them, too, in case that this hangs.
            if not ours.poll(MAX_WAIT if is_started else 2 * MAX_WAIT):
                yield index, suffix, "no end", MAX_WAIT, 0
                break
            try:
                index, suffix, result, seconds, peak = ours.recv()
            except EOFError:
                process.join()
                if is_started:  # while a mutant was decoded
                    yield index, suffix, f"the process died ({process.exitcode})", 0.0, 0
                elif process.exitcode:
                    raise SystemExit(
                        f"a worker failed with status {process.exitcode} before its first mutant"
                    ) from None
                break
            is_started = result is None
            if result is not None:
                if seconds > MAX_SECONDS:
                    result = f"{seconds:.1f} s"
                elif peak > MAX_BYTES:
                    result = f"{peak / 1e6:.0f} MB"
                yield index, suffix, result, seconds, peak
        following = index + 1
        process.kill()
        process.join()


def _report(runs: list[Run], mutants: int) -> int:
    sounds = make_sounds()
    failures = 0
    for run in runs:
        print(f"\n{mutants} mutants, seed {run.seed}, decoder beside libsndfile: {'ffmpeg' if run.ffmpeg else 'PyAV'}")
        counts: dict[str, Counter[str]] = {suffix: Counter() for suffix in sounds}
        slowest, largest = dict.fromkeys(sounds, 0.0), dict.fromkeys(sounds, 0)
        for index, suffix, result, seconds, peak in outcomes(run, range(mutants)):
            kind = result if result in ("sound", "error") else "failure"
            counts.setdefault(suffix, Counter())[kind] += 1
            slowest[suffix] = max(slowest.get(suffix, 0.0), seconds)
            largest[suffix] = max(largest.get(suffix, 0), peak)
            if kind == "failure":
                failures += 1
                path = Path(run.folder, f"{run.seed}-{index}.{suffix}")
                path.write_bytes(mutant(sounds, run.seed, index)[1])
                print(f"  {path}: {result}", flush=True)
        print(f"  {'format':<10} {'sound':>6} {'error':>6} {'failure':>7} {'slowest [s]':>12} {'peak [MB]':>10}")
        for suffix, count in counts.items():
            row = f"{count['sound']:>6} {count['error']:>6} {count['failure']:>7} {slowest[suffix]:>12.2f}"
            print(f"  {suffix:<10} {row} {largest[suffix] / 1e6:>10.0f}")
    return failures


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ffmpeg", help="path of the command ffmpeg, for a second run")
    parser.add_argument("--folder", help="where failing mutants are kept; a new one by default")
    args = parser.parse_args()
    folder = args.folder or tempfile.mkdtemp(prefix="fuzz-audio-")
    Path(folder).mkdir(parents=True, exist_ok=True)
    ffmpeg = args.ffmpeg and os.path.realpath(args.ffmpeg)
    runs = [Run(args.seed, command, folder) for command in ([None, ffmpeg] if ffmpeg else [None])]
    failures = _report(runs, args.mutants)
    print(f"\n{failures} failures" + (f", kept in {folder}" if failures else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
