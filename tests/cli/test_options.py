"""Help texts, names of choices, and wrong usage."""

import re
from pathlib import Path
from typing import get_type_hints

import pytest

import mxnet_audio
from mxnet_audio.cli import app
from mxnet_audio.cli.options import Network, StoredModel, parse_path
from mxnet_audio.cli.speaker.options import LossName, SpeakerNetwork
from mxnet_audio.cli.training_options import RecipeName

COMMANDS = (
    "train", "cross-validate", "evaluate", "report", "adapt", "predict", "tag", "encode", "search", "recommend",
    "export", "info", "demo", "index add", "index list", "index remove", "index relocate", "datasets list",
    "datasets info", "datasets download", "models list", "models info", "models download", "cache info",
    "cache clear", "speaker train", "speaker enroll", "speaker verify", "speaker identify", "speaker background",
    "speaker calibrate", "speaker list", "speaker forget", "speaker evaluate", "speaker export",
)  # fmt: skip
GROUPS = ((), ("index",), ("speaker",), ("datasets",), ("models",), ("cache",))
WITH_MODEL = ("train", "evaluate", "report", "adapt", "predict", "encode", "index add", "search", "recommend", "export")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(run, command):
    text = " ".join(run(*command.split(), "--help").stdout.split())
    assert "Example" in text
    assert f"mxnet-audio {command}" in text
    assert "--json" in text
    if command.startswith("speaker"):
        assert re.search(r"--model-dir DIR [^\[]+\[default: voices\]", text)


@pytest.mark.parametrize("command", WITH_MODEL)
def test_default_model_folder(run, command):
    text = " ".join(run(*command.split(), "--help").stdout.split())
    defaults = {
        "predict": "models or, if it is missing, the pretrained encoder yamnet",
        "encode": "models, if there is one",
        "index add": "models, if there is one",
        "search": "what the index was made with",
        "recommend": "what the index was made with",
    }
    default = defaults.get(command, "models")
    assert re.search(rf"--model-dir DIR [^\[]+\[default: {default}\]", text)


def test_all_commands_are_listed(run):
    listed = [run(*group, "--help").stdout for group in GROUPS]
    for command in COMMANDS:
        *group, name = command.split()
        text = listed[GROUPS.index(tuple(group))]
        assert re.search(rf"^  {name} +[^ ]", text, re.MULTILINE), command


def test_summaries_are_whole(run):
    for group in GROUPS:
        commands = run(*group, "--help").stdout.partition("Commands:")[2]
        assert commands and "..." not in commands


def test_names_are_those_of_the_library():
    from mxnet_audio import weights
    from mxnet_audio.library import classifiers
    from mxnet_audio.models import NETWORKS, EncoderNet, SequenceNet
    from mxnet_audio.nn import loss_names
    from mxnet_audio.training import RECIPES

    assert [name.value for name in StoredModel] == list(classifiers())
    assert [name.value for name in StoredModel] == [*(network.value for network in Network), *weights.names()]
    networks = [network.value for network in Network] + [network.value for network in SpeakerNetwork]
    trained = [name for name, network in NETWORKS.items() if not issubclass(network, EncoderNet | SequenceNet)]
    assert sorted(networks) == sorted(trained)
    assert sorted(loss.value for loss in LossName) == sorted(loss_names())
    assert {recipe.value for recipe in RecipeName} - {"default"} <= set(RECIPES)


