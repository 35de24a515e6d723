"""Errors of configurations name the path of a key, the cause, and the nearest key or value that exists."""

import re

import pytest

from mxnet_audio.declarative import RunConfig
from mxnet_audio.declarative.section import Dropped, Section
from mxnet_audio.errors import ParameterError

AUDIO = {"name": "clip", "type": "audio"}
LABEL = {"name": "label", "type": "category"}


def audio(**keys):
    """Return the section of one audio feature."""
    return {"input_features": [{**AUDIO, **keys}]}


def encoder(**keys):
    """Return the section of one audio feature with an encoder."""
    return audio(encoder=keys)


def trainer(**keys):
    """Return the section of the training."""
    return {"trainer": keys}


def split(**keys):
    """Return the section of the split."""
    return {"preprocessing": {"split": keys}}


def output(kind, **keys):
    """Return the section of one output."""
    return {"output_features": [{"name": "y", "type": kind, **keys}]}


def inputs(*features):
    """Return the section of several inputs."""
    return {"input_features": list(features)}


def named(name, **keys):
    """Return an audio feature."""
    return {"name": name, "type": "audio", **keys}


LAYERS = [{"filter_size": 3}]
# The wrong sections, the path of the key, and a part of the cause.
WRONG = [
    ({"trainr": {}}, "trainr", "did you mean trainer?"),
    ({"hyperopt": {"goal": "minimize"}}, "hyperopt", "not supported"),
    ({"model_type": "llm"}, "model_type", "not supported"),
    ({"seed": 1}, "seed", "did you mean random_seed?"),
    ({"random_seed": -1}, "random_seed", "greater than or equal to 0, got -1"),
    ({"random_seed": True}, "random_seed", "must be a number"),
    ({"trainer": 5}, "trainer", "must be a mapping"),
    ({"input_features": None}, "input_features", "got None"),
    ({"input_features": []}, "input_features", "none is of type 'audio'"),
    ({"output_features": []}, "output_features", "at least one"),
    (inputs(*[{"name": str(i), "type": "number"} for i in range(1001)]), "input_features", "at most 1000 items"),
    (inputs(5), "input_features[0]", "must be a mapping"),
    (inputs({"type": "audio"}), "input_features[0].name", "missing"),
    (inputs({"name": "clip"}), "input_features[0].type", "missing, must be one of 'audio', 'number'"),
    (inputs(named(5)), "input_features[0].name", "must be text, got 5"),
    (inputs({"name": "clip", "type": "audoi"}), "input_features[0].type", "did you mean audio?"),
    (inputs({"name": "clip", "type": "text"}), "input_features[0].type", "'text' is not supported"),
    (inputs({"name": "n", "type": "number"}), "input_features", "none is of type 'audio'"),
    (inputs(AUDIO, AUDIO), "input_features[1].name", "the name of input_features[0], too"),
    (output("text"), "output_features[0].type", "'text' is not supported"),
    (output("category", name="clip"), "output_features[0].name", "the name of input_features[0], too"),
    (output("category", column="clip"), "output_features[0].column", "the column of an input"),
    (audio(encodr={}), "input_features[0].encodr", "did you mean encoder?"),
    (audio(encoder="rnn", cell_type="lstm"), "input_features[0].cell_type", "encoder.cell_type"),
    (audio(encoder=7), "input_features[0].encoder", "must be a mapping"),
    (audio(preprocessing=7), "input_features[0].preprocessing", "must be a mapping"),
    (
        audio(preprocessing={"num_filter_band": 3}),
        "input_features[0].preprocessing.num_filter_band",
        "num_filter_bands?",
    ),
    (audio(preprocessing={"num_fft_points": 10**6000}), "input_features[0].preprocessing.num_fft_points", "less than"),
    (audio(preprocessing={"window_type": "boxcar"}), "input_features[0].preprocessing.window_type", "'hamming'"),
    (audio(preprocessing={"norm": "perfile"}), "input_features[0].preprocessing.norm", "did you mean per_file?"),
    (audio(preprocessing={"audio_feature": {}}), "input_features[0].preprocessing.audio_feature", "move them up"),
    (audio(preprocessing={"type": "raw"}), "input_features[0].preprocessing.type", "needs a spectrum"),
    (audio(preprocessing={"type": "log_mel"}), "input_features[0].preprocessing.n_frames", "needed for type 'log_mel'"),
    (
        audio(encoder="wav2vec2", preprocessing={"type": "fbank"}),
        "input_features[0].preprocessing.type",
        "'fbank' contradicts encoder 'wav2vec2'",
    ),
    (
        {**encoder(type="yamnet"), "defaults": {"audio": {"preprocessing": {"norm": "per_file"}}}},
        "input_features[0].preprocessing.norm",
        "not for encoder 'yamnet'",
    ),
    (
        audio(encoder={"type": "yamnet"}, preprocessing={"num_filter_bands": 8}),
        "input_features[0].preprocessing.num_filter_bands",
        "not for encoder 'yamnet'",
    ),
    (encoder(type="paralel_cnn"), "input_features[0].encoder.type", "did you mean parallel_cnn?"),
    (encoder(type="CNNRNN"), "input_features[0].encoder.type", "unknown type 'CNNRNN', did you mean cnnrnn?"),
    (encoder(type="lstm"), "input_features[0].encoder.type", "unknown type 'lstm', must be one of 'parallel_cnn'"),
    (encoder(num_filters="many"), "input_features[0].encoder.num_filters", "must be a whole number, got 'many'"),
    (encoder(conv_layers={"filter_size": 3}), "input_features[0].encoder.conv_layers", "must be a list"),
    (encoder(type="embed"), "input_features[0].encoder.type", "'embed' is not supported"),
    (encoder(num_filtres=64), "input_features[0].encoder.num_filtres", "did you mean num_filters?"),
    (encoder(num_filters=0), "input_features[0].encoder.num_filters", "greater than or equal to 1, got 0"),
    (encoder(num_filters=10**9), "input_features[0].encoder.num_filters", "less than or equal to"),
    (encoder(num_filters=10**6000), "input_features[0].encoder.num_filters", "too many digits"),
    (encoder(dropout=1), "input_features[0].encoder.dropout", "less than 1"),
    (encoder(skip=True), "input_features[0].encoder.skip", "not supported"),
    (encoder(activation="rellu"), "input_features[0].encoder.activation", "did you mean relu?"),
    (encoder(norm="ghost"), "input_features[0].encoder.norm", "'ghost' is not supported"),
    (encoder(norm_params={"epz": 1}), "input_features[0].encoder.norm_params.epz", "did you mean eps?"),
    (encoder(reduce_output="attention"), "input_features[0].encoder.reduce_output", "'attention'"),
    (encoder(weights_initializer="xavier"), "input_features[0].encoder.weights_initializer", "did you mean xavier_"),
    (encoder(bias_initializer="orthogonal"), "input_features[0].encoder.bias_initializer", "'orthogonal'"),
    (
        encoder(weights_initializer={"type": "normal", "std": 1}),
        "input_features[0].encoder.weights_initializer.std",
        "did you mean stddev?",
    ),
    (encoder(conv_layers=LAYERS, num_conv_layers=2), "input_features[0].encoder.conv_layers", "num_conv_layers"),
    (
        encoder(type="cnnrnn", conv_layers=LAYERS, num_conv_layers=2),
        "input_features[0].encoder.conv_layers",
        "num_conv_layers",
    ),
    (
        encoder(type="stacked_parallel_cnn", stacked_layers=[LAYERS], num_stacked_layers=2),
        "input_features[0].encoder.stacked_layers",
        "num_stacked_layers",
    ),
    (
        encoder(type="stacked_parallel_cnn", stacked_layers=[LAYERS, [{"filter_sise": 3}]]),
        "input_features[0].encoder.stacked_layers[1][0].filter_sise",
        "did you mean filter_size?",
    ),
    (encoder(type="rnn", fc_layers=[{}], num_fc_layers=1), "input_features[0].encoder.fc_layers", "num_fc_layers"),
    (encoder(type="rnn", cell_type="lstmm"), "input_features[0].encoder.cell_type", "did you mean lstm?"),
    (encoder(type="rnn", cell_type="gru", activation="relu"), "input_features[0].encoder.activation", "cell_type: gru"),
    (encoder(type="transformer", num_heads=7), "input_features[0].encoder.num_heads", "do not divide"),
    (encoder(type="wav2vec2", adapter={"rank": 4}), "input_features[0].encoder.adapter.rank", "unknown key"),
    (encoder(type="wav2vec2", adapter="dora"), "input_features[0].encoder.adapter.type", "'dora' is not supported"),
    (
        encoder(type="wav2vec2", adapter="lora", trainable=False),
        "input_features[0].encoder.adapter",
        "trainable: false",
    ),
    (encoder(type="wav2vec2", layer="last"), "input_features[0].encoder.layer", "'weighted'"),
    (encoder(type="yamnet", trainable=True), "input_features[0].encoder.trainable", "must be False"),
    (audio(tied="clip"), "input_features[0].tied", "in a circle: clip -> clip"),
    (inputs(named("a", tied="b"), named("b", tied="a")), "input_features[0].tied", "in a circle: a -> b -> a"),
    (inputs(named("a", tied="bb"), named("b")), "input_features[0].tied", "no input feature 'bb', did you mean b?"),
    (inputs(named("a", tied="n"), {"name": "n", "type": "number"}), "input_features[0].tied", "not 'audio'"),
    (inputs(named("a", tied="b", encoder="rnn"), named("b")), "input_features[0].tied", "another encoder"),
    (
        inputs(named("a", tied="b", preprocessing={"norm": "per_file"}), named("b")),
        "input_features[0].tied",
        "features",
    ),
    (
        inputs(AUDIO, {"name": "n", "type": "number", "tied": "clip"}),
        "input_features[1].tied",
        "only audio features",
    ),
    (
        inputs(named("a", encoder="passthrough"), {"name": "n", "type": "number"}),
        "input_features[0].encoder.reduce_output",
        "is not joined",
    ),
    (
        encoder(type="wav2vec2", trainable=False, reduce_output=None),
        "input_features[0].encoder.reduce_output",
        "trainable: false",
    ),
    (output("category", num_fc_layers=2), "output_features[0].num_fc_layers", "decoder.num_fc_layers"),
    (output("category", dependencies=["b"]), "output_features[0].dependencies", "not supported"),
    (output("category", loss={"class_weights": [1, 2]}), "output_features[0].loss.class_weights", "must be a mapping"),
    (output("category", loss={"class_weights": {"a": -1}}), "output_features[0].loss.class_weights.a", "got -1"),
    (output("category", loss={"class_weights": {True: 1}}), "output_features[0].loss.class_weights[1]", "must be text"),
    (output("binary", loss="focal"), "output_features[0].loss.type", "'focal' is not supported"),
    (
        output("set", preprocessing={"tokenizer": "|"}),
        "output_features[0].preprocessing.tokenizer",
        "'|' is not supported: use 'pipe'",
    ),
    (output("set", threshold=2), "output_features[0].threshold", "got 2"),
    (output("number", clip=[5, 1]), "output_features[0].clip", "lower limit"),
    ({"combiner": "tabnet"}, "combiner.type", "'tabnet' is not supported: use 'concat'"),
    ({"combiner": {"fc_layers": [{}], "num_fc_layers": 2}}, "combiner.fc_layers", "num_fc_layers"),
    ({"combiner": {"residual": True, "fc_layers": [{"output_size": 8}, {}]}}, "combiner.residual", "one output_size"),
    (trainer(epoch=3), "trainer.epoch", "did you mean epochs?"),
    (trainer(workers=2), "trainer.workers", "unknown key, the keys are epochs, train_steps"),
    (trainer(lr=0.1), "trainer.lr", "did you mean learning_rate?"),
    (trainer(optimizer={"type": "sgd", "lr": 0.1}), "trainer.optimizer.lr", "trainer.learning_rate"),
    (
        {**encoder(norm="batch", fc_layers=[{"norm": "layer"}, {}]), **trainer(batch_size=1)},
        "trainer.batch_size",
        "input_features[0].encoder",
    ),
    ({**encoder(norm="batch"), **trainer(batch_size=1)}, "trainer.batch_size", "input_features[0].encoder"),
    (
        {
            **inputs(AUDIO, {"name": "n", "type": "number", "encoder": {"type": "dense", "norm": "batch"}}),
            **trainer(batch_size=1),
        },
        "trainer.batch_size",
        "input_features[1].encoder",
    ),
    (
        {"combiner": {"norm": "batch", "num_fc_layers": 1}, **trainer(batch_size=1)},
        "trainer.batch_size",
        "combiner",
    ),
    (
        {**output("category", decoder={"fc_norm": "batch", "num_fc_layers": 1}), **trainer(batch_size=1)},
        "trainer.batch_size",
        "output_features[0].decoder",
    ),
    (trainer(weight_decay=0.1), "trainer.weight_decay", "optimizer.weight_decay"),
    (trainer(early_stop=False), "trainer.early_stop", "must be a number"),
    (trainer(should_shuffle="maybe"), "trainer.should_shuffle", "must be true or false"),
    (trainer(epochs=0), "trainer.epochs", "got 0"),
    (trainer(epochs=True), "trainer.epochs", "must be a number"),
    (trainer(learning_rate=float("inf")), "trainer.learning_rate", "finite"),
    (trainer(decay=True), "trainer.decay", "learning_rate_scheduler.decay"),
    (trainer(use_mixed_precision=True), "trainer.use_mixed_precision", "float32"),
    (trainer(optimizer="lbfgs"), "trainer.optimizer.type", "'lbfgs' is not supported"),
    (trainer(optimizer="adm"), "trainer.optimizer.type", "did you mean adam?"),
    (trainer(optimizer={"type": "adam", "betas": [0.9, 1]}), "trainer.optimizer.betas[1]", "less than 1"),
    (trainer(optimizer={"type": "rmsprop", "momentum": 0.5}), "trainer.optimizer.momentum", "centered: true"),
    (trainer(learning_rate_scheduler={"decay": "wsd"}), "trainer.learning_rate_scheduler.decay", "not supported"),
    (
        trainer(learning_rate_scheduler={"reduce_eval_metric": "acuracy"}),
        "trainer.learning_rate_scheduler.reduce_eval_metric",
        "did you mean accuracy?",
    ),
    (trainer(validation_field="lable"), "trainer.validation_field", "did you mean label?"),
    (trainer(validation_metric="roc_auc"), "trainer.validation_metric", "no metric 'roc_auc', it has 'accuracy'"),
    (trainer(validation_field="combined", validation_metric="accuracy"), "trainer.validation_metric", "'loss'"),
    (trainer(steps_per_checkpoint=5, checkpoints_per_epoch=2), "trainer.checkpoints_per_epoch", "steps_per_checkpoint"),
    ({"preprocessing": {"force_split": True}}, "preprocessing.force_split", "not supported"),
    ({"preprocessing": {"audio": {}}}, "preprocessing.audio", "defaults.audio.preprocessing"),
    (split(type="datetime"), "preprocessing.split.type", "'datetime' is not supported"),
    (split(type="stratify"), "preprocessing.split.column", "missing"),
    (split(probabilities=[0.7, 0.2, 0.2]), "preprocessing.split.probabilities", "sum to 1"),
    (split(probabilities=[0.8, 0.2]), "preprocessing.split.probabilities", "three numbers"),
    (split(probabilities=[70, 10, 20]), "preprocessing.split.probabilities", "three numbers that sum to 1"),
    (split(probabilities=[0.5, "x", 0.5]), "preprocessing.split.probabilities[1]", "must be a number, got 'x'"),
    (split(probabilities=[0.5, True, 0.5]), "preprocessing.split.probabilities[1]", "must be a number"),
    (split(probabilities=[float("nan"), 0.5, 0.5]), "preprocessing.split.probabilities", "sum to 1"),
    (split(probabilities=[10**400, 0.5, 0.5]), "preprocessing.split.probabilities", "sum to 1"),
    (split(probabilities=[0, 0.5, 0.5]), "preprocessing.split.probabilities", "the first above 0"),
    ({"defaults": {"audio": {"encoder": {"num_filtres": 8}}}}, "defaults.audio.encoder.num_filtres", "num_filters?"),
    ({"defaults": {"audio": {"preprocessing": {"typ": "raw"}}}}, "defaults.audio.preprocessing.typ", "type?"),
    ({"defaults": {"text": {"encoder": {}}}}, "defaults.text", "not supported"),
    ({"backend": "ray"}, "backend.type", "'ray' is not supported"),
    ({"backend": {"type": "local", "processor": {"type": "dask"}}}, "backend.processor", "use threads"),
]


