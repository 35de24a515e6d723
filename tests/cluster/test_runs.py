"""Results of a cluster are those of this process, reruns do what is missing, and what is wrong is named."""

import asyncio
import os
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from mxnet_audio.cluster import EmbedJob, EventsJob, IndexJob, TagJob, find_sounds, models, placed, run
from mxnet_audio.cluster.sent import sent_folder
from mxnet_audio.errors import AudioDecodeError, AudioError, ClusterError, ModelError, ParameterError
from mxnet_audio.inference import OnnxAudioClassifier, Prediction
from mxnet_audio.library import load_classifier
from tests.cluster.conftest import write_sound


@pytest.fixture
def compute(client, tmp_path):
    """Function that runs a job in partitions of three of the songs: ``compute(job, *places) -> report``."""

    def compute(job, *places, **options):
        output = None if isinstance(job, IndexJob) else str(tmp_path / "out")
        options = {"partition_bytes": 30_000, "progress": False, **options}
        return run(job, find_sounds(places), output, client, **options)

    return compute


@pytest.fixture
def results(tmp_path):
    """Function that reads the rows of the output, by path."""

    def results():
        rows = pq.read_table(tmp_path / "out").to_pylist()
        assert len({row["path"] for row in rows}) == len(rows)
        return {row["path"]: row for row in rows}

    return results


def parts_of(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}


def test_vectors_are_those_of_this_process(compute, results, songs, onnx_model):
    report = compute(EmbedJob(model_dir=str(onnx_model)), songs, partition_bytes=1 << 20)
    classifier = OnnxAudioClassifier(onnx_model)
    assert report.model_id == classifier.model_id
    assert (report.done, report.already_done, report.partitions) == (12, 0, 1)
    assert report.skipped == report.failed == []
    found = results()
    for path, vector, _ in classifier.encode_many(sorted(map(str, songs.iterdir()))):
        assert np.array_equal(np.float32(found[path]["vector"]), vector)
    assert models._loaded is None


def test_vectors_of_a_trained_classifier(compute, results, corpus, model_dir):
    paths = [path for path, _ in corpus[:4]]
    compute(EmbedJob(model_dir=str(model_dir)), *paths, partition_bytes=1 << 20)
    found = results()
    for path, vector, _ in load_classifier(model_dir).encode_many(paths):
        assert np.array_equal(np.float32(found[path]["vector"]), vector)


def test_tags_are_those_of_this_process(compute, results, songs, onnx_model):
    compute(TagJob(model_dir=str(onnx_model), top_k=2), songs, partition_bytes=1 << 20)
    found = results()
    for prediction in OnnxAudioClassifier(onnx_model).predict_many(sorted(map(str, songs.iterdir()))):
        row = found[prediction.path]
        assert list(zip(row["labels"], row["scores"])) == prediction.top(2)


def test_events_are_those_of_this_process_and_files_without_any_are_done(compute, tmp_path, onnx_model):
    from mxnet_audio.events import find_events

    folder = tmp_path / "long"
    folder.mkdir()
    for number in range(3):
        write_sound(folder / f"{number}.wav", number, seconds=4)
    classifier = OnnxAudioClassifier(onnx_model)
    assert compute(EventsJob(model_dir=str(onnx_model), threshold=0.3), folder).done == 3
    rows = pq.read_table(tmp_path / "out").to_pylist()
    expected = [
        (str(path), *event)
        for path in sorted(folder.iterdir())
        for event in sorted(find_events(classifier.iter_timeline(path), 0.3))
    ]
    assert sorted(tuple(row.values()) for row in rows) == expected
    shutil.rmtree(tmp_path / "out")
    silent = EventsJob(model_dir=str(onnx_model), threshold=1.0)
    assert compute(silent, folder).done == 3
    assert compute(silent, folder).already_done == 3


def test_channels_are_sounds_of_their_own(compute, results, tmp_path, onnx_model, write_tone):
    path = write_tone(tmp_path / "call.wav", channels=2)
    report = compute(EmbedJob(model_dir=str(onnx_model), channel="each"), path)
    assert report.done == 1
    assert sorted(results()) == [f"{path} [left]", f"{path} [right]"]


