"""YAML from anywhere: it is read, or refused by name, in bounded time and memory."""

import os
import random

import pytest

from mxnet_audio.errors import FeatureError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.features.documents import read_yaml

LEVELS = "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghij", "bcdefghijk"))
BAD = {
    "a bomb": f"a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n{LEVELS}",
    "an alias": "n_mels: &n 40\nn_fft: *n\n",
    "a merge": "a: &a {n_mels: 40}\nb:\n  <<: *a\n",
    "a circle": "a: &a [*a]\n",
    "deep lists": "[" * 5_000,
    "deep mappings": "{a: " * 20_000,
    "deep blocks": "".join("  " * level + "- a:\n" for level in range(200)),
    "long": "a: " + "x" * 200_000,
    "a number with bases": "a: 1" + ":59" * 20_000 + ".5",
    "a long number": "a: 1" + "0" * 50_000,
    "a long hexadecimal number": "n_mels: 0x" + "F" * 6_000,
    "a long number with bases": "n_mels: 1" + ":59" * 40_000,
    "a truth value": "a: !!bool maybe",
    "an empty number": "a: !!int ''",
    "a date": "a: 2001-99-99",
    "no date": "a: !!timestamp x",
    "code": "a: !!python/object/apply:os.getcwd []",
    "a list as a key": "? [1]\n: 2\n",
    "a key given twice": "a: {b: 1, b: 1}",
    "control characters": "a: \x00\x01",
    "surrogates": "a: \udcff",
}


@pytest.mark.parametrize("kind", BAD)
def test_yaml_that_could_harm_is_refused(kind, tmp_path):
    with pytest.raises(FeatureError):
        read_yaml(BAD[kind] + "\n")
    (tmp_path / "f.yaml").write_bytes(BAD[kind].encode("utf-8", "surrogateescape"))
    with pytest.raises(FeatureError) as raised:
        AudioFeatureConfig.from_yaml(tmp_path / "f.yaml")
    assert raised.value.path == str(tmp_path / "f.yaml")


def test_the_message_for_an_alias_says_what_to_do(tmp_path):
    with pytest.raises(FeatureError, match=r"\*n .*write out its value"):
        read_yaml(BAD["an alias"])


def test_an_anchor_without_aliases_is_harmless():
    assert read_yaml("n_mels: &bands 40") == ({"n_mels": 40}, None)


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", str(tmp_path / "pipe.yaml"), "/dev/zero"):
        with pytest.raises(FeatureError, match="not a regular file") as raised:
            AudioFeatureConfig.from_yaml(path)
        assert raised.value.path == str(path)


def test_names_and_bytes_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("window: é".encode("latin-1"))
    for path in (tmp_path / "latin.yaml", tmp_path / "a\0b.yaml", tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(FeatureError, match="cannot be read") as raised:
            AudioFeatureConfig.from_yaml(path)
        assert raised.value.path == str(path)


def test_mutants_are_read_or_refused():
    chance = random.Random(17)
    text = AudioFeatureConfig(type="mfcc", n_mfcc=13, top_db=None).model_dump_json()
    text = text.replace('"', "").replace(",", "\n").replace(":", ": ").strip("{}")
    pieces = [*"[]{}&*!|>?:-#%@,'\"\n\t ", "<<: ", "!!float ", "0x", "1e999", ".nan", "-1", "null", "9" * 40, "9" * 400]
    refused = 0
    for _ in range(250):
        mutant = text
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(mutant))
            mutant = mutant[:place] + chance.choice(pieces) + mutant[place + chance.randrange(3) :]
        try:
            AudioFeatureConfig.from_yaml(mutant + "\n")
        except FeatureError:
            refused += 1
    assert refused > 60
