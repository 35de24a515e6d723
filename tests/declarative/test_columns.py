"""Encodings of columns, and what the training rows teach."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from mxnet_audio.declarative.columns import Columns, complete_rows, filled_values
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.encodings import NumberEncoding
from mxnet_audio.declarative.label_encodings import UNKNOWN, BinaryEncoding, CategoryEncoding, SetEncoding
from mxnet_audio.declarative.table import read_table
from mxnet_audio.errors import DatasetError, ModelError

LABELS = ["dog", "cat"] * 5


def config(inputs=(), outputs=(("label", "category"),), **audio):
    """Make a configuration of (name, type, preprocessing) inputs and outputs."""

    def features(given):
        return [dict(zip(("name", "type", "preprocessing"), feature)) for feature in given]

    sound = {"name": "audio", "type": "audio", **audio}
    return RunConfig.read({"input_features": [sound, *features(inputs)], "output_features": features(outputs)})


def table(**columns):
    return read_table({"audio": [(np.ones(100) * i, 8000) for i in range(1, 11)], "label": LABELS, **columns})


def fit(configuration, rows=range(10), **columns):
    return Columns.fit(configuration, table(**columns), list(rows))


@pytest.mark.parametrize("normalization", ["zscore", "minmax", "log1p", "iq", None])
def test_numbers_are_normalized_and_back(normalization):
    values = [0.5, 2, "3.5", np.float32(9), np.int64(4)]
    encoding = NumberEncoding.fit(values, normalization)
    x = np.array([encoding.encode(value) for value in values])
    plain = np.array([0.5, 2, 3.5, 9, 4])
    quartiles = np.quantile(plain, [0.25, 0.5, 0.75])
    expected = {
        "zscore": (plain - plain.mean()) / plain.std(),
        "minmax": (plain - 0.5) / 8.5,
        "log1p": np.log1p(plain),
        "iq": (plain - quartiles[1]) / (quartiles[2] - quartiles[0]),
        None: plain,
    }
    np.testing.assert_allclose(x, expected[normalization])
    np.testing.assert_allclose(encoding.decode(x), plain, rtol=1e-6)


@pytest.mark.parametrize("value", ["three", "", "1,5", None, float("inf"), "nan", [1], b"1", 1e31, 10**400])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match="is not a number"):
        NumberEncoding().encode(value)


def test_numbers_far_from_those_of_the_training_rows():
    with pytest.raises(ValueError, match="too far"):
        NumberEncoding.fit([0, 1e-10], "zscore").encode(1e25)


def test_log1p_needs_values_above_minus_one():
    with pytest.raises(ValueError, match="log1p"):
        NumberEncoding.fit([1], "log1p").encode(-1)


def test_equal_numbers_are_not_divided_by_zero():
    for normalization in ("zscore", "minmax", "iq"):
        assert NumberEncoding.fit([3, 3], normalization).encode(3) == 0


def test_categories_are_sorted_and_compared_as_text():
    encoding = CategoryEncoding.fit([10, "b", 9.0, "a", np.int64(9), True])
    assert encoding.labels == [9, 10, "True", "a", "b"]
    assert [encoding.encode(value) for value in ("9", 9.0, 10, "b", True)] == [0, 0, 1, 4, 2]
    assert encoding.decode(np.array([1, 3])) == [10, "a"]
    with pytest.raises(ValueError, match="'c' is not one of"):
        encoding.encode("c")


def test_unknown_categories_of_inputs_are_a_class():
    encoding = CategoryEncoding.fit(["a", "b", "b", "c", UNKNOWN], has_unknown=True, most_common=1)
    assert encoding.labels == [UNKNOWN, "b"] and encoding.width == 2
    assert [encoding.encode(value) for value in ("b", "a", "new", UNKNOWN)] == [1, 0, 0, 0]


def test_numbers_and_equal_texts_are_one_label():
    assert CategoryEncoding.fit([1, "1", 2, "2", "2"], most_common=1).labels == [2]
    assert SetEncoding.fit([[1, "a"], ["1"]]).labels == [1, "a"]
    options = {"missing_value_strategy": "fill_with_const", "fill_value": "2"}
    configuration = config(outputs=[("level", "category", options)])
    assert fit(configuration, level=[1, 2, None, 1, 1] * 2)["level"].labels == [1, 2]


def test_lower_case():
    assert CategoryEncoding.fit(["Dog", "dog"], lowercase=True).labels == ["dog"]
    encoding = SetEncoding.fit(["Dog dog Cat"], lowercase=True)
    assert encoding.labels == ["cat", "dog"] and encoding.encode(["DOG"]).tolist() == [0, 1]


FLAGS = {
    "booleans": ([True, False], [False, True]),
    "numbers": ([1.0, 0.0], [0, 1]),
    "text of numbers": (["1", "0"], ["0", "1"]),
    "yes and no": (["Yes", "no"], ["no", "Yes"]),
    "only true": ([True, True], [False, True]),
    "other values": (["speech", "music"], ["music", "speech"]),
    "other numbers": ([2, 1], [1, 2]),
    "NumPy's": (list(np.array([True, False])), [False, True]),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags(name):
    values, labels = FLAGS[name]
    encoding = BinaryEncoding.fit(values)
    assert [str(label) for label in encoding.labels] == [str(label) for label in labels]
    assert [encoding.encode(label) for label in labels] == [0, 1]
    assert encoding.decode(np.array([1, 0])) == labels[::-1]


def test_flags_of_another_spelling():
    encoding = BinaryEncoding.fit(["yes", "no"])
    assert [encoding.encode(value) for value in (True, "FALSE", 1, "0", "t")] == [1, 0, 1, 0, 1]
    with pytest.raises(ValueError, match="neither 'no' nor 'yes'"):
        encoding.encode("maybe")
    with pytest.raises(ValueError, match="neither"):
        BinaryEncoding.fit(["music", "speech"]).encode(True)


def test_the_true_value_of_a_flag_can_be_named():
    assert BinaryEncoding.fit(["speech", "music"], "music").labels == ["speech", "music"]
    with pytest.raises(DatasetError, match="'voice'"):
        BinaryEncoding.fit(["speech", "music"], "voice")
    assert BinaryEncoding.fit(["true", "false"], "True").labels == ["false", "true"]


def test_a_flag_has_two_values():
    with pytest.raises(DatasetError, match="column 'f': there are 3 values"):
        fit(config([("f", "binary")]), f=["a", "b", "c", "a", "a"] * 2)


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        ("space", "rain  dog"),
        ("comma", "dog, rain,"),
        ("pipe", "dog|rain"),
        ("underscore", "dog_rain"),
        ("json", '["dog","rain"]'),
    ],
)
def test_sets_as_text_and_lists(tokenizer, text):
    encoding = SetEncoding.fit([text, {"cat"}, []], tokenizer)
    assert encoding.labels == ["cat", "dog", "rain"]
    for value in (text, ["rain", "dog"], ("dog", "rain", "new"), {"dog", "rain"}, np.array(["dog", "rain"])):
        assert encoding.encode(value).tolist() == [0, 1, 1]
    assert (
        encoding.encode([]).tolist() == [0, 0, 0] and encoding.encode("cat" if tokenizer != "json" else '"cat"')[0] == 1
    )
    assert encoding.decode(np.eye(3)) == [["cat"], ["dog"], ["rain"]]


def test_a_set_that_is_not_json():
    with pytest.raises(ValueError, match="is not JSON"):
        SetEncoding.fit(['["a"]'], "json").encode("[a")


def test_only_training_rows_teach():
    columns = {"x": [0, 10] * 4 + [1000, -1000], "place": ["in", "out"] * 4 + ["far", "far"]}
    inputs = [("x", "number"), ("place", "category")]
    learned = fit(config(inputs), range(8), **columns)
    assert (learned["x"].center, learned["x"].scale) == (5, 5)
    assert learned["place"].labels == [UNKNOWN, "in", "out"] and learned["label"].labels == ["cat", "dog"]


def test_columns_convert_to_json_and_back():
    inputs = [("x", "number"), ("place", "category"), ("flag", "binary", {"missing_value_strategy": "fill_with_mode"})]
    outputs = [("label", "category"), ("tags", "set"), ("y", "number"), ("f", "binary")]
    columns = {
        "x": range(10),
        "place": LABELS,
        "flag": [None, True] * 5,
        "tags": ["a b", "b"] * 5,
        "y": range(10),
        "f": [1, 2] * 5,
    }
    learned = fit(config(inputs, outputs), **columns)
    again = Columns.from_json(json.loads(json.dumps(learned.to_json())))
    assert again == learned and again["flag"].fill is True and again["audio"].features.sr == 8000


DAMAGED = {
    "other type": {"type": "other"},
    "number": 3,
    "sounds without a rate": {"type": "audio", "config": {"type": "fbank"}},
    "sounds without a length": {"type": "audio", "config": {"type": "log_mel"}},
    "other features": {"type": "audio", "config": {"type": "other"}},
}


@pytest.mark.parametrize("document", [None, {}, *({"encodings": {"x": DAMAGED[name]}} for name in DAMAGED)])
def test_damaged_columns(document):
    with pytest.raises(ModelError):
        Columns.from_json(document)


def test_rate_and_shape_of_sounds(tmp_path):
    paths = []
    for index, sr in enumerate([8000, 16000, 16000]):
        paths.append(str(tmp_path / f"{index}.wav"))
        sf.write(paths[-1], np.ones(sr // 10), sr)
    paths += [None, str(tmp_path / "missing.wav")]
    rows = read_table({"audio": paths, "label": ["a", "b", "a", "a", "b"]})
    encoding = Columns.fit(config(preprocessing={"audio_file_length_limit_in_s": 1}), rows, range(5))["audio"]
    assert encoding.features.sr == 16000 and (encoding.bands, encoding.steps) == (80, 49)
    fixed = config(preprocessing={"type": "log_mel", "sr": 8000, "n_mels": 20, "n_frames": 30})
    encoding = Columns.fit(fixed, rows, range(5))["audio"]
    assert (encoding.bands, encoding.steps) == (20, 30)
    with pytest.raises(DatasetError, match="none of the sounds"):
        Columns.fit(config(), rows, [4])


def test_few_sounds_are_fetched_for_the_rate():
    class Sounds(list):
        fetched = 0

        def __getitem__(self, row):
            type(self).fetched += 1
            return super().__getitem__(row)

    sounds = Sounds([(np.ones(100), 8000)] * 500)
    rows = read_table({"audio": sounds, "label": ["a", "b"] * 250})
    assert Columns.fit(config(), rows, range(500))["audio"].features.sr == 8000
    assert Sounds.fetched <= 500 + 199  # once for each missing value, and those of a sample


BAD_OUTPUTS = {
    "one class": ("category", ["dog"] * 10),
    "one number": ("number", [1.5] * 10),
    "one flag": ("binary", [True] * 10),
    "one set": ("set", ["a b"] * 10),
    "empty sets": ("set", [[]] * 10),
    "missing values": ("category", [None] * 10),
    "no numbers": ("number", ["a"] * 10),
    "constant in the training rows": ("category", ["dog"] * 8 + ["cat"] * 2),
}


@pytest.mark.parametrize("name", BAD_OUTPUTS)
def test_outputs_with_nothing_to_learn(name):
    kind, values = BAD_OUTPUTS[name]
    with pytest.raises(DatasetError, match="'y'"):
        fit(config(outputs=[("y", kind)]), range(8), y=values)


def test_a_missing_output_has_a_suggestion():
    with pytest.raises(DatasetError, match="did you mean label"):
        fit(config(outputs=[("labels", "category")]))


STRATEGIES = {
    "fill_with_const": ("number", {"fill_value": 7}, [7, 1, 7, 3, 3]),
    "fill_with_mode": ("number", {}, [3, 1, 3, 3, 3]),
    "fill_with_mean": ("number", {}, [7 / 3, 1, 7 / 3, 3, 3]),
    "bfill": ("number", {}, [1, 1, 3, 3, 3]),
    "ffill": ("number", {}, [1, 1, 1, 3, 3]),
    "drop_row": ("number", {}, [None, 1, None, 3, 3]),
    "fill_with_false": ("binary", {}, [1, 1, 1, 3, 3]),
    "fill_with_true": ("binary", {}, [3, 1, 3, 3, 3]),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_missing_values(strategy):
    kind, options, expected = STRATEGIES[strategy]
    configuration = config([("x", kind, {"missing_value_strategy": strategy, **options})])
    rows = read_table({"audio": [(np.ones(9), 8000)] * 5, "label": LABELS[:5], "x": [None, 1, float("nan"), 3, 3]})
    learned = Columns.fit(configuration, rows, range(5))
    filled = filled_values(configuration.input_features[1], learned["x"], rows)
    assert filled == pytest.approx(expected) if None not in expected else filled == expected
    complete = [1, 3, 4] if strategy == "drop_row" else [0, 1, 2, 3, 4]
    assert complete_rows(configuration, rows) == complete


def test_a_constant_is_a_category_of_its_own():
    configuration = config([("place", "category", {"fill_value": "nowhere"})])
    assert fit(configuration, place=["in", None] * 5)["place"].labels == [UNKNOWN, "in", "nowhere"]
    assert fit(config([("place", "category")]), place=["in", None] * 5)["place"].labels == [UNKNOWN, "in"]


def test_rows_without_a_label_can_be_empty_sets():
    options = {"missing_value_strategy": "fill_with_const", "fill_value": "", "tokenizer": "pipe"}
    configuration = config(outputs=[("tags", "set", options)])
    rows = table(tags=["dog|rain", None] * 5)
    learned = Columns.fit(configuration, rows, range(10))
    values = filled_values(configuration.output_features[0], learned["tags"], rows)
    assert learned["tags"].labels == ["dog", "rain"] and complete_rows(configuration, rows) == list(range(10))
    assert [learned["tags"].encode(value).tolist() for value in values[:2]] == [[1, 1], [0, 0]]


def test_one_row_without_a_value_stays_missing():
    configuration = config([("x", "number", {"missing_value_strategy": "bfill"})])
    learned = fit(configuration, x=range(10))
    new = read_table({"audio": ["a.wav"], "x": [None]})
    assert filled_values(configuration.input_features[1], learned["x"], new) == [None]


def test_rows_without_an_output_or_a_required_sound_are_left_out():
    sounds = [None, "a.wav", "b.wav", "c.wav", ""]
    rows = read_table({"audio": sounds, "label": ["x", "y", None, "", "x"]})
    assert complete_rows(config(), rows) == [0, 1, 4]
    dropping = config(preprocessing={"missing_value_strategy": "drop_row"})
    assert complete_rows(dropping, rows) == [1]
    with pytest.raises(DatasetError, match="no row"):
        complete_rows(config(), read_table({"audio": ["a.wav"], "label": [None]}))


def test_missing_values_of_pandas():
    frame = pd.DataFrame({"audio": ["a.wav"] * 4, "label": pd.array(["x", pd.NA, "y", None], dtype="string")})
    assert complete_rows(config(), read_table(frame)) == [0, 2]


def test_labels_joined_by_another_separator_than_the_tokenizer_s():
    tags = ["dog|rain", "sea|dog", "dog", "rain", "sea"] * 2
    for output in (("tags", "set"), ("tags", "set", {"tokenizer": "comma"}), ("tags", "category")):
        with pytest.raises(DatasetError, match=r"'dog\|rain'"):
            fit(config(outputs=[output]), tags=tags)
    assert fit(config(outputs=[("tags", "set", {"tokenizer": "pipe"})]), tags=tags)["tags"].width == 3


def test_decimal_commas_have_a_hint():
    with pytest.raises(ValueError, match="with a point"):
        NumberEncoding().encode("5,092")
    with pytest.raises(DatasetError, match=r"column 'x': 8 of 10 values .*'5,092'.*with a point"):
        fit(config([("x", "number")]), x=["5", "5,092", "1,5", "2,5", "-3,25"] * 2)


@pytest.mark.parametrize(("options", "count"), [({}, 1), ({"fallback_true_label": "ja"}, 0)], ids=["order", "chosen"])
def test_the_true_value_is_announced(options, count, caplog):
    fit(config([("f", "binary", options), ("g", "binary")]), f=["ja", "nein"] * 5, g=["yes", "no"] * 5)
    announced = [message for message in caplog.messages if "counts as true" in message]
    assert len(announced) == count and all("'nein'" in message for message in announced)
