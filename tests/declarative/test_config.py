"""Configurations: read from anywhere, completed with Ludwig's defaults, written out and read again."""

import json
import pickle

import pytest
import yaml
from pydantic import ValidationError

from mxnet_audio.declarative import RunConfig, encoders
from mxnet_audio.errors import ParameterError

AUDIO = {"name": "clip", "type": "audio"}
LABEL = {"name": "label", "type": "category"}
RICH = """
input_features:
  - name: clip
    column: path
    type: audio
    preprocessing: {type: stft, window_length_in_s: 0.025, prefetch_size: 0, missing_value_strategy: fill_with_const,
      fill_value: 0}
    encoder: {type: stacked_cnn, conv_layers: [{filter_size: 7, pool_size: 3}, {num_filters: 32, pool_size: null}],
      weights_initializer: {type: normal, stddev: 0.1}, norm: batch, norm_params: {eps: 0.001, affine: false}}
  - {name: other, type: audio, tied: clip}
  - {name: age, type: number, encoder: {type: dense, output_size: 4}}
  - {name: place, type: category, encoder: onehot}
  - {name: indoors, type: binary}
output_features:
  - {name: label, type: category, loss: {weight: 2, class_weights: {dog: 3}}, decoder: {num_fc_layers: 1}}
  - {name: tags, type: set, preprocessing: {tokenizer: pipe}}
  - {name: level, type: number, loss: {type: huber, delta: 2}, clip: [0, 5]}
  - {name: loud, type: binary, threshold: 0.3}
combiner: {type: concat, fc_layers: [{output_size: 16}, {activation: tanh}], dropout: 0.2}
trainer: {epochs: 3, batch_size: 8, learning_rate: 1e-4, optimizer: {type: adamw, weight_decay: 0.01}, early_stop: -1,
  learning_rate_scheduler: {decay: cosine, t_0: 10}, gradient_clipping: null, validation_metric: r2}
preprocessing: {split: {type: groups, column: speaker}}
backend: {type: local, threads: 2}
random_seed: 1
"""


def config(**sections):
    """Return a configuration with other sections than the least that it must have."""
    return RunConfig.read({"input_features": [AUDIO], "output_features": [LABEL], **sections})


def test_a_file_text_and_a_mapping_are_the_same(tmp_path):
    (tmp_path / "c.yaml").write_text(RICH)
    read = RunConfig.read(RICH)
    assert RunConfig.read(tmp_path / "c.yaml") == RunConfig.read(str(tmp_path / "c.yaml")) == read
    assert RunConfig.read(yaml.safe_load(RICH)) == RunConfig(**yaml.safe_load(RICH)) == read
    assert RunConfig.model_validate(read) is read


@pytest.mark.parametrize("text", [RICH, json.dumps({"input_features": [AUDIO], "output_features": [LABEL]})])
def test_a_complete_configuration_is_the_same(text):
    read = RunConfig.read(text)
    assert RunConfig.read(read.to_dict()) == RunConfig.read(read.to_yaml()) == read
    assert RunConfig.read(json.loads(json.dumps(read.to_dict()))).to_dict() == read.to_dict()
    assert pickle.loads(pickle.dumps(read)) == read


def test_values():
    read = RunConfig.read(RICH)
    clip, other, *_ = read.input_features
    assert (clip.column, other.column) == ("path", "other")
    assert clip.preprocessing.features.window_length_in_s == 0.025 and clip.preprocessing.prefetch_size == 0
    assert clip.preprocessing.fill_value == 0
    assert other.encoder == clip.encoder and read.shared_encoders == {"clip": "clip", "other": "clip"}
    assert clip.encoder.parameters()["conv_layers"] == [
        {"filter_size": 7, "pool_size": 3},
        {"num_filters": 32, "pool_size": None},
    ]
    assert clip.encoder.norm_params == {"eps": 0.001, "affine": False}
    assert (read.trainer.learning_rate, read.trainer.gradient_clipping) == (1e-4, None)
    assert (read.trainer.validation_field, read.trainer.validation_metric) == ("level", "r2")
    assert read.trainer.optimizer.parameters() == {"weight_decay": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}


def test_defaults_are_those_of_ludwig():
    read = config()
    clip, label, trainer = read.input_features[0], read.output_features[0], read.trainer
    assert (clip.preprocessing.type, clip.encoder.type, read.combiner.type) == ("fbank", "parallel_cnn", "concat")
    assert (trainer.epochs, trainer.early_stop, trainer.learning_rate) == (100, 5, 0.001)
    assert (trainer.optimizer.type, trainer.gradient_clipping.clipglobalnorm) == ("adam", 0.5)
    assert (trainer.validation_field, trainer.validation_metric) == ("label", "accuracy")
    assert (label.loss.type, label.top_k, label.preprocessing.missing_value_strategy) == (
        "softmax_cross_entropy",
        3,
        "drop_row",
    )
    assert (read.preprocessing.split.type, read.preprocessing.split.probabilities) == ("random", (0.7, 0.1, 0.2))
    assert read.random_seed == 42