def test_version(run):
    assert run("--version").stdout.strip() == mxnet_audio.__version__


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["Usage"]),
        (("train",), ["DATA"]),
        (("dance",), ["dance"]),
        (("train", "x", "--seconds", "5", "--input-shape", "1,96,100"), ["--seconds", "--input-shape"]),
        (("train", "x", "--seconds", "0"), ["--seconds", "got 0"]),
        (("train", "x", "--seconds", "nan"), ["--seconds", "got nan"]),
        (("train", "x", "--seconds", "86400"), ["--seconds", "86400"]),
        (("train", "x", "--input-shape", "96x1366"), ["--input-shape", "1,BANDS,FRAMES"]),
        (("train", "x", "--epochs", "0"), ["--epochs"]),
        (("train", "x", "--seed", "-1"), ["--seed"]),
        (("train", "x", "--early-stopping", "0"), ["--early-stopping"]),
        (("train", "x", "--network", "vgg"), ["--network", "resnet_v2"]),
        (("train", "x", "--encoder", "yamnet", "--network", "m5"), ["--encoder", "--network"]),
        (("train", "x", "--encoder", "yamnet", "--seconds", "5"), ["--seconds", "--encoder"]),
        (("train", "x", "--head", "mlp"), ["--head", "--encoder"]),
        (("train", "x", "--encoder", "yamnet", "--head", "tree"), ["--head", "linear"]),
        (("cross-validate", "x", "--fine-tune"), ["--fine-tune", "--encoder"]),
        (("cross-validate", "x", "--seconds", "-1"), ["--seconds", "got -1"]),
        (("predict", "x.wav", "--hop", "1"), ["--hop", "--timeline"]),
        (("predict", "x.wav", "--timeline", "-1"), ["--timeline", "got -1"]),
        (("predict", "x.wav", "--timeline", "inf"), ["--timeline", "got inf"]),
        (("predict", "x.wav", "--timeline", "1", "--hop", "2"), ["--hop", "got 2"]),
        (("encode", "x.wav", "--output", "vectors.mat"), ["--output", ".npz", ".csv"]),
        (("search", "x.wav", "-k", "0"), ["--top-k"]),
        (("recommend", "x.wav", "--top-k", "0"), ["--top-k"]),
        (("datasets", "download", "esc50", "d", "--url", "u", "--archive", "a"), ["--url", "--archive"]),
        (("speaker",), ["Usage"]),
        (("speaker", "sing"), ["sing"]),
        (("speaker", "train", "x", "--seconds", "1", "--features", "f.yaml"), ["--seconds", "--features"]),
        (("speaker", "train", "x", "--network", "m5"), ["--network", "resnet18"]),
        (("speaker", "train", "x", "--loss", "triplet"), ["--loss", "am_softmax"]),
        (("speaker", "train", "x", "--epochs", "0"), ["--epochs"]),
        (("speaker", "enroll", "ann"), ["PATH"]),
        (("speaker", "identify", "x.wav", "-k", "0"), ["--top-k"]),
        (("speaker", "verify", "a.wav"), ["FILE", "--speaker"]),
        (("speaker", "verify", "a.wav", "b.wav", "--speaker", "ann"), ["FILE", "--speaker"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_exits_with_2(run, words, names):
    output = run(*words, code=2).output
    assert all(name in output for name in names), output


@pytest.mark.parametrize(
    "words",
    [
        ("train", "nowhere/"),
        ("evaluate", "nowhere.csv"),
        ("predict", "nowhere.wav", "--model-dir", "no-model"),
        ("encode", "nowhere.wav", "--model-dir", "no-model"),
        ("index", "nowhere.wav", "--model-dir", "no-model"),
        ("search", "nowhere.wav", "--model-dir", "no-model"),
        ("recommend", "nowhere.wav", "--model-dir", "no-model"),
    ],
    ids=lambda words: words[0],
)
def test_missing_input_exits_with_1(run, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*words, "--json", code=1)
    assert result.stdout == ""
    assert result.stderr.startswith(("error: nowhere", "error: no-model"))
    assert not list(tmp_path.iterdir())


def path_options(group):
    """Yield command, name and declaration of each argument and option that is a path."""
    for command in group.registered_commands:
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            if "Path" in str(hint):
                yield command.callback.__name__, name, getattr(hint, "__metadata__", [None])[0]
    for child in group.registered_groups:
        yield from path_options(child.typer_instance)


def test_paths_of_all_commands_are_parsed_alike():
    found = {(command, name): option for command, name, option in path_options(app)}
    assert [key for key, option in found.items() if option is None or option.parser is not parse_path] == []
    assert {("train", "data"), ("train", "log"), ("report", "output"), ("download", "archive")} <= set(found)


def test_home_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert parse_path("~/models") == tmp_path / "home" / "models" and parse_path("~") == tmp_path / "home"
    assert parse_path("./~/models") == Path("~/models") and parse_path("a~") == Path("a~")
    assert parse_path("~nobody-of-this-name.wav") == Path("~nobody-of-this-name.wav")
    (tmp_path / "~").mkdir()
    assert parse_path("~") == Path("~")  # such as from a pattern of the shell


@pytest.mark.parametrize(
    "words",
    [
        ("predict", ""),
        ("predict", "a.wav", ""),
        ("predict", "a.wav", "--model-dir", ""),
        ("index", "songs", "--index", ""),
        ("search", ""),
        ("recommend", ""),
        ("train", ""),
        ("train", "songs", "--validation", ""),
        ("train", "songs", "--report", ""),
        ("train", "songs", "--tensorboard", ""),
        ("cross-validate", "songs", "--output", ""),
        ("adapt", "a.wav", "--output", ""),
        ("demo", "--output", ""),
        ("demo", "--data", ""),
        ("datasets", "download", "esc50", ""),
        ("evaluate", "songs", "--model-dir="),
        ("speaker", "verify", "a.wav", ""),
        ("speaker", "enroll", "ann", "a.wav", "--model-dir", ""),
    ],
    ids=str,
)
def test_empty_paths_are_refused(run, words):
    result = run(*words, code=1)
    assert (result.stdout, result.stderr) == ("", "error: the path is empty\n")