def test_files_that_cannot_be_used_are_listed_and_tried_again(compute, results, songs, onnx_model):
    (songs / "04.wav").write_bytes(b"not a sound")
    (songs / "11.wav").write_bytes(b"")
    job = EmbedJob(model_dir=str(onnx_model))
    report = compute(job, songs)
    assert report.done == len(results()) == 10
    assert sorted(path for path, _ in report.skipped) == [str(songs / "04.wav"), str(songs / "11.wav")]
    assert all(isinstance(error, AudioDecodeError) and error.path == path for path, error in report.skipped)
    write_sound(songs / "11.wav", 11)
    report = compute(job, songs)
    assert (report.done, report.already_done) == (1, 10)
    assert [path for path, _ in report.skipped] == [str(songs / "04.wav")]
    assert len(results()) == 11


def test_no_usable_file_leaves_no_part(compute, tmp_path, onnx_model):
    (tmp_path / "a.wav").write_bytes(b"")
    report = compute(EmbedJob(model_dir=str(onnx_model)), tmp_path / "a.wav")
    assert (report.done, len(report.skipped)) == (0, 1)
    assert not (tmp_path / "out").exists()


def test_a_rerun_computes_only_parts_that_are_missing(compute, results, songs, tmp_path, onnx_model):
    job = EmbedJob(model_dir=str(onnx_model))
    assert compute(job, songs).partitions == 4
    before, vectors = parts_of(tmp_path), results()
    removed = min(before)
    (tmp_path / "out" / removed).unlink()
    report = compute(job, songs)
    assert (report.partitions, report.done, report.already_done) == (1, 3, 9)
    after = parts_of(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {removed}
    assert results() == vectors
    assert compute(job, songs).partitions == 0


def test_new_and_changed_files_make_parts_of_their_own(compute, results, songs, tmp_path, onnx_model):
    job = EmbedJob(model_dir=str(onnx_model))
    compute(job, songs)
    before, vectors = parts_of(tmp_path), results()
    write_sound(songs / "00.wav", 100)
    os.utime(songs / "00.wav", ns=(1, 1))
    write_sound(songs / "05b.wav", 101)
    report = compute(job, songs)
    assert (report.done, report.already_done) == (2, 11)
    found = results()  # each path once
    assert len(found) == 13
    changed = str(songs / "00.wav")
    assert found[changed] != vectors[changed]
    assert all(found[path] == vectors[path] for path in vectors if path != changed)
    after = parts_of(tmp_path)
    assert sum(after.get(name) == time for name, time in before.items()) == 3  # one has lost the former row


def test_results_of_another_job_stay_unless_they_are_replaced(compute, results, songs, onnx_model):
    compute(TagJob(model_dir=str(onnx_model)), songs)
    job = EmbedJob(model_dir=str(onnx_model))
    with pytest.raises(AudioError, match="holds results with job 'tag'"):
        compute(job, songs)
    assert compute(job, songs, resume=False).done == 12
    with pytest.raises(AudioError, match="holds results with model_id"):
        compute(EmbedJob(model_dir=str(onnx_model.with_name("1.onnx"))), songs)
    assert "vector" in results()[str(songs / "00.wav")]


def test_a_model_that_workers_do_not_have_is_sent_and_removed(compute, results, songs, onnx_model, monkeypatch):
    def missing(job, download):
        raise ModelError("no such file or folder", job.model_dir)

    monkeypatch.setattr(models, "find_files", missing)  # on workers only
    folders, load = [], models._load

    def note(job, folder):
        folders.append(folder)
        return load(job, folder)

    monkeypatch.setattr(models, "_load", note)
    assert compute(EmbedJob(model_dir=str(onnx_model)), songs).done == len(results()) == 12
    assert folders
    assert not any(folder.exists() for folder in folders)


def test_a_model_that_nobody_has_is_named_with_a_worker(compute, songs, tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx: not on the worker .*://.*, and not here: no such file"):
        compute(EmbedJob(model_dir=str(tmp_path / "none.onnx")), songs)


@pytest.mark.parametrize(("converted", "reason"), [(True, None), (False, "weights of yamnet")])
def test_published_weights_may_be_there_converted_only(monkeypatch, converted, reason):
    monkeypatch.setattr("mxnet_audio.weights.available", lambda name: converted)
    found = asyncio.run(models.has_model(EmbedJob(encoder="yamnet"), None))
    assert found is None if reason is None else reason in found


def test_a_model_that_is_sent_twice_stays_until_each_run_ends(client, onnx_model, monkeypatch):
    monkeypatch.setattr(models, "fingerprint", lambda files: "another")  # on workers only
    job = EmbedJob(model_dir=str(onnx_model))
    with placed.place_model(job, client) as one:
        with placed.place_model(job, client) as other:
            assert one != other
        held = client.run(lambda dask_worker: sent_folder(dask_worker, one).is_dir())
    assert all(held.values())


def test_a_silent_sound_without_tags_has_empty_lists(onnx_model):
    class Silent:
        def predict_many(self, sounds):
            return [Prediction(path, None, None, None) for path in sounds]

    ((rows, error),) = TagJob(model_dir=str(onnx_model)).rows(Silent(), ["a.wav"])
    assert error is None and rows == [{"path": "a.wav", "labels": [], "scores": []}]


def test_a_model_that_is_too_large_to_be_sent(compute, songs, onnx_model, monkeypatch):
    monkeypatch.setattr(models, "fingerprint", lambda files: "another")
    monkeypatch.setattr(placed, "LARGEST", 1000)
    with pytest.raises(ModelError, match=r"another model is there.*too large"):
        compute(EmbedJob(model_dir=str(onnx_model)), songs)


def test_workers_of_another_version_are_refused(compute, songs, onnx_model, monkeypatch):
    monkeypatch.setattr(placed.mxnet_audio, "__version__", "0.9")
    versions = {"workers": {"tcp://w:1": {"packages": {"mxnet_audio": "0.1.0"}}}}
    monkeypatch.setattr("distributed.Client.get_versions", lambda self, packages: versions)
    with pytest.raises(ClusterError, match=r"tcp://w:1: the worker has mxnet-audio 0\.1\.0, but this is .* 0\.9"):
        compute(EmbedJob(model_dir=str(onnx_model)), songs)
    versions["workers"]["tcp://w:1"]["packages"]["mxnet_audio"] = None
    with pytest.raises(ClusterError, match="no mxnet-audio"):
        compute(EmbedJob(model_dir=str(onnx_model)), songs)


def test_a_model_that_cannot_be_loaded_is_named_with_the_worker(compute, songs, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"a\.onnx: .*on the worker"):
        compute(EmbedJob(model_dir=str(tmp_path / "a.onnx")), songs)


def test_an_output_that_cannot_be_written_to_ends_the_run(compute, songs, tmp_path, onnx_model):
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(AudioError, match="out"):
        compute(EmbedJob(model_dir=str(onnx_model)), songs)


def test_settings_are_checked_with_the_model_before_the_work(compute, songs, onnx_model, tmp_path):
    for settings in ({"labels": ("cat",)}, {"window": 1e-6}, {"hop": 10.0}):
        with pytest.raises(ParameterError, match="on the worker"):
            compute(EventsJob(model_dir=str(onnx_model), **settings), songs)
    assert not (tmp_path / "out").exists()


def test_no_files(compute, client):
    report = run(EmbedJob(encoder="yamnet"), [], "out", client, progress=False)
    assert (report.done, report.already_done, report.skipped) == (0, 0, [])


def test_arguments_are_checked(client, tmp_path):
    job, index = EmbedJob(encoder="yamnet"), IndexJob(encoder="yamnet", uri="a.db", collection="songs")
    for arguments in [
        ("job", [], "out", client),
        (job, [], None, client),
        (index, [], "out", client),
        (job, None, "out", client),
        (job, [], "out", None),
    ]:
        with pytest.raises(ParameterError):
            run(*arguments, progress=False)
    with pytest.raises(ParameterError, match="partition_bytes"):
        run(job, [], "out", client, partition_bytes=0)


def test_results_in_a_store(client, songs, onnx_model):
    import fsspec

    report = run(EmbedJob(model_dir=str(onnx_model)), find_sounds([songs]), "memory://cluster/out", client)
    assert report.done == 12
    with fsspec.open_files("memory://cluster/out/part-*.parquet")[0] as file:
        assert pq.read_table(file).num_rows == 12
    assert run(EmbedJob(model_dir=str(onnx_model)), find_sounds([songs]), "memory://cluster/out", client).already_done
