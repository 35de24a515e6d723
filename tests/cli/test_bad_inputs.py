"""Every command that takes sounds, given each kind of bad input among good ones.

The good ones are finished, the bad ones are named, the exit code is 1, and nothing in a name reaches the terminal as a
control character.
"""

import json
import os
import re
import shlex
import shutil
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.cli.output import escaped
from tests.models.hub_folders import HUB
from tests.voices import FakeEncoder, speak
from tests.weights.torch_files import wrapped

pytestmark = pytest.mark.usefixtures("own_cache", "impatient")

SR = 8000
# The name of a bad input that the table of clips cannot hold: a table is in UTF-8.
NOT_UTF8 = os.fsdecode(b"\xff\xfe.wav")
NASTY = "new\nline \x1b[2J\u202e.wav"


def wav(samples, sr=SR, tag=1):
    """Return a WAV file of 16-bit samples, with any rate and any codec."""
    data = np.asarray(samples, "<i2").tobytes()
    layout = struct.pack("<HHIIHH", tag, 1, sr, 2 * sr, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> list[str]:
    """Recordings that can be used: with channels that cancel in the mix, of two files, of no declared length."""
    folder, rng = tmp_path_factory.mktemp("good"), np.random.default_rng(0)
    sf.write(folder / "mono ü.wav", speak(rng, "ann"), SR)
    y = speak(rng, "ann")
    sf.write(folder / "inverted.wav", np.stack([y, -y], axis=1), SR)
    sound = wav(20000 * speak(rng, "ann"))
    (folder / "joined\n\x1b[2J.wav").write_bytes(2 * sound)
    sound = wav(20000 * speak(rng, "ann"))
    (folder / "unfinished.wav").write_bytes(sound[:40] + bytes(4) + sound[44:])
    return [str(folder / name) for name in ("mono ü.wav", "inverted.wav", "joined\n\x1b[2J.wav", "unfinished.wav")]


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> dict[str, str]:
    """One input of each kind that cannot be used: its path by its kind."""
    folder, y = tmp_path_factory.mktemp("bad"), speak(np.random.default_rng(1), "bob")
    sf.write(folder / "whole.flac", y, SR)
    contents = {
        "truncated.flac": (folder / "whole.flac").read_bytes()[:2000],
        "text.mp3": b"this is not sound\n" * 50,
        "playlist.wav": b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        "empty.wav": b"",
        "silent.wav": wav(np.zeros(SR)),
        "one hertz.wav": wav(1000 * y[:100], sr=1),
        "codec.wav": wav(1000 * y, tag=0x1234),
        NASTY: b"not sound either",
        NOT_UTF8: b"nor this",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "whole.flac").unlink()
    sf.write(folder / "nan.wav", np.where(np.arange(y.size) == 9, np.nan, y).astype(np.float32), SR, "FLOAT")
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "fifo.wav")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the address of a socket is short
        server.bind("socket.wav")
        os.chdir(here)
    (folder / "device.wav").symlink_to("/dev/zero")
    if Path("/proc/self/mem").exists():
        (folder / "memory.wav").symlink_to("/proc/self/mem")  # a regular file that cannot be read
    (folder / "dangling.wav").symlink_to("nowhere.wav")
    if os.geteuid() != 0:
        (folder / "forbidden.wav").write_bytes(wav(1000 * y))
        (folder / "forbidden.wav").chmod(0)
    return {path.name: str(path) for path in [*folder.iterdir(), folder / "missing.wav"]}


@pytest.fixture
def impatient(monkeypatch):
    """Wait for data from pipes for a moment only."""
    monkeypatch.setattr("mxnet_audio.audio.open_file._QUIET_SECONDS", 0.01)
    monkeypatch.setattr("mxnet_audio.audio.open_file._MAX_WAIT", 0.02)
    monkeypatch.setattr("mxnet_audio.speakers.published_encoder.load_encoder", FakeEncoder)


@pytest.fixture
def table(tones, good, bad, tmp_path):
    """Table of the tones, the good and the bad inputs, and those of them that it can hold and that are bad."""
    tabled = {name: path for name, path in bad.items() if name not in (NOT_UTF8, "missing.wav", "dangling.wav")}
    rows = [(str(path), path.parent.name) for path in sorted(tones.rglob("*.wav"))]
    rows += [(path, "low") for path in [*good, *tabled.values()]]
    text = "\n".join(["path,label", *('"{}","{}"'.format(*row) for row in rows)])
    (tmp_path / "clips.csv").write_text(text, encoding="utf-8")
    return tmp_path / "clips.csv", tabled


