"""Models of whole runs: results, predictions, reports, saved models, pretrained encoders and bad input."""

import copy
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

import mxnet_audio
from mxnet_audio import AudioModel, load_classifier, model_store
from mxnet_audio.declarative import RowPrediction, RunConfig
from mxnet_audio.declarative import config as config_module
from mxnet_audio.declarative import model as model_module
from mxnet_audio.declarative.network import RunNetwork
from mxnet_audio.engine import mx
from mxnet_audio.errors import DatasetError, InvalidAudioError, ModelError, ParameterError
from mxnet_audio.metrics import ClassificationReport, MultiLabelReport, RegressionReport
from mxnet_audio.model_store import AUDIO_MODEL
from tests.declarative.conftest import tone

HUB = Path(__file__).resolve().parents[1] / "models" / "hub"
OUTPUTS = ("label", "is_high", "pitch", "tags")
SIDES = [{"name": "level", "type": "number"}, {"name": "room", "type": "category"}]


@pytest.fixture(scope="module")
def trained(tones, configured, tmp_path_factory):
    """Model with all types of inputs and outputs, and the results of its training."""
    config = configured(
        *OUTPUTS, inputs=SIDES, trainer={"epochs": 12, "learning_rate": 0.05, "validation_field": "combined"}
    )
    for output in config["output_features"]:
        output["loss"] = {"weight": 0.5 if output["name"] == "pitch" else 1.0}
    model = AudioModel(config)
    return model, model.train(tones, tmp_path_factory.mktemp("run") / "results", cache=False, progress=False)


@pytest.fixture
def saved(trained, tmp_path):
    """Directory of a saved copy of the model."""
    trained[0].save(tmp_path / "copy")
    return tmp_path / "copy"


def test_all_types_of_outputs_are_learned(trained):
    _, results = trained
    reports = results.reports
    assert list(reports) == list(OUTPUTS) and not results.skipped
    assert isinstance(reports["label"], ClassificationReport) and reports["label"].accuracy == 1
    assert reports["is_high"].roc_auc > 0.9
    assert isinstance(reports["pitch"], RegressionReport) and reports["pitch"].r2 > 0.5
    assert isinstance(reports["tags"], MultiLabelReport) and reports["tags"].mean_average_precision > 0.9
    last = {name: measures["loss"][-1] for name, measures in results.statistics["validation"].items()}
    weighted = last["label"] + last["is_high"] + last["pitch"] / 2 + last["tags"]
    assert last["combined"] == pytest.approx(weighted)


def test_thresholds_of_sets_are_chosen_on_validation_rows(trained):
    thresholds = trained[1].reports["tags"].thresholds
    assert ((thresholds > 0) & (thresholds < 1)).all() and len(set(thresholds.tolist())) > 1


def test_predictions_have_the_order_of_the_rows(trained, tones):
    model, _ = trained
    inputs = {name: tones[name] for name in ("clip", "level", "room")}
    predictions = model.predict(inputs, cache=False)
    assert all(prediction.error is None for prediction in predictions)
    labels = [prediction.outputs["label"].value for prediction in predictions]
    assert np.mean([label == true for label, true in zip(labels, tones["label"])]) > 0.9
    one = predictions[5].outputs
    assert set(one["label"].probabilities) == {"low", "middle", "high"} and one["is_high"].value in ("yes", "no")
    assert isinstance(one["pitch"].value, float) and one["pitch"].probabilities is None
    assert isinstance(one["tags"].value, set) and set(one["tags"].probabilities) == {"a", "b", "c"}
    reversed_inputs = {name: values[::-1] for name, values in inputs.items()}
    for prediction, other in zip(predictions, model.predict(reversed_inputs, cache=False)[::-1]):
        assert prediction.outputs["pitch"].value == pytest.approx(other.outputs["pitch"].value, abs=1e-4)


def test_rows_that_cannot_be_used_have_an_error(trained, tones):
    model, _ = trained
    clips = [tones["clip"][0], (np.zeros(800, np.float32), 8000), "missing.wav", tones["clip"][1]]
    rows = {"clip": clips, "level": [0.5, 1.0, 1.0, 1.0], "room": ["room 0", "room 1", "room 0", "another"]}
    predictions = model.predict(rows, cache=False)
    assert [prediction.error is None for prediction in predictions] == [True, False, False, True]
    assert isinstance(predictions[1].error, InvalidAudioError) and predictions[1] == RowPrediction(
        {}, predictions[1].error
    )
    assert [name for name, _ in model.skipped][1] == "missing.wav"
    assert [vector is None for vector in model.encode(rows, cache=False)] == [False, True, True, False]


