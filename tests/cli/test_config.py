"""``config``: check a configuration and print it with all defaults, and print its JSON schema."""

import json

import pytest
import yaml

from mxnet_audio.declarative import RunConfig

TEXT = "input_features: [{name: clip, type: audio}]\noutput_features: [{name: label, type: category}]\n"


@pytest.fixture
def file(tmp_path):
    """A configuration in a file."""
    (tmp_path / "c.yaml").write_text(TEXT)
    return tmp_path / "c.yaml"


def test_check_prints_the_complete_configuration(run, run_json, file):
    complete = RunConfig.read(TEXT).to_dict()
    assert yaml.safe_load(run("config", "check", file).stdout) == complete
    assert run_json("config", "check", file) == complete


def test_check_names_each_wrong_key(run, file):
    file.write_text(TEXT + "trainer: {epoch: 3}\nbackend: ray\n")
    message = run("config", "check", file, code=1).stderr.splitlines()
    assert message[0] == f"error: {file}: trainer.epoch: unknown key, did you mean epochs?"
    assert message[1].strip().startswith("backend.type: 'ray' is not supported")


def test_a_missing_file(run, tmp_path):
    assert str(tmp_path / "none.yaml") in run("config", "check", tmp_path / "none.yaml", code=1).stderr


def test_schema(run):
    assert json.loads(run("config", "schema").stdout) == RunConfig.schema()
