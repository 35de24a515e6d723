"""A collection of Milvus: created for an index, or checked that it is one's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mxnet_audio.checks import one_of, shown
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search.milvus.connection import MISSING, Connection, Refusal, package
from mxnet_audio.search.milvus.rows import FIELDS

__all__ = ["INDEX_TYPES", "METRICS", "Collection", "check_index", "create", "create_index", "read"]

FORMAT = 1
_NO_INDEX = 700  # code of Milvus's error
METRICS = {"cosine": "COSINE", "euclidean": "L2"}
_PROPERTY = "mxnet_audio"
# With the parameters of the index unless others are given.
INDEX_TYPES: dict[str, dict[str, int]] = {
    "HNSW": {"M": 16, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 1024},
    "IVF_PQ": {"nlist": 1024, "nbits": 8},
    "FLAT": {},
}
_LITE_TYPES = ("FLAT", "HNSW", "IVF_FLAT")


@dataclass(frozen=True)
class Collection:
    """State of a collection that holds an index.

    Attributes
    ----------
    dim : int
    metric : {'cosine', 'euclidean'}
    model_id : str or None
    model : dict or None
    index_type : str
        In Milvus's words, such as 'HNSW'.
    index_params : dict
        As far as the server tells them.
    """

    dim: int
    metric: str
    model_id: str | None
    model: dict[str, Any] | None
    index_type: str
    index_params: dict[str, Any]


def check_index(index_type: Any, index_params: Any, is_lite: bool) -> None:
    """Check the arguments of an index; ParameterError if one is wrong."""
    if index_type is not None:
        one_of("index_type", index_type, tuple(INDEX_TYPES))
        if is_lite and index_type not in _LITE_TYPES:
            raise ParameterError(
                f"index_type must be one of {', '.join(_LITE_TYPES)} in Milvus Lite, got {index_type!r}: use a server"
            )
    if index_params is not None:
        if not isinstance(index_params, Mapping) or not all(isinstance(name, str) for name in index_params):
            raise ParameterError(f"index_params must be a dict of Milvus's names, got {shown(index_params)}")
        if index_type is None:
            raise ParameterError("index_params need index_type")


def read(connection: Connection, name: str) -> Collection | None:
    """Read the state of a collection; None if there is none.

    A file of Milvus Lite that is missing is not created. A collection whose creation was interrupted has no index of
    its vectors yet: its `index_type` is "".

    Raises
    ------
    SearchError
        If it was not created by this package, or by a later version of it.
    """
    address = f"{connection.address}, collection {name}"
    if connection.is_lite and not Path(connection.address).exists():
        return None
    try:
        found = connection.call("describe_collection", collection=name)
    except Refusal as refusal:
        if refusal.code == MISSING:
            return None
        raise SearchError(refusal.message, address) from refusal
    header, dim = _header(found), _dim(found)
    if header is None or dim is None:
        raise SearchError("the collection is not an index of mxnet-audio: choose another name", address)
    if header["format"] > FORMAT:
        raise SearchError(
            f"the collection has the format {header['format']}, this version reads {FORMAT}: upgrade mxnet-audio",
            address,
        )
    try:
        index = connection.call("describe_index", "vector", collection=name) or {}
    except Refusal as refusal:
        if refusal.code != _NO_INDEX:
            raise SearchError(refusal.message, address) from refusal
        index = {}
    known = ("field_name", "index_name", "index_type", "metric_type", "total_rows", "indexed_rows", "state")
    params = {key: value for key, value in index.items() if key not in (*known, "pending_index_rows")}
    return Collection(
        dim, header["metric"], header["model_id"], header["model"], str(index.get("index_type", "")), params
    )


def _header(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what this package stores with a collection; None if it is not there, or damaged."""
    text = (found.get("properties") or {}).get(_PROPERTY) or found.get("description")
    try:
        header = json.loads(text or "")
        whole = type(header["format"]) is int and header["metric"] in METRICS
        named = isinstance(header["model_id"], str | None) and isinstance(header["model"], dict | None)
    except (TypeError, ValueError, KeyError, RecursionError):
        return None
    return header if whole and named else None


def _dim(found: Mapping[str, Any]) -> int | None:
    """Return the size of the vectors; None if the collection has other fields than an index."""
    fields = {field.get("name"): field for field in found.get("fields", ())}
    if set(fields) != set(FIELDS) or not fields["real_path"].get("is_primary"):
        return None
    dim = fields["vector"].get("params", {}).get("dim")
    return int(dim) if dim else None


def create(connection: Connection, name: str, new: Collection) -> None:
    """Create a collection without its index, unless another writer does at the same time; it is read afterwards.

    Raises
    ------
    ParameterError
        If the model is not described by JSON types.
    SearchError
        If the server refuses the collection.
    """
    address = f"{connection.address}, collection {name}"
    pymilvus = package("pymilvus", connection.address)
    header = {"format": FORMAT, "metric": new.metric, "model_id": new.model_id, "model": new.model}
    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(f"model must be a dict of JSON types: {error}") from None
    # Milvus Lite does not keep the description, and not every server shows the properties.
    schema = pymilvus.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True, description=text)
    strings = pymilvus.DataType.VARCHAR
    schema.add_field("real_path", strings, is_primary=True, max_length=65_535)
    schema.add_field("path", strings, max_length=65_535)
    schema.add_field("stamp", strings, max_length=65_535)
    schema.add_field("inserted", pymilvus.DataType.INT64)
    schema.add_field("partition", strings, max_length=255)
    schema.add_field("vector", pymilvus.DataType.FLOAT_VECTOR, dim=new.dim)
    try:
        # Pages of an iteration have the consistency level of the collection, whatever the call says.
        connection.call(
            "create_collection",
            collection=name,
            schema=schema,
            properties={_PROPERTY: text},
            consistency_level="Strong",
        )
    except Refusal as refusal:
        if read(connection, name) is None:
            raise SearchError(f"the collection cannot be created: {refusal.message}", address) from refusal


def create_index(connection: Connection, name: str, new: Collection, index_params: Mapping[str, Any] | None) -> None:
    """Create the index of a collection's vectors, and load it; ParameterError if the server refuses its parameters."""
    params = {**INDEX_TYPES[new.index_type], **(index_params or {})}
    if new.index_type == "IVF_PQ":  # parts of a vector that have a code each: of 4 numbers, or the next possible size
        params.setdefault("m", next(m for m in range(max(1, new.dim // 4), 0, -1) if new.dim % m == 0))
    pymilvus = package("pymilvus", connection.address)
    index = pymilvus.MilvusClient.prepare_index_params()
    index.add_index("vector", index_type=new.index_type, metric_type=METRICS[new.metric], params=params)
    try:
        connection.call("create_index", index, collection=name)
        connection.call("load_collection", collection=name)
    except Refusal as refusal:
        address = f"{connection.address}, collection {name}"
        raise ParameterError(f"index_params are refused by Milvus: {refusal.message}", address) from refusal