def test_evaluations_leave_out_rows_without_a_known_value(trained, tones):
    model, _ = trained
    labels = [None, "elephant", *tones["label"][2:]]
    reports = model.evaluate({**tones, "label": labels}, cache=False)
    assert reports["label"].n_clips == len(labels) - 2 and len(reports["label"].skipped) == 2
    assert len(model.skipped) == 2
    with pytest.raises(DatasetError, match="no row"):
        model.evaluate({**tones, "label": ["elephant"] * len(labels)}, cache=False)


def test_a_saved_model_predicts_the_same(trained, tones, saved):
    model, results = trained
    expected = model.predict(tones, cache=False)
    for directory in (results.directory, saved):
        loaded = AudioModel.load(directory)
        assert loaded.predict(tones, cache=False) == expected
        assert loaded.statistics == results.statistics and loaded.config == model.config
    vectors = model.encode(tones, cache=False)
    np.testing.assert_array_equal(vectors, loaded.encode(tones, cache=False))
    assert vectors[0].shape == (8 + 1 + 50,)


def pickled(model):
    """Return a model from its pickle."""
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("way", ["copy", "pickle"])
def test_models_can_be_copied_and_pickled(trained, tones, way):
    model, _ = trained
    copied = {"copy": copy.deepcopy, "pickle": pickled}[way]
    other = copied(model)
    assert other.predict(tones, cache=False) == model.predict(tones, cache=False)
    assert other.config == model.config and other.statistics == model.statistics
    reports = [one.evaluate(tones, cache=False)["tags"] for one in (model, other)]
    assert reports[0].thresholds.tolist() == reports[1].thresholds.tolist()
    assert repr(copied(AudioModel(model.config))).endswith("untrained)")


def test_progress_is_shown_if_wanted(trained, tones, capsys):
    model, _ = trained
    for use in (model.predict, model.encode, model.evaluate):
        use(tones, cache=False)
        assert not capsys.readouterr().err
        use(tones, cache=False, progress=True)
        assert f"{len(tones['clip'])}/{len(tones['clip'])}" in capsys.readouterr().err


def test_batches_that_do_not_fit_in_memory_name_the_keys(trained, tones, tmp_path, monkeypatch):
    def fail(*arrays):
        raise mx.MXNetError("src/storage/./cpu_device_storage.h:70: Failed to allocate CPU Memory")

    model, _ = trained
    monkeypatch.setattr(RunNetwork, "forward", fail)
    calls = (model.predict, model.evaluate, lambda table, **options: AudioModel(model.config).train(table, tmp_path))
    for call in calls:
        with pytest.raises(ModelError, match=r"trainer\.batch_size.*audio_file_length_limit_in_s"):
            call(tones, cache=False)


def test_a_configuration_that_is_too_long_is_refused_before_the_training(configured, tmp_path, monkeypatch):
    monkeypatch.setattr(config_module, "_LARGEST", 1 << 10)
    with pytest.raises(ParameterError, match="longer"):
        AudioModel(RunConfig(**configured())).train("missing.csv", tmp_path)


def test_statistics_of_a_saved_model_can_be_undefined(trained, saved):
    model, _ = trained
    model_store_statistics = AudioModel.load(saved).statistics
    json.dumps(model_store.read_manifest(saved, AUDIO_MODEL), allow_nan=False)
    assert model_store_statistics == model.statistics


def test_a_copy_cannot_be_resumed(trained, tones, saved):
    with pytest.raises(ModelError, match="last"):
        trained[0].train(tones, saved, resume=True, cache=False, progress=False)


def test_a_model_is_not_replaced_unless_that_is_wanted(trained, tones, saved, configured):
    model = AudioModel(configured(trainer={"epochs": 1}))
    with pytest.raises(ModelError, match="holds"):
        model.train(tones, saved, cache=False)
    model.train(tones, saved, cache=False, progress=False, overwrite=True)
    assert [output.name for output in AudioModel.load(saved).config.output_features] == ["label"]


