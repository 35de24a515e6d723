"""`AudioSearch` with a classifier that needs no network; runs are killed in subprocesses."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.errors import AudioDecodeError, ModelError, ParameterError, SearchError
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.search import Neighbour
from tests.library.fake_classifier import FakeClassifier

ROOT = Path(__file__).resolve().parents[2]


class FakeSearch(AudioSearch):
    classifier_class = FakeClassifier


@pytest.fixture
def songs(tmp_path):
    """Paths of twenty files, 'a' to 't'; the later the letter, the larger the distance from 'a'."""
    folder = tmp_path / "songs é ♪"
    folder.mkdir()
    paths = [folder / f"{letter}.wav" for letter in "abcdefghijklmnopqrst"]
    for i, path in enumerate(paths):
        angle = i * np.pi / 40
        path.write_text(json.dumps([np.cos(angle), np.sin(angle), 0, 0, 0, 0, 0, 0]))
    return [str(path) for path in paths]


@pytest.fixture
def search():
    search = FakeSearch()
    search.load_model("models/model-a")
    return search


def touch(path, content=None):
    """Change a file, or only its time."""
    if content is not None:
        Path(path).write_text(content)
    status = Path(path).stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def test_query(search, songs):
    for song in songs:
        search.index_audio(song)
    found = search.query(songs[0], top_k=3)
    assert [path for path, _ in found] == songs[1:4]
    expected = [1 - np.cos(i * np.pi / 40) for i in (1, 2, 3)]
    np.testing.assert_allclose([neighbour.distance for neighbour in found], expected, rtol=1e-5)
    assert search.query(songs[0], 1, skip_exact_match=False) == [Neighbour(songs[0], 0.0)]
    assert len(search.query(songs[0], 100)) == 19
    assert (len(search), songs[3] in search, "nowhere.wav" in search) == (20, True, False)
    assert search.query_vector(search.index.vector(songs[5]), 1) == [Neighbour(songs[5], 0.0)]


def test_query_vector_keeps_what_a_function_accepts(search, songs):
    search.index_many(songs)
    Path(songs[3]).unlink()
    asked = []

    def keep(entry):
        asked.append(entry.path)
        return entry.path != songs[1]

    found = search.query_vector(search.index.vector(songs[0]), 2, keep=keep)
    assert [path for path, _ in found] == [songs[0], songs[2]]
    assert songs[3] not in asked


def test_query_of_a_file_outside_the_index(search, songs):
    search.index_many(songs[1:])
    assert [path for path, _ in search.query(songs[0], 2)] == songs[1:3]
    assert songs[0] not in search


def test_a_query_is_left_out_under_all_its_names_and_copies_are_returned(search, songs, tmp_path):
    search.index_many(songs)
    link, copy = tmp_path / "link.wav", tmp_path / "copy.wav"
    link.symlink_to(songs[0])
    copy.write_bytes(Path(songs[0]).read_bytes())
    assert search.query(link, 1)[0].path == songs[1]
    assert search.query(copy, 1) == [Neighbour(songs[0], 0.0)]


def test_remove(search, songs):
    search.index_many(songs)
    search.remove(Path(songs[1]))
    assert search.query(songs[0], 1)[0].path == songs[2]
    with pytest.raises(SearchError, match="not in the index"):
        search.remove(songs[1])


def test_a_file_indexed_again_is_replaced(search, songs):
    search.index_many(songs)
    touch(songs[1], json.dumps([0, 0, 1, 0, 0, 0, 0, 0]))
    search.index_audio(songs[1])
    assert len(search) == 20
    assert search.query(songs[0], 1)[0].path == songs[2]


def test_without_a_model(songs):
    search = FakeSearch()
    for call in (
        lambda: search.index_audio(songs[0]),
        lambda: search.index_many(songs),
        lambda: search.query(songs[0]),
    ):
        with pytest.raises(ModelError, match="load_model"):
            call()
    with pytest.raises(ParameterError, match="classifier"):
        AudioSearch().load_model("models/model-a")
    with pytest.raises(ModelError, match="missing"):
        search.load_model("models/missing")
    with pytest.raises(ModelError, match="load_model"):
        search.query(songs[0])


def test_a_classifier_is_shared_or_made():
    given = FakeClassifier()
    given.load_model("model-x")
    search = AudioSearch(classifier=given)
    search.load_model("models/model-y")
    assert given.model_id == "model-y"
    for made in (FakeSearch(model_ctx="gpu", data_ctx="cpu"), FakeSearch("gpu", "cpu")):
        made.load_model(model_dir_path="models/model-a")
        assert made.classifier.contexts == ("gpu", "cpu")
    with pytest.raises(ParameterError, match="model_ctx"):
        AudioSearch("gpu", classifier=given)
    with pytest.raises(ParameterError, match=r"classifier .*object"):
        AudioSearch(classifier=object()).load_model("models/model-a")


@pytest.mark.parametrize("content", [b"", b"bad", None])
def test_bad_file(search, songs, tmp_path, content):
    search.index_many(songs)
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    for call in (search.query, search.index_audio):
        with pytest.raises(AudioDecodeError) as caught:
            call(path)
        assert caught.value.path == str(path)
    assert len(search) == 20


def test_bad_top_k(search, songs):
    search.index_many(songs)
    with pytest.raises(ValueError, match="top_k"):
        search.query(songs[0], top_k=0)


def test_index_many_reports_the_result(search, songs, tmp_path):
    bad, nan = tmp_path / "bad.wav", tmp_path / "nan.wav"
    bad.write_text("bad")
    nan.write_text("[NaN, 1, 1, 1, 1, 1, 1, 1]")
    report = search.index_many([songs[0], bad, nan, tmp_path / "missing.wav", *songs, Path(songs[2])])
    assert (report.added, report.unchanged) == (20, 0)
    assert [(path, type(error)) for path, error in report.skipped] == [
        (str(bad), AudioDecodeError),
        (str(nan), SearchError),
        (str(tmp_path / "missing.wav"), AudioDecodeError),
    ]
    assert all(error.path == path for path, error in report.skipped)
    assert search.index.paths == songs


def test_index_many_reads_only_changed_files(search, songs, tmp_path):
    search.index_many(songs, save_dir=tmp_path / "index")
    again = FakeSearch()
    again.load_model("models/model-a")
    touch(songs[3], json.dumps([0, 0, 0, 1, 0, 0, 0, 0]))
    touch(songs[5])
    report = again.index_many(songs, save_dir=tmp_path / "index")
    assert (report.added, report.unchanged, report.skipped) == (2, 18, [])
    assert again.classifier.encoded == [songs[3], songs[5]]
    assert again.index.paths == songs
    assert again.index.vector(songs[3])[3] == 1
    Path(songs[4]).write_text("bad")
    report = again.index_many(songs, save_dir=tmp_path / "index")
    assert (report.added, report.unchanged, len(report.skipped)) == (0, 19, 1)
    assert songs[4] in again  # its former embedding


def test_index_many_accepts_one_path_and_an_iterator(search, songs):
    assert search.index_many(songs[0]).added == 1
    assert search.index_many(Path(songs[1])).added == 1
    assert search.index_many(iter(songs)).added == 18
    assert search.index_many([]).added == 0
    for wrong in (0, 2.5, "many"):
        with pytest.raises(ParameterError, match="checkpoint_every"):
            search.index_many(songs, checkpoint_every=wrong)


def test_index_many_does_not_replace_another_index(search, songs, tmp_path):
    search.index_many(songs[:3], save_dir=tmp_path / "index")
    other = FakeSearch()
    other.load_model("models/model-a")
    other.index_audio(songs[9])
    with pytest.raises(SearchError, match="another index"):
        other.index_many(songs, save_dir=tmp_path / "index")
    other.load(tmp_path / "index")
    assert other.index_many(songs, save_dir=tmp_path / "index").added == 17
    search.load(tmp_path / "index")
    assert len(search) == 20


def test_another_model_is_refused(search, songs, tmp_path):
    search.index_many(songs, save_dir=tmp_path / "index")
    other = FakeSearch()
    other.load_model("models/model-b")
    naming_both = r"model-a\b.*model-b\b"
    with pytest.raises(SearchError, match=naming_both):
        other.load(tmp_path / "index")
    with pytest.raises(SearchError, match=naming_both):
        other.index_many(songs, save_dir=tmp_path / "index")
    early = FakeSearch()
    early.load(tmp_path / "index")  # no model yet
    assert len(early.query_vector([1, 0, 0, 0, 0, 0, 0, 0], 3)) == 3
    with pytest.raises(SearchError, match=naming_both):
        early.load_model("models/model-b")
    early.load_model("models/model-a")
    assert early.query(songs[0], 1)[0].path == songs[1]
    early.classifier.model_id = "model-b"  # as after further training
    with pytest.raises(SearchError, match=naming_both):
        early.query(songs[0], 1)


def test_a_refused_model_changes_nothing(search, songs, tmp_path):
    search.index_many(songs, save_dir=tmp_path / "index")
    for model in ("models/missing", "models/model-b"):
        with pytest.raises((ModelError, SearchError)):
            search.load_model(model)
        assert search.classifier.model_id == search.index.model_id == "model-a"
        assert search.query(songs[0], 1)[0].path == songs[1]
    early = FakeSearch()
    early.load(tmp_path / "index")
    for model in ("models/missing", "models/model-b"):
        with pytest.raises((ModelError, SearchError)):
            early.load_model(model)
        assert early.classifier is None and early.index.model_id == "model-a"


def test_another_embedding_size_is_refused(search, songs, tmp_path):
    search.index_many(songs, save_dir=tmp_path / "index")
    search.classifier.embedding_dim = 16
    with pytest.raises(SearchError, match=r"\b8\b.*\b16\b"):
        search.load(tmp_path / "index")
    assert len(search) == 20  # a refused load changes nothing


@pytest.mark.parametrize("engine", ["exact", "voyager", "annoy"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_all_engines_find_the_same(engine, metric, songs):
    search = FakeSearch(engine=engine, metric=metric)
    search.load_model("models/model-a")
    search.index_many(songs)
    assert [path for path, _ in search.query(songs[0], 4)] == songs[1:5]


def test_with_a_real_network(corpus, model_dir, tmp_path):
    from mxnet_audio.library.cifar10 import Cifar10AudioSearch

    kinds = dict(corpus)
    search = Cifar10AudioSearch()
    search.load_model(model_dir_path=model_dir)
    assert search.index_many(kinds, save_dir=tmp_path).added == len(kinds)
    loaded = Cifar10AudioSearch()
    loaded.load_model(model_dir_path=model_dir)
    loaded.load(tmp_path)
    assert loaded.index_many(kinds, save_dir=tmp_path).unchanged == len(kinds)
    path = corpus[0][0]
    found = loaded.query(path, top_k=5)
    assert found == search.query(path, top_k=5)
    assert path not in [neighbour.path for neighbour in found]
    assert loaded.query(path, 1, skip_exact_match=False)[0].distance < 1e-9


def test_sound_in_memory_is_a_query_and_can_be_indexed_under_a_name(corpus, model_dir):
    from mxnet_audio.library.cifar10 import Cifar10AudioSearch

    search = Cifar10AudioSearch()
    search.load_model(model_dir)
    paths = [path for path, _ in corpus[:6]]
    search.index_many(paths)
    data = Path(paths[0]).read_bytes()
    y, sr = sf.read(paths[0], dtype="float32")
    for sound in (data, io.BytesIO(data), (y, sr), {"array": y, "sampling_rate": sr}):
        assert search.query(sound, 1)[0].path == paths[0]  # a query without a path leaves nothing out
    with Path(paths[0]).open("rb") as file:
        assert search.query(file, 6)[0].path != paths[0]
    with pytest.raises(ParameterError, match=r"path.*sound="):
        search.index_audio((y, sr))
    search.index_audio("a tone", (y, sr))
    assert [neighbour.path for neighbour in search.query(paths[0], 1)] == ["a tone"]


def test_distance_reset_and_repr(search, songs):
    search.index_many(songs)
    assert repr(search) == "FakeSearch(files=20, engine='exact', metric='cosine')"
    (neighbour,) = search.query(songs[0], 1)
    vectors = [search.index.vector(path) for path in songs[:2]]
    assert search.distance(*vectors) == neighbour.distance
    assert search.distance([3, 4, 0, 0], [3, 4, 0, 0]) == 0
    search.index.notes["heard"] = [["a", "b"]]
    search.reset()
    assert (len(search), search.index.notes) == (0, {})
    assert search.index_many(songs[:2]).added == 2


def test_mxnet_is_not_imported():
    code = "import sys, mxnet_audio.library.recommender; sys.exit('mxnet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


INDEXER = """
import sys
from mxnet_audio.library.search import AudioSearch
from tests.library.fake_classifier import FakeClassifier
folder, save_dir, delay, engine = sys.argv[1:]
FakeClassifier.delay = float(delay)
classifier = FakeClassifier()
classifier.load_model("model-a")
search = AudioSearch(classifier=classifier, engine=engine)
sys.stdout.write("ready\\n")
sys.stdout.flush()
paths = [f"{folder}/{i} é.wav" for i in range(300)]
report = search.index_many(paths, save_dir=save_dir, checkpoint_every=10)
assert report.added + report.unchanged == 299 and len(report.skipped) == 1, report
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Folder of 300 files, one of them bad, and the index of an uninterrupted run by engine."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(300):
        (folder / f"{i} é.wav").write_text("bad" if i == 100 else f"sound {i}")
    whole = {}
    for engine in ("exact", "voyager"):
        classifier = FakeClassifier()
        classifier.load_model("model-a")
        whole[engine] = AudioSearch(classifier=classifier, engine=engine)
        whole[engine].index_many([f"{folder}/{i} é.wav" for i in range(300)])
        assert len(whole[engine]) == 299
    return folder, whole


