"""Write the guide to the keys of a configuration from its models: ``python docs/_extensions/declarative_keys.py``."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mxnet_audio.declarative import (
    column_preprocessing,
    decoders,
    encoders,
    features,
    layers,
    losses,
    output_features,
    pretrained_encoders,
    run_sections,
    training_section,
)
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.defaults import Defaults
from mxnet_audio.declarative.section import Dropped, Section
from mxnet_audio.features.keys import LOADING_KEYS, LUDWIG_KEYS

PAGE = Path(__file__).parents[1] / "guides" / "declarative-keys.md"
INTRODUCTION = """\
# Keys of a configuration

<!-- docs/_extensions/declarative_keys.py writes this page from the models of mxnet_audio.declarative. -->

A configuration of a whole run is a YAML file in the names of Ludwig. This page has every key of Ludwig's sections for
sound: supported, with its default; refused, with the reason; or without effect. A refused key is accepted with
the value with which it does nothing, as in a configuration that Ludwig wrote. What is not Ludwig's is marked so.

```python
from mxnet_audio.declarative import RunConfig

text = \"\"\"
input_features:
  - {name: clip, type: audio, preprocessing: {type: fbank}, encoder: {type: cnnrnn}}
output_features:
  - {name: label, type: category}
trainer: {epochs: 20}
\"\"\"
config = RunConfig.read(text)  # or the path of a file
print(config.input_features[0].encoder.num_filters, config.trainer.validation_metric)
```

```text
256 accuracy
```

`mxnet-audio config check c.yaml` checks a file and prints it with all defaults; `mxnet-audio config schema` prints the
JSON schema, with which an editor completes and checks it. An unknown key or value is refused by its path, with the
nearest one that exists:

```python
from mxnet_audio.errors import ParameterError

try:
    RunConfig.read(text.replace("cnnrnn", "cnnrnn, num_filtres: 64"))
except ParameterError as error:
    print(error)
```

```text
input_features[0].encoder.num_filtres: unknown key, did you mean num_filters?
```

