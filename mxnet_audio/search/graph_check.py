"""Checks of the stored graphs of `voyager` and `annoy`, which follow any number in a file and crash on a wrong one.

Both check that every node that a search can reach is in the file, and that every search ends. A graph that does not
pass, also one of a newer version of the package, can be built again from the vectors.
"""

from __future__ import annotations

import numpy as np

__all__ = ["is_annoy_forest", "is_voyager_graph"]

# Fields of the header and their types, as in voyager's Metadata.h and hnswalg.h.
_HEADER = np.dtype(
    [
        ("magic", "S4"),
        *((name, "<i4") for name in ("version", "dim")),
        *((name, "u1") for name in ("space", "storage")),
        ("max_norm", "<f4"),
        ("transform", "u1"),
        *((name, "<u8") for name in ("first", "capacity", "count", "node_size", "label_offset", "point_offset")),
        ("top", "<i4"),
        ("entry", "<u4"),
        *((name, "<u8") for name in ("m", "m_base", "m_again")),
        ("mult", "<f8"),
        ("ef", "<u8"),
    ]
)
_MOST_LINKS = 512  # of a node on a level; this package uses 16
_EUCLIDEAN, _FLOAT32 = 0, 0x20  # numbers of voyager's spaces and storage types


def is_voyager_graph(data: np.ndarray, dim: int, labels: np.ndarray) -> bool:
    """Return True if the bytes of a file are a sound graph of voyager 2.

    Parameters
    ----------
    data : np.ndarray [shape=(n,), uint8]
        Content of the file: a header, the nodes with their links on the lowest level, and the links on others.
    dim : int
        Size of the vectors.
    labels : np.ndarray [shape=(n,), uint64]
        Labels of the nodes that are not removed, ascending.

    Returns
    -------
    bool
    """
    if len(data) < _HEADER.itemsize:
        return False
    header = data[: _HEADER.itemsize].view(_HEADER)[0]
    m, count = int(header["m"]), int(header["count"])
    node = np.dtype(
        [
            ("links", "<u2"),
            ("removed", "u1"),
            ("", "u1"),
            ("link", "<u4", 2 * min(m, 512)),
            ("", "<f4", dim),
            ("label", "<u8"),
        ]
    )
    expected = {
        "magic": b"VOYA",
        "version": 1,
        "dim": dim,
        "space": _EUCLIDEAN,
        "storage": _FLOAT32,
        "transform": 0,
        "first": 0,
        "node_size": node.itemsize,
        "label_offset": node.itemsize - 8,
        "point_offset": 4 + 8 * m,
        "m_base": 2 * m,
        "m_again": m,
    }
    if any(header[name] != value for name, value in expected.items()):
        return False
    if not 0 < m <= _MOST_LINKS or not 0 < header["mult"] < 1:
        return False
    end = _HEADER.itemsize + count * node.itemsize
    if not 0 < count <= int(header["capacity"]) <= 4 * count + 1000 or end > len(data) or (len(data) - end) % 4:
        return False
    nodes = data[_HEADER.itemsize : end].view(node)
    if (nodes["removed"] > 1).any() or len(np.unique(nodes["label"])) != count:
        return False
    if not np.array_equal(np.sort(nodes["label"][nodes["removed"] == 0]), labels):
        return False
    if not _are_below(nodes["link"], nodes["links"], count):
        return False
    return _are_upper_levels(
        np.frombuffer(data[end:].tobytes(), "<u4"), count, m, int(header["top"]), int(header["entry"])
    )


def _are_below(ids: np.ndarray, used: np.ndarray, limit: int) -> bool:
    """Return True if the first `used` [shape=(n,)] of the ids [shape=(n, most)] of each row are from 0 to limit - 1."""
    within = (ids >= 0) & (ids < limit)
    columns = np.arange(ids.shape[1])
    return bool((used <= ids.shape[1]).all() and (within | (columns >= used[:, None])).all())


def _are_upper_levels(words: np.ndarray, count: int, m: int, top: int, entry: int) -> bool:
    """Return True if the links above the lowest level lead to nodes that are on their level.

    For each node, there is the size of its links in bytes, and for each level their number and `m` ids.
    """
    levels, starts = np.zeros(count, np.int64), []
    position, values = 0, words.data
    for index in range(count):
        if position >= len(values):
            return False
        size = values[position]
        position += 1
        if size:
            level, rest = divmod(size, 4 * (m + 1))
            if rest or level > top or position + size // 4 > len(values):
                return False
            levels[index] = level
            starts += [(position + number * (m + 1), number + 1) for number in range(level)]
            position += size // 4
    if position != len(values) or entry >= count or not levels[entry] == levels.max() == top:
        return False
    if not starts:
        return True
    places, level = np.array(starts).T
    links = words[places[:, None] + np.arange(m + 1)]
    used, ids = links[:, 0], links[:, 1:]
    if not _are_below(ids, used, count):
        return False
    on_level = levels[np.minimum(ids, count - 1)] >= level[:, None]
    return bool((on_level | (np.arange(m) >= used[:, None])).all())


def is_annoy_forest(data: np.ndarray, dim: int, items: int) -> bool:
    """Return True if the bytes of a file are a sound forest of annoy for the Euclidean distance.

    Parameters
    ----------
    data : np.ndarray [shape=(n,), uint8]
        Content of the file: nodes of one size, the items first, a node after its children, and the roots last.
    dim : int
        Size of the vectors.
    items : int
        Number of items.

    Returns
    -------
    bool
    """
    words = dim + 4  # number of descendants, offset, and two children, or the descendants if there are dim + 2 at most
    if items < 1 or len(data) % (4 * words) or len(data) < 4 * words * items:
        return False
    nodes = data.view("<i4").reshape(-1, words)
    descendants, inner = nodes[:, 0], nodes[items:]
    if (descendants[:items] != 1).any() or descendants[-1] != items or (descendants < 1).any():
        return False
    few = inner[:, 0] <= words - 2
    children = inner[~few, 2:4]
    own = np.arange(items, len(nodes))[~few, None]
    before = bool(((children >= 0) & (children < own)).all())  # so no path leads back
    return before and _are_below(inner[few, 2:], inner[few, 0], items)