DAMAGES = {
    "config": {"config": {"input_features": []}},
    "columns": {"columns": {"encodings": {}}},
    "other columns": {"columns": {"encodings": {name: {"type": "number"} for name in ("clip", *OUTPUTS)}}},
    "thresholds": {"thresholds": {name: [2.0] * 3 for name in OUTPUTS}},
    "statistics": {"statistics": {"test": 3}},
    "encoders": {"encoders": None, "columns": None},
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_models_are_refused(saved, case):
    path = saved / f"{AUDIO_MODEL}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | DAMAGES[case]))
    with pytest.raises(ModelError) as caught:
        AudioModel.load(saved)
    assert str(saved) in str(caught.value)


def test_networks_of_another_size_are_refused_before_they_get_memory(saved):
    path = saved / f"{AUDIO_MODEL}.json"
    document = json.loads(path.read_text())
    document["config"]["input_features"][0]["encoder"]["fc_layers"] = [{"output_size": 32768}] * 2  # 4 GB
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match="another network"):
        AudioModel.load(saved)


def test_a_run_is_no_classifier(saved):
    with pytest.raises(ModelError, match="AudioModel"):
        load_classifier(saved)


def test_bad_arguments(tones, configured, tmp_path):
    with pytest.raises(ModelError, match="no model yet"):
        AudioModel(configured()).predict(tones)
    with pytest.raises(ModelError):
        AudioModel.load(tmp_path / "missing")
    with pytest.raises(ParameterError):
        AudioModel(configured()).train(tones, None)
    with pytest.raises(ParameterError):
        AudioModel(configured()).train(3, tmp_path)
    with pytest.raises(ParameterError):
        AudioModel(configured(), model_ctx="cpu")
    with pytest.raises(DatasetError, match="label"):
        AudioModel(configured()).train({"clip": tones["clip"]}, tmp_path, cache=False)
    silent = [(np.zeros(800, np.float32), 8000)] * len(tones["clip"])
    with pytest.raises(DatasetError):
        AudioModel(configured()).train({**tones, "clip": silent}, tmp_path, cache=False)
    assert not list(tmp_path.glob("*.json"))


def test_a_configuration_is_read_from_a_file(configured, tmp_path):
    config = RunConfig.read(configured())
    (tmp_path / "run.yaml").write_text(config.to_yaml())
    model = AudioModel(tmp_path / "run.yaml")
    assert model.config == config and repr(model) == "AudioModel(clip -> label, untrained)"
    assert mxnet_audio.AudioModel is AudioModel


def test_runs_in_one_folder_wait_for_each_other(tmp_path, tones, configured, monkeypatch):
    held = []

    def save(run, directory, *arguments):
        with pytest.raises(Timeout):
            FileLock(Path(directory) / f".{AUDIO_MODEL}.lock").acquire(timeout=0)
        held.append(directory)

    monkeypatch.setattr(model_module, "save_run", save)
    AudioModel(configured(trainer={"epochs": 1})).train(tones, tmp_path, cache=False, progress=False)
    assert len(held) == 2  # the checkpoint, and the model
    with FileLock(tmp_path / f".{AUDIO_MODEL}.lock").acquire(timeout=0):
        pass


@pytest.mark.slow
def test_tied_sounds_are_compared(tmp_path):
    rng = np.random.default_rng(0)
    pitches, rows = np.array([250, 900, 2300]), {"first": [], "second": [], "same": []}
    for row in range(120):
        first = rng.integers(3)
        second = first if row % 2 else (first + rng.integers(1, 3)) % 3
        rows["first"].append(tone(pitches[first], 0.1, rng))
        rows["second"].append(tone(pitches[second], 0.1, rng))
        rows["same"].append(bool(row % 2))
    encoder = {"type": "parallel_cnn", "num_filters": 8, "fc_layers": [{"output_size": 16}], "norm": "batch"}
    features = {"num_filter_bands": 12, "audio_file_length_limit_in_s": 0.1}
    config = {
        "input_features": [
            {"name": "first", "type": "audio", "preprocessing": features, "encoder": encoder},
            {"name": "second", "type": "audio", "tied": "first"},
        ],
        "output_features": [{"name": "same", "type": "binary"}],
        "combiner": {"num_fc_layers": 2, "output_size": 32},
        "trainer": {"epochs": 3, "batch_size": 12, "learning_rate": 0.02},
    }
    results = AudioModel(config).train(rows, tmp_path, cache=False, progress=False)
    assert results.reports["same"].accuracy > 0.9