A name alone stands for a section with this type: `encoder: yamnet` is `encoder: {type: yamnet}`. A file has at most
1 MiB, no aliases (`*name`), and no key twice.
"""
SEQUENCES = [encoder for encoder in encoders.ENCODERS if issubclass(encoder, encoders.SequenceEncoder)]
OTHERS = [pretrained_encoders.PublishedEncoder, pretrained_encoders.FrozenEncoder]
PRETRAINED = [encoder for encoder in encoders.ENCODERS if encoder not in (*SEQUENCES, *OTHERS)]
OPTIMIZERS = ["Sgd", "Adam", "AdamW", "Adamax", "Nadam", "Adadelta", "Adagrad", "Rmsprop"]
OUTPUTS = output_features.OUTPUT_TYPES
LOSSES = [
    "SoftmaxCrossEntropy",
    "BinaryWeightedCrossEntropy",
    "SigmoidCrossEntropy",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "Huber",
]


def shown(value: Any) -> str:
    """Return a default as it is in YAML; "required" if there is none."""
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return (
            f"`{value.type}`" if "type" in type(value).model_fields and "defaults" not in type(value).__name__ else "-"
        )
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`".replace('"', "")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("\n", " ").replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def sentence(reason: str) -> str:
    """Return a reason as a sentence."""
    return f"{reason[0].upper()}{reason[1:]}."


def unsupported(section: type[Section], but: Iterable[str] = ()) -> list[list[str]]:
    """Return the rows of the keys that are refused, and of those without effect."""
    rows = []
    for key, refused in section.UNSUPPORTED.items():
        accepted = ", ".join(map(shown, refused.values))
        word = f"refused, except {accepted}" if accepted else "refused"
        if key not in but:
            rows.append([f"`{key}`", "no effect" if isinstance(refused, Dropped) else word, sentence(refused.reason)])
    return rows


def default(field: Any) -> str:
    """Return the default of a field."""
    return shown(field.get_default(call_default_factory=True))


def choices(field: Any) -> str:
    """Return the values that a field can have, if they are a few names."""
    values = re.findall(r"'(\w+)'", "".join(re.findall(r"Literal\[[^\]]*\]", str(field.annotation))))
    return f"{', '.join(f'`{value}`' for value in values)}: " if 1 < len(values) < 10 else ""


def section(model: type[Section], but: Iterable[str] = ()) -> str:
    """Return the table of the keys of a section."""
    rows = [
        [
            f"`{key}`",
            "the name" if key == "column" and field.default == "" else default(field),
            choices(field) + (field.description or MEANINGS.get(key, "")),
        ]
        for key, field in model.model_fields.items()
        if key not in but and key != "type"
    ]
    return table(("key", "default", "meaning, or reason"), rows + unsupported(model, but))


def matrix(models: dict[str, type[Section]], but: Iterable[str] = ("type",)) -> str:
    """Return a table of the defaults of several sections side by side."""
    keys = dict.fromkeys(key for model in models.values() for key in model.model_fields if key not in but)
    rows = [
        [
            f"`{key}`",
            *(default(model.model_fields[key]) if key in model.model_fields else "" for model in models.values()),
        ]
        for key in keys
    ]
    return table(("key", *(f"`{name}`" for name in models)), rows)


MEANINGS = {
    "fc_layers": "Fully connected layers one by one, in place of their number.",
    "num_fc_layers": "Number of fully connected layers.",
    "num_layers": "Number of fully connected layers.",
    "output_size": "Size of a fully connected layer.",
    "use_bias": "True adds a bias.",
    "weights_initializer": "Weights at first.",
    "bias_initializer": "Biases at first.",
    "norm": "Norm before the activation; null for none.",
    "norm_params": "Parameters of the norm.",
    "activation": "Activation.",
    "dropout": "Share of the output that is dropped in training.",
    "embedding_size": "Size of the vector of a category.",
    **{
        f"fc_{key}": "The same, of the fully connected layers."
        for key in ("use_bias", "norm", "norm_params", "activation")
    },
    "fc_output_size": "Size of a fully connected layer.",
    "fc_dropout": "The same, of the fully connected layers.",
    "fc_weights_initializer": "The same, of the fully connected layers.",
    "fc_bias_initializer": "The same, of the fully connected layers.",
    "num_filters": "Number of filters.",
    "filter_size": "Steps that a filter covers.",
    "strides": "Steps from one output to the next.",
    "padding": "`same` keeps the number of steps, `valid` only those without padding.",
    "dilation_rate": "Distance of the steps that a filter covers.",
    "pool_function": "`max`, or `average`, `avg` or `mean`.",
    "pool_size": "Steps that are pooled; null for none.",
    "pool_strides": "Steps from one pool to the next; by default `pool_size`.",
    "pool_padding": "As `padding`, of the pools; by default `valid` in `parallel_cnn`, `stacked_parallel_cnn`.",
}


def preprocessing() -> str:
    """Return the table of the preprocessing of sounds."""
    fields = column_preprocessing.AudioPreprocessing.model_fields
    defaults = column_preprocessing.AudioPreprocessing()
    rows = [
        [f"`{key}`", shown(getattr(defaults, key)), MISSING.get(key, "" if key in LUDWIG_ONLY else "Not Ludwig's.")]
        for key in fields
        if key in LUDWIG_KEYS | LOADING_KEYS
    ]
    return table(("key", "default", ""), [*rows, ["`computed_fill_value`", "no effect", "Ludwig computes it"]])


MISSING = {
    "missing_value_strategy": "Replacement of a missing sound: `bfill` by that of the next row that has one, `ffill` "
    "of the row before, `fill_with_mode` by the most frequent one, `fill_with_const` by `fill_value`; `drop_row` "
    "leaves the row out. A row with the sound of another row keeps its own labels, so `drop_row` is often better. "
    "Predictions use no sounds of other rows.",
    "fill_value": "Path of the sound of `fill_with_const`.",
}
LUDWIG_ONLY = (LUDWIG_KEYS | LOADING_KEYS) - {"sr", "crop"}


def refused_types() -> str:
    """Return the table of Ludwig's types that are not supported."""
    places = {
        "`input_features`": features.InputFeature,
        "`encoder` of audio": encoders.AudioEncoder,
        "`encoder` of number and binary": features.NumberEncoder,
        "`encoder` of category": features.CategoryEncoder,
        "`output_features`": output_features.OutputFeature,
        "`decoder` of category": decoders.CategoryDecoder,
        "`decoder` of binary": decoders.BinaryDecoder,
        "`loss` of category": losses.CategoryLoss,
        "`loss` of binary": losses.BinaryLoss,
        "`loss` of number": losses.NumberLoss,
        "`combiner`": run_sections.Combiner,
        "`trainer.optimizer`": training_section.Optimizer,
        "`preprocessing.split`": run_sections.Split,
        "`backend`": run_sections.BackendSection,
    }
    rows = []
    for place, annotation in places.items():
        types: dict[str, list[str]] = {}
        for name, reason in annotation.__metadata__[-1].refused.items():
            types.setdefault(sentence(reason), []).append(f"`{name}`")
        rows += [[place, ", ".join(names), reason] for reason, names in types.items()]
    return table(("section", "types", "reason"), rows)