def wait_until(condition, process):
    """Wait for what a process does, a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("engine", ["exact", "voyager"])
def test_a_kill_during_indexing_loses_no_finished_file(many, engine, tmp_path):
    """Kill the run at several moments, then let it finish."""
    folder, whole = many
    save_dir = tmp_path / "index"
    command = [sys.executable, "-c", INDEXER, folder, save_dir, "0.002", engine]
    sizes, killed = [0], 0
    waits = (0.03, 0.17, None) if engine == "exact" else (None,)  # they write the journal in the same way
    for wait in waits:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        process.stdout.readline()
        time.sleep(wait or 0)
        if wait is None:
            wait_until(lambda: any(file.stat().st_size for file in save_dir.glob("*/journal.jsonl")), process)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
        if (save_dir / "index.json").exists():
            search = AudioSearch()
            search.load(save_dir)
            sizes.append(len(search))
            assert search.index.paths == whole[engine].index.paths[: len(search)]
    assert killed == len(waits)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0
    subprocess.run(command, cwd=ROOT, check=True)
    search = AudioSearch()
    search.load(save_dir)
    assert search.index.paths == whole[engine].index.paths
    assert search.index.vectors.tolist() == whole[engine].index.vectors.tolist()
    query = np.full(8, 0.5, np.float32)
    assert search.query_vector(query, 10) == whole[engine].query_vector(query, 10)


def test_a_kill_loses_only_files_in_progress(many, tmp_path):
    """At the moment of the kill, all encoded files but the last batch (4 files here) are in the journal."""
    folder, _ = many
    log = tmp_path / "encoded.txt"
    spy = INDEXER.replace(
        "classifier = FakeClassifier()",
        "encode = FakeClassifier.encode_audio\n"
        "def spy(self, path):\n"
        "    vector = encode(self, path)\n"
        f"    open({str(log)!r}, 'a').write('x')\n"
        "    return vector\n"
        "FakeClassifier.encode_audio = spy\n"
        "classifier = FakeClassifier()",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", spy, folder, tmp_path / "index", "0.003", "exact"],
        stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    process.stdout.readline()
    wait_until(lambda: log.exists() and log.stat().st_size >= 60, process)
    process.kill()
    process.wait()
    process.stdout.close()
    search = AudioSearch()
    search.load(tmp_path / "index")
    assert len(search) >= log.stat().st_size - 4 - 1


@pytest.mark.parametrize("classifier", [3, "cifar10", FakeClassifier])
def test_a_classifier_that_is_none(classifier):
    with pytest.raises(ParameterError, match="classifier"):
        AudioSearch(classifier=classifier)


def test_paths_of_the_wrong_type():
    classifier = FakeClassifier()
    classifier.load_model("model-a")
    search = AudioSearch(classifier=classifier)
    for paths in (None, 3):
        with pytest.raises(ParameterError, match="paths"):
            search.index_many(paths)
    with pytest.raises(ParameterError, match="save_dir"):
        search.index_many([], save_dir=3)
    for path in (None, 3):
        with pytest.raises(ParameterError, match="path must be a path"):
            search.index_many([path])
        for use in (search.save, search.load):
            with pytest.raises(ParameterError, match="directory"):
                use(path)
