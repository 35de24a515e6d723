"""Stored graphs of the approximate engines that were changed: they are built again, and never crash."""

import random
import subprocess
import sys

import numpy as np
import pytest

from mxnet_audio.search.engines import create_engine

VECTORS = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
QUERIES = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
KINDS = ("annoy", "voyager")
WORDS = (0, 1, -1, 399, 400, 401, 2**31 - 1, -(2**31))


@pytest.fixture(params=KINDS)
def saved(request, tmp_path):
    """Kind, folder and file of an engine that was saved."""
    pytest.importorskip(request.param)
    engine = create_engine(request.param, "euclidean")
    engine.add(range(400), VECTORS)
    engine.query(QUERIES[:1], 3)
    if request.param == "voyager":  # a forest would be built again
        engine.remove([3, 4])
    engine.save(tmp_path)
    return request.param, tmp_path, tmp_path / f"graph.{request.param}"


def load(kind, folder):
    engine = create_engine(kind, "euclidean")
    engine.load(folder)
    return engine


def with_word(data, position, word):
    return data[:position] + (word & 0xFFFFFFFF).to_bytes(4, "little") + data[position + 4 :]


def test_a_graph_that_was_not_changed_is_used(saved, caplog):
    kind, folder, _ = saved
    assert load(kind, folder)._structure is not None and caplog.text == ""


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3, 40, 3000])
def test_graphs_of_any_size_are_used(kind, metric, count, tmp_path):
    pytest.importorskip(kind)
    vectors = np.random.default_rng(count).normal(size=(count, 5)).astype(np.float32)
    vectors[count // 2] = vectors[0]  # equal vectors share a node
    engine = create_engine(kind, metric)
    engine.add(range(count), vectors)
    engine.save(tmp_path)
    assert load(kind, tmp_path)._structure is not None


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_found(kind, tmp_path, caplog):
    pytest.importorskip(kind)
    engine = create_engine(kind, "euclidean")
    engine.add(range(400), VECTORS)
    engine.save(tmp_path)
    graph = tmp_path / f"graph.{kind}"
    data = graph.read_bytes()
    node = 48  # bytes of a node of annoy
    damaged = {
        "annoy": {
            "no item": with_word(data, 7 * node, 0),
            "a child that is missing": with_word(data, len(data) - node + 8, len(data)),
            "a circle": with_word(data, len(data) - node + 8, len(data) // node - 1),
            "other items": with_word(data, len(data) - node, 399),
            "a node that is cut": data[:-4],
            "empty": b"",
        },
        "voyager": {
            "another version": with_word(data, 4, 2),
            "more nodes": with_word(data, 35, 401),
            "a huge capacity": with_word(data, 31, 1),
            "an entry that is missing": with_word(data, 71, 400),
            "another top level": with_word(data, 67, 9),
            "a link that is missing": with_word(data, 115 + 4, 400),
            "more links than there can be": with_word(data, 115, 33),
            "another label": with_word(data, 115 + 132 + 32, 5),
            "a level that is missing": data[:-4],
            "a size of no level": with_word(data, 115 + 400 * 172, 4),
            "empty": b"",
        },
    }[kind]
    expected = engine.query(QUERIES, 5)[0]
    for name, changed in damaged.items():
        caplog.clear()
        graph.write_bytes(changed)
        loaded = load(kind, tmp_path)
        assert loaded._structure is None and str(graph) in caplog.text, name
        np.testing.assert_array_equal(loaded.query(QUERIES, 5)[0], expected)


LOAD_AND_QUERY = """
import sys
from pathlib import Path
import numpy as np
from mxnet_audio.search.engines import create_engine
kind, folder, mutants, queries = sys.argv[1:]
graph = Path(folder, f"graph.{kind}")
for mutant in sorted(Path(mutants).iterdir()):
    print(mutant.name, flush=True)
    graph.write_bytes(mutant.read_bytes())
    engine = create_engine(kind, "euclidean")
    engine.load(folder)
    if engine._structure is not None:  # building it again takes long
        engine.query(np.load(queries), 5)
"""


def test_mutants_do_not_crash(saved, tmp_path):
    kind, folder, graph = saved
    data, chance = graph.read_bytes(), random.Random(17)
    mutants, queries = tmp_path / "mutants", tmp_path / "queries.npy"
    mutants.mkdir()
    np.save(queries, QUERIES[:3])
    for number in range(24):
        changed = data
        for _ in range(chance.choice([1, 1, 2, 5])):
            position = chance.randrange(140 if chance.random() < 0.2 else len(data) - 4) & ~3
            changed = with_word(changed, position, chance.choice([*WORDS, chance.randrange(1 << 32)]))
        (mutants / f"{number:02d}").write_bytes(changed)
    command = [sys.executable, "-X", "faulthandler", "-c", LOAD_AND_QUERY, kind, folder, mutants, queries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # a crash would end the tests
    assert done.returncode == 0, f"mutant {done.stdout.split()[-1:]}: {done.stderr}"
    assert len(done.stdout.split()) == 24