def page() -> str:
    """Return the page."""
    parts = [
        INTRODUCTION,
        "## The whole file",
        section(RunConfig),
        "## Input features",
        "Types are `audio`, `number`, `category` and `binary`.",
        "### audio",
        section(features.AudioInput),
        "#### preprocessing of audio",
        preprocessing(),
        """\
Ludwig's types of features are `fbank`, `stft`, `stft_phase`, `group_delay` and `raw`; a sequence encoder takes any of
them but `raw`. Types of librosa's family ([features](features.md)), such as `log_mel`, work with `n_frames`.

A pretrained encoder computes its own features from samples. With it, `type` is `raw` (the default then), and the keys
from `in_memory` on and `audio_file_length_limit_in_s` have an effect; the others must have the values above. Without a
limit, an encoder with `trainable: false` takes the whole sound, and one that is trained the first window of it that is
not silent; Ludwig takes 7.5 s.""",
        "#### Sequence encoders",
        "The defaults of each encoder. The classes in `mxnet_audio.nn.sequence` describe the keys.",
        matrix({model.model_fields["type"].default: model for model in SEQUENCES}),
        table(
            ("key", "", "reason"),
            unsupported(encoders.SequenceEncoder)
            + unsupported(encoders.Transformer, but=encoders.SequenceEncoder.UNSUPPORTED),
        ),
        "Keys of a layer of `conv_layers` and `stacked_layers`; those that are not given are the encoder's:",
        table(("key", "meaning"), [[f"`{key}`", MEANINGS[key]] for key in layers.ConvLayer.model_fields]),
        "Keys of a layer of `fc_layers`, here and in all other sections:",
        table(("key", "meaning"), [[f"`{key}`", MEANINGS[key]] for key in layers.FcLayer.model_fields]),
        "Activations are "
        + names(layers.Activation)
        + ". Initializers are a name, or a mapping with the name as `type` "
        "and its parameters: " + initializers() + "; those of biases, which are vectors, only the last five.",
        "#### Pretrained encoders",
        matrix({model.model_fields["type"].default: model for model in PRETRAINED}),
        """\
`wavlm` and `ast` are not Ludwig's, nor are the others: `panns_cnn14`, `panns_cnn10`, `panns_cnn6`, `panns_mobilenetv1`
and `ecapa` (first column), and `yamnet`, `musicnn`, `musicnn_mtt`, `musicnn_vgg`, `musicnn_vgg_mtt` and `resemblyzer`,
which are not trained (second column).""",
        matrix({"panns_cnn14": OTHERS[0], "yamnet": OTHERS[1]}),
        table(("key", "meaning"), pretrained_meanings()),
        table(("key", "", "reason"), unsupported(pretrained_encoders.PretrainedEncoder)),
        "Keys of `adapter`; `adapter: lora` has their defaults:",
        section(pretrained_encoders.Adapter),
    ]
    for kind, model in features.INPUT_TYPES.items():
        if kind != "audio":
            parts += [f"### {kind}", section(model)]
            parts += [f"#### preprocessing of {kind}", section(model.model_fields["preprocessing"].annotation)]
    parts += [
        "### Encoders of number, category and binary",
        "`dense` of number and binary:",
        section(features.DenseEncoder),
        "`passthrough` of number and binary:",
        section(features.PassthroughEncoder),
        "`dense` of category:",
        section(features.CategoryEmbedding),
        "`onehot` of category:",
        section(features.OneHotEncoder),
        "## Combiner",
        section(run_sections.ConcatCombiner),
        "## Output features",
        "Types are `category`, `binary`, `number` and `set`.",
    ]
    for kind, model in OUTPUTS.items():
        metrics = ", ".join(f"`{name}`" for name in model.METRICS)
        own = [key for key in output_features.Output.UNSUPPORTED if key not in ("default_validation_metric",)]
        parts += [f"### {kind} as output", f"Metrics: {metrics}; the first is the default validation metric."]
        parts += [section(model, own)]
        parts += [f"#### preprocessing of {kind} as output", section(model.model_fields["preprocessing"].annotation)]
    parts += [
        "### Keys of all outputs that are not supported",
        table(
            ("key", "", "reason"),
            unsupported(output_features.Output, ("default_validation_metric",)),
        ),
        "### Decoders",
        section(decoders.Classifier),
        "`regressor`, of number and binary, has the same keys but `calibration` and `mc_dropout_samples`.",
        "### Losses",
    ]
    for name in LOSSES:
        model = getattr(losses, name)
        parts += [f"`{model.model_fields['type'].default}`:", section(model)]
    parts += [
        "## Trainer",
        section(training_section.Trainer),
        "### Optimizers",
        matrix({name.lower(): getattr(training_section, name) for name in OPTIMIZERS}),
        table(
            ("optimizer", "key", "", "reason"),
            [
                [f"`{name.lower()}`", *row]
                for name in OPTIMIZERS
                for row in unsupported(getattr(training_section, name))
            ],
        ),
        "### learning_rate_scheduler",
        section(training_section.LearningRateScheduler),
        "### gradient_clipping",
        section(training_section.GradientClipping),
        "## Preprocessing",
        section(run_sections.Preprocessing),
    ]
    for name in ("RandomSplit", "StratifySplit", "GroupsSplit", "FixedSplit"):
        model = getattr(run_sections, name)
        parts += [f"### split of type {model.model_fields['type'].default}", section(model)]
    parts += [
        "## Defaults",
        """\
`defaults` has a section for each type of feature: `preprocessing` and `encoder` of input features, `decoder` and
`loss` of output features. A feature's own keys win. A default of another `type` is left out, except between Ludwig's
types of `preprocessing`, which have the same keys.""",
        table(
            ("type", "sections"),
            [
                [f"`{kind}`", ", ".join(f"`{key}`" for key in inner(field).model_fields)]
                for kind, field in Defaults.model_fields.items()
            ],
        ),
        table(("key", "", "reason"), unsupported(Defaults)),
        "## Backend",
        section(run_sections.Backend),
        "## Types that are not supported",
        refused_types(),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def inner(field: Any) -> type[Section]:
    """Return the section of an optional field."""
    return next(part for part in field.annotation.__args__ if part is not type(None))


def pretrained_meanings() -> list[list[str]]:
    """Return the rows of the keys of pretrained encoders, with their meanings."""
    fields = {**pretrained_encoders.Wav2Vec2.model_fields, **pretrained_encoders.PublishedEncoder.model_fields}
    fields |= pretrained_encoders.PretrainedEncoder.model_fields  # subclasses with other defaults have no descriptions
    return [[f"`{key}`", str(field.description)] for key, field in fields.items() if key != "type"]


def names(annotation: Any) -> str:
    """Return the values of a literal, in Markdown."""
    values = re.findall(r"'(\w+)'", str(annotation.__origin__))
    return ", ".join(f"`{value}`" for value in values) + " and null"


def initializers() -> str:
    """Return the names of initializers, with their parameters."""
    return ", ".join(
        f"`{name}`" + (f" ({', '.join(f'`{key}`' for key in keys)})" if keys else "")
        for name, keys in layers.INITIALIZERS.items()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