def test_what_is_written_can_be_read(tmp_path):
    # A name is written twice, as the column, too.
    written = config(input_features=[{**AUDIO, "name": "clip" * 17_000}])
    (tmp_path / "run.yaml").write_text(written.to_yaml())
    assert RunConfig.read(tmp_path / "run.yaml") == written
    with pytest.raises(ParameterError, match="1 MiB"):
        config(input_features=[{**AUDIO, "name": "é" * (1 << 18)}]).to_yaml()


@pytest.mark.parametrize("early_stop", [None, -1])
def test_training_without_an_early_stop(early_stop):
    assert config(trainer={"early_stop": early_stop}).trainer.early_stop == -1


@pytest.mark.parametrize(
    ("encoder", "combiner"),
    [
        ({"type": "rnn", "norm": "batch"}, {"norm": "batch"}),
        ({"norm": "batch", "num_fc_layers": 0}, {}),
        ({"norm": "batch", "fc_layers": [{"norm": "layer"}]}, {}),
        ({"norm": "batch", "reduce_output": None}, {"norm": "batch", "num_fc_layers": 1}),
    ],
    ids=["no fully connected layers", "number of 0", "norms of their own", "a sequence"],
)
def test_batch_norms_over_steps_allow_a_batch_of_one_row(encoder, combiner):
    config(input_features=[{**AUDIO, "encoder": encoder}], combiner=combiner, trainer={"batch_size": 1})


def test_configurations_are_immutable():
    with pytest.raises(ValidationError):
        config().trainer.epochs = 3


def test_empty_sections_have_the_defaults():
    empty = dict.fromkeys(("trainer", "preprocessing", "combiner", "backend", "defaults"))
    assert config(**empty) == config()
    assert config(input_features=[{**AUDIO, "encoder": None, "preprocessing": None}]) == config()


def test_a_name_stands_for_a_section():
    sections = {"trainer": {"optimizer": "sgd"}, "preprocessing": {"split": "fixed"}, "backend": "local"}
    read = config(**sections, combiner="concat", input_features=[{**AUDIO, "encoder": "rnn"}])
    assert read == config(
        trainer={"optimizer": {"type": "sgd"}},
        preprocessing={"split": {"type": "fixed", "column": "split"}},
        input_features=[{**AUDIO, "encoder": {"type": "rnn"}}],
    )


def test_numbers_stand_for_classes():
    digit = {"name": "digit", "type": "category", "preprocessing": {"fill_value": 0}}
    read = config(input_features=[AUDIO, digit], output_features=[{**LABEL, "loss": {"class_weights": {0: 2, 1: 1}}}])
    assert read.input_features[1].preprocessing.fill_value == "0"
    assert read.output_features[0].loss.class_weights == {"0": 2, "1": 1}


def test_automatic_values():
    trainer = config(trainer=dict.fromkeys(("batch_size", "eval_batch_size", "learning_rate"), "auto")).trainer
    assert (trainer.batch_size, trainer.eval_batch_size, trainer.learning_rate) == (128, None, 0.001)


@pytest.mark.parametrize(
    ("trainer", "field", "metric"),
    [
        ({}, "label", "accuracy"),
        ({"validation_metric": "loss"}, "label", "loss"),
        ({"validation_metric": "jaccard"}, "tags", "jaccard"),
        ({"validation_field": "tags"}, "tags", "jaccard"),
        ({"validation_field": "combined"}, "combined", "loss"),
    ],
)
def test_the_validation_metric_follows_ludwigs_rules(trainer, field, metric):
    read = config(trainer=trainer, output_features=[LABEL, {"name": "tags", "type": "set"}]).trainer
    assert (read.validation_field, read.validation_metric) == (field, metric)


def test_features_have_the_defaults_of_their_type_unless_their_own():
    read = config(
        input_features=[
            AUDIO,
            {"name": "b", "type": "audio", "encoder": {"type": "rnn"}, "preprocessing": {"norm": None}},
        ],
        defaults={
            "audio": {"encoder": {"num_filters": 8}, "preprocessing": {"norm": "per_file", "num_filter_bands": 40}},
            "category": {"loss": {"weight": 3}, "decoder": {"fc_dropout": 0.5}},
        },
    )
    clip, b = read.input_features
    assert (clip.encoder.num_filters, b.encoder.type) == (8, "rnn")
    assert (clip.preprocessing.norm, b.preprocessing.norm) == ("per_file", None)
    assert (clip.preprocessing.num_filter_bands, b.preprocessing.num_filter_bands) == (40, 40)
    assert (read.output_features[0].loss.weight, read.output_features[0].decoder.fc_dropout) == (3, 0.5)
    assert RunConfig.read(read.to_dict()) == read


