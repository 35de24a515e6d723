"""``cache``: show and empty the folders of cached features and weights."""

import pytest

from mxnet_audio.features.cache import cache_folder as features_folder
from mxnet_audio.weights.finding import cache_folder as weights_folder


@pytest.fixture
def folders(own_cache):
    """Folders of both parts, with a file of 5 MB each, one of them in a folder of its own."""
    features, weights = features_folder(), weights_folder()
    for path in (features / "key" / "a.features", weights / "yamnet.tflite"):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(5_000_000))
    return features, weights


def test_info(run, run_json, folders):
    parts = run_json("cache", "info")["parts"]
    assert [(part["part"], part["folder"]) for part in parts] == [
        ("features", str(folders[0])),
        ("weights", str(folders[1])),
    ]
    assert all(5_000_000 <= part["bytes"] < 5_100_000 for part in parts)
    lines = run("cache", "info").stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [["features", "5.0", "MB"], ["weights", "5.0", "MB"]]


def test_clear_one_part_then_all(run, run_json, folders):
    assert run("cache", "clear", "features").stdout == "features: deleted 5.0 MB\n"
    assert not list(folders[0].iterdir()) and list(folders[1].iterdir())
    cleared = run_json("cache", "clear")["cleared"]
    assert [part["bytes"] > 0 for part in cleared] == [False, True]
    assert not list(folders[1].iterdir())
    folders[0].rmdir()
    run("cache", "clear")  # nothing is left, which is no error


def test_a_folder_on_another_disk(run, folders, tmp_path):
    """A link in the cache is deleted, and what it refers to stays."""
    folders[0].rename(tmp_path / "disk")
    folders[0].symlink_to(tmp_path / "disk")
    kept = tmp_path / "kept" / "a.wav"
    kept.parent.mkdir()
    kept.touch()
    (folders[0] / "link").symlink_to(kept.parent)
    assert run("cache", "clear", "features").stdout == "features: deleted 5.0 MB\n"
    assert folders[0].is_symlink() and not list((tmp_path / "disk").iterdir())
    assert kept.exists()


@pytest.mark.usefixtures("own_cache")
def test_an_empty_cache(run_json):
    assert [part["bytes"] for part in run_json("cache", "info")["parts"]] == [0, 0]


def test_an_unknown_part(run):
    assert "'indexes'" in run("cache", "clear", "indexes", code=2).stderr
