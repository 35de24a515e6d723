"""``run``: train on a table of tones with several outputs, predict and evaluate."""

import csv
import json

import pytest
import yaml

from mxnet_audio import AudioModel
from mxnet_audio.declarative.table import read_table

pytestmark = pytest.mark.usefixtures("own_cache")

CONFIG = {
    "input_features": [
        {
            "name": "path",
            "type": "audio",
            "preprocessing": {"num_filter_bands": 8, "audio_file_length_limit_in_s": 0.4},
            "encoder": {"type": "rnn", "state_size": 4},
        }
    ],
    "output_features": [
        {"name": "label", "type": "category"},
        {"name": "loud", "type": "binary"},
        {"name": "level", "type": "number"},
        {"name": "tags", "type": "set", "preprocessing": {"tokenizer": "pipe"}},
    ],
    "preprocessing": {"split": {"type": "random", "probabilities": [0.5, 0.25, 0.25]}},
    "trainer": {"epochs": 2, "batch_size": 8},
}
COLUMNS = [
    *("path", "label", "loud", "level", "tags"),
    *("label_predictions", "label_probabilities_high ♪", "label_probabilities_low", "label_probability"),
    *("loud_predictions", "loud_probabilities_no", "loud_probabilities_yes", "loud_probability"),
    *("level_predictions", "tags_predictions", "tags_probabilities_a", "tags_probabilities_b"),
    "error",
]


def write_config(path, **sections):
    """Write the configuration with other sections."""
    path.write_text(yaml.safe_dump(CONFIG | sections), encoding="utf-8")
    return path


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def config(tmp_path):
    """Configuration in a file."""
    return write_config(tmp_path / "cönfig.yaml")


