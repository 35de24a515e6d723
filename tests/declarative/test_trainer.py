"""Training: rounds and checkpoints, resumed and stopped runs, early stopping, and losses that are not finite."""

import json

import numpy as np
import pytest

from mxnet_audio import AudioModel, model_store
from mxnet_audio.declarative import model as model_module
from mxnet_audio.declarative.progress import Progress, plateau_reductions
from mxnet_audio.declarative.training_section import Trainer
from mxnet_audio.errors import DatasetError, ModelError, ParameterError
from mxnet_audio.model_store import AUDIO_MODEL

LINEAR = {"type": "passthrough"}  # encoder of tests that do not depend on the network


class Interrupted(BaseException):
    """Interruption as by Ctrl-C."""


@pytest.fixture
def train(tones, tmp_path):
    """Function that trains: ``train(config, folder="model", **options) -> results``."""

    def train(config, folder="model", **options):
        return AudioModel(config).train(tones, tmp_path / folder, cache=False, progress=False, **options)

    return train


def interrupt_after(monkeypatch, checkpoints):
    """Interrupt a training after a number of checkpoints."""
    save, count = model_module.save_run, 0

    def save_and_interrupt(*arguments):
        nonlocal count
        save(*arguments)
        count += 1
        if count == checkpoints:
            monkeypatch.setattr(model_module, "save_run", save)
            raise Interrupted

    monkeypatch.setattr(model_module, "save_run", save_and_interrupt)


def stored(directory):
    """Return all tensors of the model in a directory, and its manifest."""
    manifest = model_store.read_manifest(directory, AUDIO_MODEL)
    tensors = {
        f"{role} {name}": value
        for role in ("last", "best", "optimizer")
        for name, value in model_store.read_tensors(directory, manifest, role).items()
    }
    return tensors, manifest


RESUMED = {
    "adam, in the middle of an epoch": {"steps_per_checkpoint": 2},
    "sgd, schedule and penalty": {
        "optimizer": {"type": "sgd", "momentum": 0.9},
        "learning_rate_scheduler": {"decay": "cosine", "warmup_evaluations": 1, "reduce_on_plateau": 1},
        "regularization_lambda": 0.01,
        "regularization_type": "l1_l2",
        "gradient_clipping": {"clipvalue": 0.1},
    },
}


@pytest.mark.parametrize("case", RESUMED)
def test_a_resumed_run_gives_the_same_results(train, configured, tmp_path, monkeypatch, case):
    config = configured(trainer=RESUMED[case], combiner={"num_fc_layers": 1, "output_size": 8, "dropout": 0.3})
    whole = train(config, "whole")
    interrupt_after(monkeypatch, 2)
    with pytest.raises(Interrupted):
        train(config, "resumed")
    resumed = train(config, "resumed", resume=True)
    (expected, manifest), (tensors, other) = stored(tmp_path / "whole"), stored(tmp_path / "resumed")
    assert resumed.statistics == whole.statistics and manifest["reports"] == other["reports"]
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value, err_msg=name)


def test_files_of_a_former_run_are_replaced_with_its_model(train, configured, tmp_path, monkeypatch):
    train(configured(encoder=LINEAR, trainer={"epochs": 1}))
    former = (tmp_path / "model" / "config.yaml").read_text()

    def interrupt(*arguments):
        raise Interrupted

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(model_module, "save_run", interrupt)
        train(configured(encoder=LINEAR, trainer={"epochs": 2}), overwrite=True)
    assert (tmp_path / "model" / "config.yaml").read_text() == former
    interrupt_after(monkeypatch, 2)
    with pytest.raises(Interrupted):
        train(configured(encoder=LINEAR, trainer={"epochs": 2}), overwrite=True)
    assert json.loads((tmp_path / "model" / "test_statistics.json").read_text()) == {}
    assert (tmp_path / "model" / "config.yaml").read_text() != former


def test_a_finished_run_can_be_resumed_with_more_epochs(train, configured):
    train(configured(trainer={"epochs": 1}))
    results = train(configured(trainer={"epochs": 2}), resume=True)
    whole = train(configured(trainer={"epochs": 2}), "whole")
    assert results.statistics == whole.statistics
    with pytest.raises(ParameterError, match="epochs"):
        train(configured(trainer={"epochs": 1}), resume=True)


def test_a_checkpoint_of_another_run_is_not_resumed(train, configured):
    train(configured(encoder=LINEAR, trainer={"epochs": 1}))
    change = {"encoder": {"type": "stacked_cnn"}, "trainer": {"epochs": 2, "learning_rate": 0.1}}
    with pytest.raises(
        ModelError, match=r": input_features\[0\].encoder.type, trainer.learning_rate changed.*overwrite"
    ):
        train(configured(**change), resume=True)
    split = {"split": {"type": "random"}}
    with pytest.raises(ModelError, match="train rows"):
        train({**configured(encoder=LINEAR, trainer={"epochs": 2}), "preprocessing": split}, resume=True)


