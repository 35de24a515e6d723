"""Test interrupted downloads, wrong mirrors and killed processes."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks import concurrent_writers
from mxnet_audio import datasets
from mxnet_audio.datasets.archive import extract
from mxnet_audio.datasets.fetch import Remote, fetch
from mxnet_audio.errors import DatasetError, ParameterError

DATA = np.random.default_rng(0).bytes(300_000)
LOCK = ".free-spoken-digit-dataset.lock"


def _remote(*urls, data=DATA, **changes):
    fields = {"size": len(data), "hash": "sha256:" + hashlib.sha256(data).hexdigest(), **changes}
    return Remote("a.tar.gz", urls, **fields)


def _part(directory, data):
    staging = directory / ".a.tar.gz.download"
    staging.mkdir()
    (staging / "a.tar.gz.part").write_bytes(data)


def test_download_is_resumed_by_a_range(tmp_path, host):
    url = host.put("/a", DATA)
    _part(tmp_path, DATA[:100_000])
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == [("/a", "bytes=100000-")]
    assert [item.name for item in tmp_path.iterdir()] == ["a.tar.gz"]


def test_complete_part_is_only_verified(tmp_path, host):
    url = host.put("/a", DATA)
    _part(tmp_path, DATA)
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == []


def test_server_without_ranges_sends_the_whole_file(tmp_path, host):
    url = host.put("/a", DATA, ranges=False)
    _part(tmp_path, DATA[:100_000])
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert len(host.requests) == 1


def test_range_without_total_size_is_not_used(tmp_path, host):
    url = host.put("/a", DATA, total=False)
    _part(tmp_path, DATA[:100_000])
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == [("/a", "bytes=100000-"), ("/a", None)]


def test_broken_connection_is_resumed(tmp_path, host):
    url = host.put("/a", DATA, drop=100_000)
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    starts = [int(requested.removeprefix("bytes=").rstrip("-")) for _, requested in host.requests[1:]]
    assert starts == sorted(set(starts)) and starts[0] > 0, "each response is appended to the previous ones"


def test_dead_connection_is_not_retried_forever(tmp_path, host):
    url = host.put("/a", DATA, drop=0)
    with pytest.raises(DatasetError, match=r"a\.tar\.gz: "):
        fetch(_remote(url), tmp_path, progress=False)
    assert len(host.requests) <= 2


def test_part_of_another_file_is_downloaded_again(tmp_path, host):
    url = host.put("/a", DATA)
    _part(tmp_path, b"x" * 100_000)
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == [("/a", "bytes=100000-"), ("/a", None)]


def test_mirrors_are_tried_in_order(tmp_path, host):
    right = host.put("/right", DATA)
    missing = right.replace("right", "missing")
    assert fetch(_remote(missing, right), tmp_path, progress=False).read_bytes() == DATA
    assert [path for path, _ in host.requests] == ["/missing", "/right"]


def test_every_failure_is_named_and_no_file_is_kept(tmp_path, host):
    wrong = host.put("/wrong", b"x" * len(DATA))
    short = host.put("/short", b"y" * 10)
    missing = wrong.replace("wrong", "missing")
    remote = _remote(missing, wrong, short)
    with pytest.raises(DatasetError) as error:
        fetch(remote, tmp_path, progress=False)
    message = str(error.value)
    assert f"{missing}: 404" in message
    assert f"{wrong}: " in message and remote.hash.removeprefix("sha256:") in message
    assert hashlib.sha256(b"x" * len(DATA)).hexdigest() in message
    assert f"{short}: size: expected 300000 bytes, got 10" in message
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == []


def test_uncertain_hash_is_a_warning_and_another_size_an_error(tmp_path, host, caplog):
    other = bytes(reversed(DATA))
    url = host.put("/a", other)
    with caplog.at_level(logging.WARNING):
        assert fetch(_remote(url, certain=False), tmp_path, progress=False).read_bytes() == other
    assert "a.tar.gz: sha256: expected" in caplog.text
    with pytest.raises(DatasetError, match="300001 bytes, got 300000"):
        fetch(_remote(url, certain=False, size=300_001), tmp_path, progress=False)


def test_url_may_have_another_archive(tmp_path, miniature, host, caplog):
    corpus, archive = miniature("fsdd")
    url = host.put("/mine.tar.gz", archive.read_bytes())
    with caplog.at_level(logging.WARNING):
        home = datasets.get("fsdd").download(tmp_path / "data", url=url, progress=False)
    assert "is not the published" in caplog.text
    assert len(corpus.pairs(home)) == 3


def test_local_archive_needs_no_network(tmp_path, miniature, caplog):
    corpus, archive = miniature("gtzan", ["http://127.0.0.1:9/never"])
    corpus.download(tmp_path / "a", archive=archive, progress=False)
    assert "is not the published" not in caplog.text
    (tmp_path / "b").mkdir()
    archive.rename(tmp_path / "b" / archive.name)
    corpus.download(tmp_path / "b", progress=False)
    assert len(corpus.pairs(tmp_path / "b")) == 4
    with pytest.raises(DatasetError, match=r"none\.tar\.gz: no such file"):
        corpus.download(tmp_path / "c", archive=tmp_path / "none.tar.gz")


def test_damaged_download_is_not_kept(tmp_path, host):
    url = host.put("/a", DATA)
    with pytest.raises(DatasetError, match="damaged"):
        datasets.get("fsdd").download(tmp_path, url=url, progress=False)
    assert [item.name for item in tmp_path.iterdir()] == [LOCK]


def test_archive_without_clips_is_refused(tmp_path, miniature):
    _, archive = miniature("gtzan")
    with pytest.raises(DatasetError, match="no clips of fsdd"):
        datasets.get("fsdd").download(tmp_path / "data", archive=archive, progress=False)
    assert [item.name for item in (tmp_path / "data").iterdir()] == [LOCK]


def test_copy_extracted_by_other_means_is_complete(tmp_path):
    corpus = datasets.get("fsdd")
    for name in corpus.expected(tmp_path):
        path = tmp_path / corpus.home / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert corpus.download(tmp_path, url="http://127.0.0.1:9/never") == str(tmp_path / corpus.home)


def test_downloads_at_once_to_one_folder_lose_nothing(tmp_path, miniature, host):
    corpus, archive = miniature("fsdd")
    url = host.put("/a", archive.read_bytes(), slow=0.001)
    with ThreadPoolExecutor(3) as pool:
        homes = list(pool.map(lambda _: corpus.download(tmp_path / "data", url=url, progress=False), range(3)))
    assert len(host.requests) == 1, "the others find the work done"
    assert len(set(homes)) == 1 and len(corpus.pairs(homes[0])) == 3
    names = {item.name for item in (tmp_path / "data").iterdir()}
    assert names == {corpus.home, corpus.remote.filename, LOCK}


@pytest.mark.slow
def test_processes_that_download_at_once_lose_nothing(tmp_path):
    for number in range(3):
        assert concurrent_writers.download(tmp_path / str(number), 3) == (600, 600, [])


@pytest.mark.parametrize("complete", [True, False])
def test_leftovers_of_a_killed_installation_are_deleted(tmp_path, miniature, complete):
    corpus, archive = miniature("fsdd")
    if complete:  # killed after the folder was moved
        corpus.download(tmp_path, archive=archive, progress=False)
    leftovers = tmp_path / f".{corpus.home}.unpacking" / "free-spoken-digit-dataset-1.0.9" / "recordings"
    leftovers.mkdir(parents=True)
    (leftovers / "0_george_0.wav").write_bytes(b"RI")
    partial = tmp_path / f".{corpus.remote.filename}.download"
    partial.mkdir(exist_ok=True)
    home = corpus.download(tmp_path, archive=archive, progress=False)
    assert len(corpus.pairs(home)) == 3 and corpus.validate(home).ok is False  # three of 2,500 clips
    assert not leftovers.parents[1].exists()
    assert complete or not partial.exists()


@pytest.mark.parametrize("make", [Path.symlink_to, lambda path, _: path.touch()], ids=["link", "file"])
def test_files_and_links_in_place_of_leftovers_are_not_used(tmp_path, miniature, make):
    corpus, archive = miniature("fsdd")
    (tmp_path / "other").mkdir()
    make(tmp_path / f".{corpus.home}.unpacking", tmp_path / "other")
    assert len(corpus.pairs(corpus.download(tmp_path, archive=archive, progress=False))) == 3
    assert not any((tmp_path / "other").iterdir())


def test_complete_corpus_needs_no_permission_to_write(tmp_path, miniature):
    corpus, archive = miniature("fsdd")
    corpus.download(tmp_path, archive=archive, progress=False)
    (tmp_path / LOCK).unlink()
    corpus.download(tmp_path, url="http://127.0.0.1:9/never", progress=False)
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize(
    "record",
    [
        *(b"[" * 100_000, b'{"files": 3}', b"\xff", b'{"files": {"a": NaN}}', b'{"files": [[1, 2]]}', b'{"files": {}}'),
        b'{"files": {"%s": 3}}' % (b"x" * 5000),
    ],
    ids=["nested", "number", "not UTF-8", "not JSON", "list", "no file", "long name"],
)
def test_damaged_record_of_the_files(tmp_path, miniature, record):
    corpus, archive = miniature("fsdd")
    home = Path(corpus.download(tmp_path, archive=archive, progress=False))
    (home / ".mxnet-audio.json").write_bytes(record)
    Path(corpus.pairs(home)[0][0]).unlink()
    corpus.download(tmp_path, archive=archive, progress=False)
    assert len(corpus.pairs(home)) == 3


def test_archive_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.tar.gz")
    with pytest.raises(DatasetError, match=r"pipe\.tar\.gz: is not a regular file"):
        datasets.get("fsdd").download(tmp_path / "data", archive=tmp_path / "pipe.tar.gz")


@pytest.mark.parametrize("arguments", [(3,), ("",), ("data", None, 3)])
def test_arguments_that_are_no_paths(arguments):
    with pytest.raises(ParameterError, match="must be a path"):
        datasets.get("fsdd").download(*arguments)


def test_address_that_is_no_text(tmp_path):
    with pytest.raises(ParameterError, match="url must be an address, got 5"):
        datasets.get("fsdd").download(tmp_path, url=5)


def test_progress_is_shown_on_standard_error(tmp_path, host, capsys):
    fetch(_remote(host.put("/a", DATA)), tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "a.tar.gz" in err


SCRIPT = """
import sys
from mxnet_audio import datasets
datasets.get("fsdd").download(sys.argv[1], url=sys.argv[2], progress=False)
"""


def test_download_of_a_killed_process_is_resumed(tmp_path, miniature, host):
    _, small = miniature("fsdd")
    # Random bytes, which do not compress, so that the download takes long enough.
    extract(small, tmp_path / "files")
    (tmp_path / "files" / "noise.bin").write_bytes(DATA)
    with tarfile.open(tmp_path / "big.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "files", arcname="fsdd")
    data = (tmp_path / "big.tar.gz").read_bytes()
    url = host.put("/big", data, slow=0.02)
    home = tmp_path / "data"
    command = [sys.executable, "-c", SCRIPT, str(home), url]
    environment = os.environ | {"PYTHONPATH": str(Path(datasets.__file__).parents[2])}

    run = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    while sum(part.stat().st_size for part in home.rglob("*.part")) < 65536:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    offset = sum(part.stat().st_size for part in home.rglob("*.part"))
    assert 65536 <= offset < len(data)
    assert not (home / "free-spoken-digit-dataset").exists()

    host.put("/big", data)
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert host.requests[-1] == ("/big", f"bytes={offset}-")
    assert len(datasets.get("fsdd").pairs(home)) == 3
    names = {item.name for item in home.iterdir()}
    assert names == {"free-spoken-digit-dataset", "free-spoken-digit-dataset-1.0.9.tar.gz", LOCK}