def test_tied_features_share_one_encoder_through_others():
    rnn = {"encoder": {"type": "rnn"}, "preprocessing": {"norm": "per_file"}}
    features = [
        {**AUDIO, "tied": "b"},
        {"name": "b", "type": "audio", "tied": "c"},
        {"name": "c", "type": "audio", **rnn},
    ]
    read = config(input_features=features)
    assert read.shared_encoders == {"clip": "c", "b": "c", "c": "c"}
    assert {feature.encoder.type for feature in read.input_features} == {"rnn"}
    assert {feature.preprocessing.norm for feature in read.input_features} == {"per_file"}


def test_a_long_chain_of_tied_features_is_read_quickly():
    features = [{"name": str(i), "type": "audio", "tied": str(i + 1)} for i in range(400)]
    read = config(input_features=[*features, {"name": "400", "type": "audio"}])
    assert set(read.shared_encoders.values()) == {"400"}


def test_a_pretrained_encoder_keeps_the_keys_about_loading_only():
    wav2vec2 = {"encoder": {"type": "wav2vec2", "adapter": "lora"}, "preprocessing": {"type": "raw", "mode": "eager"}}
    feature = config(input_features=[{**AUDIO, **wav2vec2}]).input_features[0]
    assert feature.preprocessing.mode == "eager"
    assert feature.encoder.adapter.lora() == {"rank": 8, "alpha": 16.0, "dropout": 0.05, "targets": ["query", "value"]}
    written = feature.model_dump()["preprocessing"]
    assert {"type", "mode", "missing_value_strategy"} <= written.keys() and "num_filter_bands" not in written


def test_a_pretrained_encoder_takes_ludwigs_block_of_samples():
    whole = config(input_features=[{**AUDIO, "encoder": "wav2vec2"}]).input_features[0]
    block = {**config().input_features[0].preprocessing.model_dump(), "type": "raw", "computed_fill_value": None}
    cut = config(input_features=[{**AUDIO, "encoder": "wav2vec2", "preprocessing": block}])
    assert (whole.length_limit, cut.input_features[0].length_limit) == (None, 7.5)
    assert RunConfig.read(cut.to_dict()).input_features[0].length_limit == 7.5
    assert "audio_file_length_limit_in_s" not in whole.model_dump()["preprocessing"]


@pytest.mark.parametrize("feature", [{"preprocessing": {"type": "stft"}}, {"encoder": "whisper"}], ids=["stft", "raw"])
def test_defaults_of_preprocessing_are_those_of_all_types(feature):
    limit = {"audio": {"preprocessing": {"audio_file_length_limit_in_s": 5}}}
    read = config(input_features=[{**AUDIO, **feature}], defaults=limit).input_features[0]
    assert read.preprocessing.audio_file_length_limit_in_s == 5
    assert read.preprocessing.type == ("raw" if "encoder" in feature else "stft")


def test_the_schema_describes_all_sections():
    schema = RunConfig.schema()
    assert schema["required"] == ["input_features", "output_features"] and schema["additionalProperties"] is False
    assert set(schema["properties"]) == {*RunConfig.model_fields, *RunConfig.UNSUPPORTED}
    assert schema["properties"]["model_type"]["enum"] == ["ecd"]
    encoder, audio = schema["$defs"]["ParallelCnn"]["properties"], schema["$defs"]["AudioInput"]["properties"]
    assert encoder["num_filters"]["default"] == 256 and encoder["activation"]["default"] == "relu"
    assert schema["$defs"]["AudioInput"]["required"] == ["name"]
    assert {"enum": [*encoders.SEQUENCE_TYPES, *encoders.PRETRAINED_TYPES, None]} in audio["encoder"]["anyOf"]
    assert {"const": None} in schema["properties"]["trainer"]["anyOf"]
    assert {"const": "auto"} in schema["$defs"]["Trainer"]["properties"]["batch_size"]["anyOf"]
    preprocessing = schema["$defs"]["AudioPreprocessing"]["properties"]
    assert (preprocessing["type"]["default"], preprocessing["sr"]["default"]) == ("fbank", None)
    json.dumps(schema)


@pytest.mark.parametrize("source", [None, [], 5, "", b"x", "a", "a: [", "a: *b", "a: 1\na: 1"], ids=repr)
def test_what_is_no_configuration_is_refused(source):
    with pytest.raises(ParameterError):
        RunConfig.read(source)


def test_errors_of_yaml_name_the_line():
    with pytest.raises(ParameterError, match=r"^not YAML: line 2: found character '\\t' that cannot start any token$"):
        RunConfig.read("input_features:\n\t- name: clip")


def test_errors_name_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text("trainer: {epoch: 3}")
    with pytest.raises(ParameterError, match=r"(?s)trainer\.epoch: unknown key, did you mean epochs\?") as raised:
        RunConfig.read(tmp_path / "c.yaml")
    assert raised.value.path == str(tmp_path / "c.yaml")
