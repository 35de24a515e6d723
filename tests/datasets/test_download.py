"""Downloads that break off, mirrors that lie, and runs that are killed."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import datasets
from mxnet_audio.datasets.fetch import Remote, fetch
from mxnet_audio.errors import DatasetError

DATA = np.random.default_rng(0).bytes(300_000)


def _remote(*urls, data=DATA, **changes):
    facts = {"size": len(data), "hash": "sha256:" + hashlib.sha256(data).hexdigest(), **changes}
    return Remote("a.tar.gz", urls, **facts)


def _part(directory, data):
    staging = directory / ".a.tar.gz.download"
    staging.mkdir()
    (staging / "a.tar.gz.part").write_bytes(data)


def test_goes_on_with_a_range(tmp_path, host):
    url = host.put("/a", DATA)
    _part(tmp_path, DATA[:100_000])
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == [("/a", "bytes=100000-")]
    assert [item.name for item in tmp_path.iterdir()] == ["a.tar.gz"]


def test_all_there_already_is_only_verified(tmp_path, host):
    url = host.put("/a", DATA)
    _part(tmp_path, DATA)
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == []


def test_a_server_without_ranges_is_asked_for_all(tmp_path, host):
    url = host.put("/a", DATA, ranges=False)
    _part(tmp_path, DATA[:100_000])
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert len(host.requests) == 1


def test_a_range_of_unknown_total_is_not_trusted(tmp_path, host):
    url = host.put("/a", DATA, total=False)
    _part(tmp_path, DATA[:100_000])
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == [("/a", "bytes=100000-"), ("/a", None)]


def test_a_broken_connection_is_taken_up_again(tmp_path, host):
    url = host.put("/a", DATA, drop=100_000)
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for _, asked in host.requests[1:]]
    assert starts == sorted(set(starts)) and starts[0] > 0, "each answer is added to the ones before"


def test_a_dead_connection_is_not_asked_for_ever(tmp_path, host):
    url = host.put("/a", DATA, drop=0)
    with pytest.raises(DatasetError, match=r"a.tar.gz: could not be downloaded"):
        fetch(_remote(url), tmp_path, progress=False)
    assert len(host.requests) <= 2


def test_a_part_of_other_bytes_is_fetched_anew(tmp_path, host):
    url = host.put("/a", DATA)
    _part(tmp_path, b"x" * 100_000)
    assert fetch(_remote(url), tmp_path, progress=False).read_bytes() == DATA
    assert host.requests == [("/a", "bytes=100000-"), ("/a", None)]


def test_mirrors_in_order(tmp_path, host):
    right = host.put("/right", DATA)
    gone = right.replace("right", "gone")
    assert fetch(_remote(gone, right), tmp_path, progress=False).read_bytes() == DATA
    assert [path for path, _ in host.requests] == ["/gone", "/right"]


def test_every_failure_is_named_and_nothing_wrong_stays(tmp_path, host):
    wrong = host.put("/wrong", b"x" * len(DATA))
    short = host.put("/short", b"y" * 10)
    gone = wrong.replace("wrong", "gone")
    remote = _remote(gone, wrong, short)
    with pytest.raises(DatasetError) as error:
        fetch(remote, tmp_path, progress=False)
    message = str(error.value)
    assert f"{gone}: 404" in message
    assert f"{wrong}: " in message and remote.hash.removeprefix("sha256:") in message
    assert hashlib.sha256(b"x" * len(DATA)).hexdigest() in message
    assert f"{short}: size: expected 300000 bytes, got 10" in message
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == []


def test_an_uncertain_hash_is_a_warning_and_its_size_an_error(tmp_path, host, caplog):
    other = bytes(reversed(DATA))
    url = host.put("/a", other)
    with caplog.at_level(logging.WARNING):
        assert fetch(_remote(url, certain=False), tmp_path, progress=False).read_bytes() == other
    assert "is not the published a.tar.gz: sha256: expected" in caplog.text
    with pytest.raises(DatasetError, match="expected 300001 bytes, got 300000"):
        fetch(_remote(url, certain=False, size=300_001), tmp_path, progress=False)


def test_a_url_of_ones_own_may_hold_another_archive(tmp_path, miniature, host, caplog):
    corpus, archive = miniature("fsdd")
    url = host.put("/mine.tar.gz", archive.read_bytes())
    with caplog.at_level(logging.WARNING):
        home = datasets.get("fsdd").download(tmp_path / "data", url=url, progress=False)
    assert "is not the published" in caplog.text
    assert len(corpus.pairs(home)) == 3


def test_a_local_archive_needs_no_network(tmp_path, miniature, caplog):
    corpus, archive = miniature("gtzan", ["http://127.0.0.1:9/never"])
    corpus.download(tmp_path / "a", archive=archive, progress=False)
    assert "is not the published" not in caplog.text
    (tmp_path / "b").mkdir()
    archive.rename(tmp_path / "b" / archive.name)
    corpus.download(tmp_path / "b", progress=False)
    assert len(corpus.pairs(tmp_path / "b")) == 4
    with pytest.raises(DatasetError, match="no such archive"):
        corpus.download(tmp_path / "c", archive=tmp_path / "none.tar.gz")


def test_a_download_that_cannot_be_unpacked_is_not_kept(tmp_path, host):
    url = host.put("/a", DATA)
    with pytest.raises(DatasetError, match="damaged or not a tar or zip"):
        datasets.get("fsdd").download(tmp_path, url=url, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_without_clips_is_refused(tmp_path, miniature):
    _, archive = miniature("gtzan")
    with pytest.raises(DatasetError, match="holds no clip of fsdd"):
        datasets.get("fsdd").download(tmp_path / "data", archive=archive, progress=False)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_copy_unpacked_by_somebody_else_is_taken(tmp_path, write_tone, monkeypatch):
    corpus = datasets.get("fsdd")
    for name in corpus.expected(tmp_path):
        path = tmp_path / corpus.home / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert corpus.download(tmp_path, url="http://127.0.0.1:9/never") == str(tmp_path / corpus.home)


def test_progress_is_shown_on_standard_error_only(tmp_path, host, capsys):
    fetch(_remote(host.put("/a", DATA)), tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "a.tar.gz" in err


SCRIPT = """
import sys
from mxnet_audio import datasets
datasets.get("fsdd").download(sys.argv[1], url=sys.argv[2], progress=False)
"""


def test_killed_in_mid_download_goes_on(tmp_path, miniature, host):
    from mxnet_audio.datasets.archive import extract

    _, small = miniature("fsdd")
    # Bytes that do not compress, so that the download takes a while.
    extract(small, tmp_path / "files")
    (tmp_path / "files" / "noise.bin").write_bytes(DATA)
    import tarfile

    with tarfile.open(tmp_path / "big.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "files", arcname="fsdd")
    data = (tmp_path / "big.tar.gz").read_bytes()
    url = host.put("/big", data, slow=0.02)
    home = tmp_path / "data"
    command = [sys.executable, "-c", SCRIPT, str(home), url]
    environment = os.environ | {"PYTHONPATH": str(Path(datasets.__file__).parents[2])}

    run = subprocess.Popen(command, env=environment)
    until = time.monotonic() + 60
    while sum(part.stat().st_size for part in home.rglob("*.part")) < 65536:
        assert run.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    had = sum(part.stat().st_size for part in home.rglob("*.part"))
    assert 65536 <= had < len(data)
    assert not (home / "free-spoken-digit-dataset").exists()

    host.put("/big", data)
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert host.requests[-1] == ("/big", f"bytes={had}-")
    assert len(datasets.get("fsdd").pairs(home)) == 3
    left = {item.name for item in home.iterdir()}
    assert left == {"free-spoken-digit-dataset", "free-spoken-digit-dataset-1.0.9.tar.gz"}