@pytest.fixture(scope="session")
def dataset(tones, make_once):
    """Table of the tones, with relative paths; every second one is loud and has both tags."""

    def fill(folder):
        lines = ["path,label,loud,level,tags"]
        for label in ("high ♪", "low"):
            for i in range(8):
                path = f"../{tones.name}/{label}/{i} é.wav"
                lines.append(f"{path},{label},{['no', 'yes'][i % 2]},{i},{['a', 'a|b'][i % 2]}")
        (folder / "tönes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return make_once("run-table", fill) / "tönes.csv"


@pytest.fixture(scope="session")
def results(run, dataset, make_once):
    """Folder of a trained run, and the document of ``run --json``."""

    def fill(folder):
        words = ("--config", write_config(folder / "c.yaml"), "--dataset", dataset, "--output", folder / "model")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            output = run("run", *words, "--json").stdout
        (folder / "run.json").write_text(output, encoding="utf-8")

    folder = make_once("cli-run", fill)
    return folder / "model", json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def new_rows(tones, tmp_path):
    """Table to predict: a tone, a file that is missing, and text in place of sound; no outputs."""
    (tmp_path / "text.wav").write_text("no sound")
    path = tmp_path / "néw.csv"
    rows = [tones / "low" / "0 é.wav", "missing.wav", "text.wav"]
    path.write_text("\n".join(["path", *map(str, rows)]) + "\n", encoding="utf-8")
    return path


def test_results_folder(results):
    folder, document = results
    assert document["rows"] == {"train": 8, "validation": 4, "test": 4}
    assert document["rounds"] == 2 and document["best_round"] in (1, 2) and document["skipped"] == []
    assert set(document["reports"]) == {"label", "loud", "level", "tags"}
    assert json.loads((folder / "training_statistics.json").read_text()) == document["statistics"]
    reports = json.loads((folder / "test_statistics.json").read_text())
    for report in document["reports"].values():
        assert report.pop("skipped", []) == []
    assert reports == document["reports"]
    assert [row["split"] for row in read_rows(folder / "split.csv")].count("train") == 8


def test_text_resume_and_overwrite(run, config, dataset, tmp_path):
    words = ("run", "--config", config, "--dataset", dataset, "--output", tmp_path / "rësults")
    trainer = {**CONFIG["trainer"], "epochs": 1}
    write_config(config, trainer=trainer)
    result = run(*words, "--resume")
    assert "to resume: starting from the beginning" in result.stderr
    assert result.stdout.startswith("rows: 8 train, 4 validation, 4 test\nvalidation label accuracy: ")
    assert all(f"\n{name}:\n" in result.stdout for name in ("label", "loud", "level", "tags"))
    assert result.stdout.endswith(f"saved the model in {tmp_path / 'rësults'}\n")
    message = run(*words, code=1).stderr
    assert "--overwrite" in message and "--resume" in message
    assert "--overwrite" in run(*words, "--overwrite", "--resume", code=2).stderr
    write_config(config, trainer={**trainer, "epochs": 2})
    assert "after the last round (2)" in run(*words, "--resume").stdout
    write_config(config, trainer={**trainer, "learning_rate": 0.1})
    message = run(*words, "--resume", code=1).stderr
    assert "trainer.learning_rate changed" in message and "--overwrite" in message
    assert "after the last round (1)" in run(*words, "--overwrite").stdout


def test_an_interrupt_names_resume(run, config, dataset, tmp_path, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(AudioModel, "train", interrupt)
    message = run("run", "--config", config, "--dataset", dataset, "--output", tmp_path / "model", code=130).stderr
    assert message.startswith("stopped") and "--resume" in message


def test_the_table_is_not_replaced_by_predictions(run, results, dataset):
    before = dataset.read_bytes()
    words = ("run", "predict", "--model", results[0], "--dataset", dataset, "--output", dataset)
    assert "--output" in run(*words, code=2).stderr and dataset.read_bytes() == before


def test_the_command_of_a_classifier_is_named(run, trained, dataset, tmp_path):
    given = ("--model", trained[0], "--dataset", dataset)
    for words in (("run", "predict", *given, "--output", tmp_path / "p.csv"), ("run", "evaluate", *given)):
        assert "mxnet-audio predict" in run(*words, code=1).stderr


def test_rows_without_sound_are_skipped_in_training(run_json, config, dataset, tmp_path):
    table = tmp_path / "missing.csv"
    lines = dataset.read_text(encoding="utf-8").replace("../", f"{dataset.parents[1]}/")
    table.write_text(lines + "missing.wav,low,no,1,a\n", encoding="utf-8")
    document = run_json("run", "--config", config, "--dataset", table, "--output", tmp_path / "model", code=1)
    assert sum(document["rows"].values()) == 16
    assert [entry["path"] for entry in document["skipped"]] == [str(tmp_path / "missing.wav")]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_predict(run_json, results, dataset, suffix, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    output = tmp_path / f"p{suffix}"
    document = run_json("run", "predict", "--model", results[0], "--dataset", dataset, "--output", output)
    assert document["columns"] == COLUMNS and document["rows"] == 16 and document["skipped"] == []
    table = read_table(output)
    assert table.names == COLUMNS and len(table) == 16
    assert set(table.column("label_predictions")) <= {"high ♪", "low"}
    probabilities = [list(map(float, table.column(name))) for name in COLUMNS[6:8]]
    assert [max(pair) for pair in zip(*probabilities)] == list(map(float, table.column("label_probability")))
    assert table.column("error") == [None] * 16


def test_rows_that_cannot_be_predicted_stay(run, results, new_rows, tmp_path):
    words = ("run", "predict", "--model", results[0], "--dataset", new_rows, "--output", tmp_path / "p.csv")
    result = run(*words, code=1)
    assert result.stdout == f"wrote 3 rows to {tmp_path / 'p.csv'}\n"
    assert result.stderr.count("skipped") == 3 and result.stderr.endswith("1 done, 2 skipped\n")
    good, *bad = read_rows(tmp_path / "p.csv")
    assert good["error"] == "" and good["label_predictions"]
    for row, name in zip(bad, ("missing.wav", "text.wav")):
        assert name in row["error"] and row["label_predictions"] == row["level_predictions"] == ""


def test_weights_of_an_encoder_can_be_given(run, results, dataset, tmp_path, monkeypatch):
    load, sources = AudioModel.load, []

    def loaded(directory, *devices, source):
        sources.append(source)
        return load(directory, *devices)

    monkeypatch.setattr(AudioModel, "load", loaded)
    words = ("--model", results[0], "--dataset", dataset, "--split", "test", "--source", tmp_path)
    run("run", "predict", *words, "--output", tmp_path / "p.csv")
    run("run", "evaluate", *words)
    assert sources == [str(tmp_path)] * 2


def test_evaluate(run, run_json, results, dataset):
    words = ("run", "evaluate", "--model", results[0], "--dataset", dataset)
    document = run_json(*words)
    assert document["rows"] == document["reports"]["label"]["n_clips"] == document["reports"]["level"]["n"] == 16
    assert "roc_auc" in document["reports"]["loud"] and "micro_f1" in document["reports"]["tags"]
    assert run(*words).stdout.startswith("label:\nclass ")


def test_parts_of_the_split(run, run_json, results, dataset, tmp_path):
    folder, trained = results
    words = ("run", "evaluate", "--model", folder, "--dataset", dataset, "--split", "test")
    document = run_json(*words)
    assert document["rows"] == 4 and document["reports"]["level"]["mae"] == pytest.approx(
        trained["reports"]["level"]["mae"], abs=1e-5
    )
    output = tmp_path / "p.csv"
    run("run", "predict", "--model", folder, "--dataset", dataset, "--split", "validation", "--output", output)
    numbers = [int(row["row"]) for row in read_rows(folder / "split.csv") if row["split"] == "validation"]
    rows = read_rows(dataset)
    assert [row["path"] for row in read_rows(output)] == [rows[number]["path"] for number in numbers]
    lines = dataset.read_text(encoding="utf-8").splitlines()
    for name, other in (("short", lines[:3]), ("reversed", [lines[0], *lines[:0:-1]])):
        table = tmp_path / f"{name}.csv"
        table.write_text("\n".join(other), encoding="utf-8")
        assert str(table) in run(*words[:5], table, *words[6:], code=1).stderr


def test_experiment_is_train(run):
    assert run("run", "experiment", "--help").stdout.count("--config") >= 1


def test_evaluate_needs_the_columns_of_the_outputs(run, results, new_rows):
    assert "'label'" in run("run", "evaluate", "--model", results[0], "--dataset", new_rows, code=1).stderr


def test_wrong_usage(run, config, dataset, results, tmp_path):
    given = ("run", "predict", "--model", results[0], "--dataset", dataset, "--output")
    assert ".parquet" in run(*given, tmp_path / "p.xlsx", code=2).stderr
    (tmp_path / "p.csv").mkdir()
    assert "folder" in run(*given, tmp_path / "p.csv", code=2).stderr
    assert str(tmp_path / "none") in run(*given, tmp_path / "none" / "p.csv", code=1).stderr
    assert "--config" in run("run", code=2).stderr
    assert "--dataset" in run("run", "--config", config, code=2).stderr
    assert "predict" in run("run", "predct", code=2).stderr
    assert "run evaluate" in run("run", "--help").stdout


def test_input_is_checked_before_mxnet_is_imported(run_without_mxnet, config, dataset, results, tmp_path):
    missing, wrong = tmp_path / "missing", tmp_path / "wrong.yaml"
    wrong.write_text(config.read_text().replace("state_size", "stat_size"))
    other = tmp_path / "other.csv"
    other.write_text("path,labl\na.wav,x\n")
    predict = ("run", "predict", "--output", tmp_path / "p.csv")
    commands = {
        ("run", "--config", missing, "--dataset", dataset): missing,
        ("run", "--config", wrong, "--dataset", dataset): "state_size",
        ("run", "--config", config, "--dataset", missing): missing,
        ("run", "--config", config, "--dataset", other): "'label'",
        ("run", "--config", config, "--dataset", dataset, "--output", results[0]): "--resume",
        (*predict, "--model", missing, "--dataset", dataset): missing,
        (*predict, "--model", tmp_path, "--dataset", dataset): tmp_path,
        (*predict, "--model", results[0], "--dataset", missing): missing,
        ("run", "evaluate", "--model", missing, "--dataset", dataset): missing,
        ("run", "evaluate", "--model", results[0], "--dataset", missing): missing,
    }
    for (words, name), (code, stdout, stderr) in zip(commands.items(), run_without_mxnet(*commands, cwd=tmp_path)):
        assert code == 1 and stdout == "" and str(name) in stderr and "MXNet" not in stderr, (words, stdout, stderr)