PRETRAINED = {
    "trained": {"type": "wav2vec2"},
    "trained, weights saved": {"type": "wav2vec2", "saved_weights_in_checkpoint": True},
    "sum of layers": {"type": "wav2vec2", "layer": "weighted"},
    "adapter": {"type": "wav2vec2", "adapter": {"type": "lora", "r": 2}},
    "frozen": {"type": "wav2vec2", "trainable": False},
    "frozen, weights saved": {"type": "wav2vec2", "trainable": False, "saved_weights_in_checkpoint": True},
    "random weights": {"type": "wav2vec2", "use_pretrained": False},
    "sequence": {"type": "wav2vec2", "reduce_output": None},
    "one length": {"type": "ast"},
}
RARE = {"sum of layers", "sequence"}
WITH_WEIGHTS = {"trained, weights saved", "frozen, weights saved", "random weights"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case in RARE else ()) for case in PRETRAINED]
)
def test_pretrained_encoders(tones, configured, tmp_path, case):
    settings = PRETRAINED[case]
    source = shutil.copytree(HUB / settings["type"], tmp_path / "source")
    encoder = {**settings, "pretrained_model_name_or_path": str(source)}
    config = configured(encoder=encoder, trainer={"epochs": 2, "learning_rate": 0.001})
    few = {name: values[::3] for name, values in tones.items()}
    model = AudioModel(config)
    results = model.train(few, tmp_path / "model", cache=False, progress=False)
    expected = model.predict(few, cache=False)
    has_base = "base" in model_store.read_manifest(tmp_path / "model", AUDIO_MODEL)["files"]
    assert has_base == (case in WITH_WEIGHTS)
    if has_base:
        shutil.rmtree(source)
    loaded = AudioModel.load(tmp_path / "model")
    assert loaded.predict(few, cache=False) == expected
    trained_nets = loaded._run.network.nets
    assert all(loaded._run.encoders[name].net is net for name, net in trained_nets.items())  # not twice in memory
    copied = pickled(loaded)
    assert copied.predict(few, cache=False) == expected
    copied.save(tmp_path / "copy")
    assert AudioModel.load(tmp_path / "copy").predict(few, cache=False) == expected
    if not has_base:
        source.rename(tmp_path / "moved")
        with pytest.raises(ModelError, match="--source"):
            AudioModel.load(tmp_path / "copy")
        AudioModel.load(tmp_path / "copy", source={"clip": tmp_path / "moved"}).save(tmp_path / "copy")
        assert AudioModel.load(tmp_path / "copy").predict(few, cache=False) == expected
    assert len(results.statistics["training"]["label"]["loss"]) == 2


def test_missing_weights_name_the_key(tones, configured, tmp_path, monkeypatch):
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)
    encoder = {"type": "wav2vec2", "pretrained_model_name_or_path": "nobody/nothing"}
    with pytest.raises(ModelError, match=r"clip: encoder\.pretrained_model_name_or_path") as caught:
        AudioModel(configured(encoder=encoder)).train(tones, tmp_path, cache=False)
    assert "--source" not in str(caught.value)


def test_only_what_is_trained_changes(tones, configured, tmp_path):
    few = {name: values[::3] for name, values in tones.items()}
    for settings, kept in (({"adapter": "lora"}, "attention.query.weight"), ({}, "extractor")):
        encoder = {"type": "wav2vec2", "pretrained_model_name_or_path": str(HUB / "wav2vec2"), **settings}
        model = AudioModel(configured(encoder=encoder, trainer={"epochs": 1, "learning_rate": 0.01}))
        model.train(few, tmp_path, cache=False, progress=False, overwrite=True)
        stored = model_store.read_tensors(tmp_path, model_store.read_manifest(tmp_path, AUDIO_MODEL), "last")
        assert stored and not any(kept in name for name in stored)
        assert any("lora" in name if settings else "query.weight" in name for name in stored)