def test_damaged_checkpoints_are_not_resumed(train, configured, tmp_path):
    config = configured(encoder=LINEAR, trainer={"epochs": 1})
    train(config)
    path = tmp_path / "model" / f"{AUDIO_MODEL}.json"
    document = json.loads(path.read_text())
    for change in ({"steps": []}, {"statistics": []}, {"training": None}):
        path.write_text(json.dumps(document | change))
        with pytest.raises(ModelError, match="damaged"):
            train(config, resume=True)


def test_evaluations_have_their_interval(train, configured):
    results = train(configured(encoder=LINEAR, trainer={"checkpoints_per_epoch": 2, "evaluate_training_set": True}))
    assert {len(outputs["label"]["accuracy"]) for outputs in results.statistics.values()} == {5}  # 9 steps, 2 a round
    assert results.statistics.keys() == {"training", "validation", "test"}
    assert results.statistics["test"]["combined"].keys() == {"loss"}


def test_the_best_round_is_the_models(train, configured, tones):
    config = configured(trainer={"epochs": 4, "validation_metric": "loss", "learning_rate": 0.2})
    results = train(config)
    losses = results.statistics["validation"]["label"]["loss"]
    assert results.best_round == int(np.argmin(losses))
    model = AudioModel.load(results.directory)
    again = model.evaluate(tones, cache=False)["label"]
    accuracy = results.statistics["test"]["label"]["accuracy_micro"][results.best_round]
    assert results.reports["label"].accuracy == pytest.approx(accuracy)
    assert again.n_clips == len(tones["label"])


def test_training_stops_early(train, configured):
    trainer = {"epochs": 30, "early_stop": 2, "learning_rate": 1e-9, "optimizer": "sgd"}
    results = train(configured(trainer={**trainer, "validation_metric": "accuracy"}, encoder=LINEAR))
    assert len(results.statistics["training"]["label"]["loss"]) < 30


def test_losses_that_are_not_finite_are_an_error(train, configured, tmp_path):
    trainer = {"learning_rate": 1.0, "optimizer": {"type": "sgd"}, "gradient_clipping": None}
    outputs = configured("pitch", encoder=LINEAR, trainer=trainer)
    with pytest.raises(ModelError, match="lower the learning rate"):
        train(outputs)


def test_a_large_first_loss_is_a_warning(tones, configured, tmp_path, caplog):
    for factor, count in ((1, 0), (1000, 1)):
        numbers = {**tones, "pitch": [factor * pitch for pitch in tones["pitch"]]}
        model = AudioModel(configured("pitch", encoder=LINEAR, trainer={"epochs": 2}))
        model.train(numbers, tmp_path / str(factor), cache=False, progress=False)
        assert [record.levelname for record in caplog.records].count("WARNING") == count
    assert "normalization" in caplog.text


def test_a_measure_that_is_undefined_cannot_choose(configured, tones, tmp_path):
    config = configured("is_high", trainer={"validation_metric": "roc_auc"})
    config["preprocessing"] = {"split": {"type": "fixed", "column": "side"}}
    sides = [1 if label == "low" and row % 2 else 0 for row, label in enumerate(tones["label"])]
    with pytest.raises(DatasetError, match="roc_auc"):
        AudioModel(config).train({**tones, "side": sides}, tmp_path, cache=False, progress=False)


def test_best_rounds():
    progress = Progress()
    settings = Trainer(validation_field="label", validation_metric="accuracy")
    for step, (accuracy, loss) in enumerate([(0.5, 0.2), (0.75, 0.3), (0.75, 0.1), (0.75, 0.1)], start=1):
        progress.add(step, {"validation": {"label": {"accuracy": accuracy, "loss": loss}}})
    assert progress.best_round(settings) == 2 and progress.step == 4
    assert progress.best_round(settings.model_copy(update={"validation_metric": "loss"})) == 2
    progress.statistics = {}
    assert progress.best_round(settings) == 3


@pytest.mark.parametrize(
    ("values", "most", "expected"), [([1, 2, 3, 3], 5, 1), ([1] * 9, 5, 4), ([1] * 9, 2, 2), ([3, 2, 1], 5, 0)]
)
def test_plateaus_are_counted(values, most, expected):
    assert plateau_reductions(values, "loss", 2, most) == expected
    assert plateau_reductions([-value for value in values], "accuracy", 2, most) == expected