@pytest.mark.parametrize(("sections", "path", "cause"), WRONG, ids=[f"{i}-{wrong[1]}" for i, wrong in enumerate(WRONG)])
def test_the_key_and_the_cause_are_named(sections, path, cause):
    with pytest.raises(ParameterError, match=re.escape(cause)) as raised:
        RunConfig.read({"input_features": [AUDIO], "output_features": [LABEL], **sections})
    [line] = raised.value.reason.splitlines()
    assert line.startswith(f"{path}: ")


def test_all_wrong_sections_are_named_at_once():
    with pytest.raises(ParameterError) as raised:
        RunConfig.read({**encoder(num_filtres=8), **trainer(epochs=0), **output("category", loss={"wait": 1})})
    assert [line.partition(":")[0] for line in raised.value.reason.splitlines()] == [
        "input_features[0].encoder.num_filtres",
        "output_features[0].loss.wait",
        "trainer.epochs",
    ]


def sections(kind=Section):
    """Yield every class of sections."""
    for subclass in kind.__subclasses__():
        yield subclass
        yield from sections(subclass)


SECTIONS = sorted(set(sections()), key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("section", SECTIONS, ids=[section.__qualname__ for section in SECTIONS])
def test_refused_keys_are_accepted_with_ludwigs_default_and_not_with_another(section):
    for key, refused in section.UNSUPPORTED.items():
        assert key not in section.model_fields
        for value in refused.values:
            assert section._check_keys({key: value}) == {}
        if isinstance(refused, Dropped):
            assert section._check_keys({key: "anything"}) == {}
        else:
            with pytest.raises(ValueError, match="not supported"):
                section._check_keys({key: "another"})