def check(result, bad, found=None):
    """Check the end of a command: code, messages, and no control characters; return the document."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\udc80-\udcff]", result.stderr), repr(result.stderr)
    unnamed = [name for name, path in bad.items() if escaped(path) not in result.stderr]
    assert unnamed == [], result.stderr
    if found is not None:
        document = json.loads(result.stdout)
        assert sorted({item["path"] for item in document["skipped"]}) == sorted(bad.values())
        return document[found] if isinstance(document[found], int) else len(document[found])
    return None


@pytest.fixture
def invoke(run, trained, indexed, speaker_model, tmp_path):
    """Function that runs a command whose words hold names in capitals, and returns its result."""
    places = {"MODEL": trained[0], "INDEX": indexed[0], "VOICES": speaker_model, "OUT": tmp_path}

    def invoke(words, inputs):
        given = []
        for word in shlex.split(words):
            given += inputs if word == "INPUTS" else [re.sub("^[A-Z]+", lambda m: str(places.get(m[0], m[0])), word)]
        return run(*given, "--json", code=1)

    return invoke


@pytest.mark.parametrize(
    ("words", "found", "count"),
    [
        ("predict INPUTS --model-dir MODEL", "predictions", 4),
        ("predict INPUTS --model-dir MODEL --timeline 0.4", "timelines", 4),
        ("predict INPUTS --model-dir MODEL --channel left", "predictions", 4),
        ("encode INPUTS --model-dir MODEL --output OUT/vectors.csv", "paths", 4),
        ("encode INPUTS --model-dir MODEL --output OUT/vectors.npz --channel each", "paths", 5),
        ("index INPUTS --model-dir MODEL --index OUT/index", "added", 4),
        ("recommend INPUTS --model-dir MODEL --index INDEX", "recommendations", 10),
        ("adapt INPUTS --model-dir MODEL --output OUT/adapted", "clips", 4),
        ("speaker enroll ann INPUTS --model-dir OUT/voices", "utterances", 4),
    ],
)
def test_files(invoke, good, bad, words, found, count):
    paths = list(bad.values())
    inputs = [*paths[:3], good[0], *paths[3:], *good[1:]]
    assert check(invoke(words, inputs), bad, found) == count


def test_identified_speakers(run, invoke, good, bad, tmp_path):
    run("speaker", "enroll", "ann", *good, "--model-dir", tmp_path / "voices")
    result = invoke("speaker identify INPUTS --model-dir OUT/voices", [*good, *bad.values()])
    assert check(result, bad, "results") == 4


def test_background_of_speakers(invoke, people, bad):
    inputs = [*bad.values(), *(str(path) for path in (people / "dan").iterdir())]
    assert check(invoke("speaker background INPUTS --model-dir OUT/voices", inputs), bad, "recordings") == 10


def test_trials_of_speakers(invoke, people, bad, tmp_path):
    # A list is separated by blanks, and in UTF-8.
    names = {name: path for name, path in bad.items() if not re.search(r"[\s\udc80-\udcff]", path)}
    takes = sorted(map(str, (people / "dan").iterdir()))
    others = sorted(map(str, (people / "ann").iterdir()))
    rows = [f"1 {takes[0]} {path}" for path in [*takes[1:3], *names.values()]] + [f"0 {takes[0]} {others[0]}"]
    (tmp_path / "trials.txt").write_text("\n".join(rows), encoding="utf-8")
    result = invoke("speaker evaluate INPUTS --model-dir VOICES", [str(tmp_path / "trials.txt")])
    check(result, names)
    document = json.loads(result.stdout)
    assert sorted(item["path"] for item in document["skipped"]) == sorted(names.values())
    assert (document["n_target"], document["n_impostor"]) == (2, 1)


@pytest.mark.parametrize("words", ["tag INPUTS", "tag INPUTS --timeline"])
def test_tags(invoke, published, good, bad, words):
    published("yamnet")
    assert check(invoke(words, [*good, *bad.values()]), bad, "files") == 4


SMALL = "--epochs 1 --batch-size 8 --input-shape 1,16,16"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("evaluate INPUTS --model-dir MODEL", "n_clips"),
        ("report INPUTS --model-dir MODEL --output OUT/report", None),
        (f"train INPUTS --model-dir OUT/model {SMALL}", None),
        (f"cross-validate INPUTS --k 2 --jobs 1 {SMALL}", None),
        ("speaker calibrate INPUTS --model-dir OUT/voices --force", None),
        pytest.param(
            "speaker train INPUTS --model-dir OUT/new --network sincnet --seconds 0.4 --epochs 1 --batch-size 8",
            None,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_table_of_clips(invoke, table, words, found):
    path, tabled = table
    result = invoke(words, [str(path)])
    check(result, tabled)
    document = json.loads(result.stdout)
    assert sorted({item["path"] for item in document["skipped"]}) == sorted(tabled.values())
    assert found is None or document[found] == 20


@pytest.mark.parametrize("words", ["predict INPUTS --model-dir MODEL", "evaluate INPUTS --model-dir MODEL"])
def test_folder(invoke, tones, bad, tmp_path, words):
    folder = tmp_path / "clips" / "low"
    shutil.copytree(tones / "low", folder)
    listed = {}
    for name, path in bad.items():
        if name != "missing.wav":
            (folder / name).symlink_to(path)
        # A folder of classes lists files only, and names the others in a message.
        if name != "missing.wav" and (Path(path).is_file() or words.startswith("predict")) and not Path(path).is_dir():
            listed[name] = str(folder / name)
    result = invoke(words, [str(folder.parent)])
    check(result, listed)
    document = json.loads(result.stdout)
    assert sorted(item["path"] for item in document["skipped"]) == sorted(listed.values())
    assert document["n_clips"] == 8 if "n_clips" in document else len(document["predictions"]) == 8


@pytest.mark.parametrize("words", ["search INPUTS --model-dir MODEL --index INDEX", "speaker verify INPUTS"])
def test_one_file(run, invoke, good, bad, words):
    for name, path in bad.items():
        inputs = [path] if words.startswith("search") else [good[0], path]
        result = invoke(words, inputs)
        check(result, {name: path})
        assert result.stdout == ""


@pytest.mark.parametrize("command", ["train", "evaluate", "report", "cross-validate", "speaker train"])
@pytest.mark.parametrize("kind", ["fifo.wav", "socket.wav", "device.wav", "dangling.wav", "empty.wav", "text.mp3"])
def test_no_table(run, bad, model, tmp_path, command, kind):
    words = (*command.split(), bad[kind], *(model if command in ("evaluate", "report") else ()))
    check(run(*words, code=1), {kind: bad[kind]})


@pytest.mark.parametrize(
    "words",
    [
        "train TONES --features INPUTS",
        "cross-validate TONES --features INPUTS",
        "speaker train TONES --features INPUTS",
        "speaker evaluate INPUTS",
        "predict TONES --model-dir INPUTS",
        "search TONES --index INPUTS",
    ],
)
@pytest.mark.parametrize("kind", ["fifo.wav", "socket.wav", "device.wav", "text.mp3"])
def test_files_that_are_no_parameters_or_models(run, tones, bad, words, kind):
    given = [str(tones) if word == "TONES" else bad[kind] if word == "INPUTS" else word for word in words.split()]
    check(run(*given, code=1), {kind: bad[kind]})


@pytest.fixture(scope="module")
def encoders(bad, tmp_path_factory) -> dict[str, Path]:
    """Folder of an encoder by the kind of what is wrong with it."""
    root = tmp_path_factory.mktemp("encoders")

    names = {"config": "config.json", "weights": "model.safetensors", "pickle": "pytorch_model.bin"}

    def copied(kind, **files):
        folder = shutil.copytree(HUB / "wav2vec2", root / kind)
        for name, content in files.items():
            path = folder / names[name]
            path.unlink(missing_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content is not None:
                path.symlink_to(content)
        return folder

    settings = json.loads((HUB / "wav2vec2" / "config.json").read_text())
    tensors = (HUB / "wav2vec2" / "model.safetensors").read_bytes()

    def changed(**values):
        return json.dumps({**settings, **values}).encode()

    return {
        "no config": copied("no config", config=None),
        "no weights": copied("no weights", weights=None),
        "config, no JSON": copied("no JSON", config=b"{"),
        "config, a list": copied("a list", config=b"[]"),
        "config, a pipe": copied("a pipe", config=bad["fifo.wav"]),
        "config, a device": copied("a device", config=bad["device.wav"]),
        "another architecture": copied("another", config=changed(model_type="encodec")),
        "other sizes": copied("other sizes", config=changed(hidden_size=32)),
        "more layers": copied("more layers", config=changed(num_hidden_layers=3)),
        "a million layers": copied("a million", config=changed(num_hidden_layers=1 << 20)),
        "huge sizes": copied("huge sizes", config=changed(hidden_size=1 << 20, intermediate_size=1 << 20)),
        "truncated": copied("truncated", weights=tensors[: len(tensors) // 2]),
        "truncated header": copied("header", weights=tensors[:100]),
        "empty": copied("empty", weights=b""),
        "text": copied("text", weights=b"version https://git-lfs.github.com/spec/v1\n"),
        "weights, a pipe": copied("weights, a pipe", weights=bad["fifo.wav"]),
        "a pickle with code": copied("code", weights=None, pickle=wrapped(b"cos\nsystem\n(S'touch owned'\ntR.")),
    }


ENCODERS = [
    "no config",
    "no weights",
    "config, no JSON",
    "config, a list",
    "config, a pipe",
    "config, a device",
    "another architecture",
    "other sizes",
    "more layers",
    "a million layers",
    "huge sizes",
    "truncated",
    "truncated header",
    "empty",
    "text",
    "weights, a pipe",
    "a pickle with code",
]


@pytest.mark.parametrize("kind", ENCODERS)
def test_encoders(run, tones, encoders, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    folder = encoders[kind]
    commands = ["train TONES --model-dir m", "cross-validate TONES --k 2 --jobs 1", "encode TONES -o v.npz"]
    for words in commands:
        given = [str(tones) if word == "TONES" else word for word in words.split()]
        result = run(*given, "--encoder", "wav2vec2", "--source", folder, code=1)
        check(result, {kind: str(folder)})
        assert "supported types are wav2vec2" in result.stderr or kind != "another architecture"
    assert list(tmp_path.iterdir()) == []


def test_encoders_are_all_tried(encoders):
    assert list(encoders) == ENCODERS
