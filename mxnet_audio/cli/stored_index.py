"""Selection of the index that a command works on: a folder, or a collection on a Milvus server."""

from __future__ import annotations

import contextlib
import os
import shlex
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import typer

from mxnet_audio.cli.options import INDEX
from mxnet_audio.cli.output import print_message
from mxnet_audio.errors import SearchError

if TYPE_CHECKING:
    from mxnet_audio.library.search import AudioSearch
    from mxnet_audio.search.milvus import MilvusIndex

    Search = TypeVar("Search", bound=AudioSearch)

__all__ = [
    "COLLECTION",
    "URI_HELP",
    "Collection",
    "Engine",
    "EngineName",
    "IndexFolder",
    "Partition",
    "ServerCollection",
    "StoredIndex",
    "Uri",
    "Where",
    "find_index",
]

COLLECTION = "sounds"
TOKEN = "MXNET_AUDIO_MILVUS_TOKEN"  # the words of a command can be read by everybody on the machine


class Engine(str, Enum):
    """Engines that keep an index outside a folder."""

    milvus = "milvus"


EngineName = Annotated[
    Engine | None,
    typer.Option("--engine", help="Engine of an index on a server, which --uri names. [default: an index in a folder]"),
]
URI_HELP = (
    "Address of a Milvus server, such as http://localhost:19530, or a file of Milvus Lite, such as songs.db. A token, "
    f"if the server needs one, is taken from the environment variable {TOKEN}."
)
Uri = Annotated[str | None, typer.Option("--uri", metavar="URI", help=URI_HELP)]
Collection = Annotated[str, typer.Option("--collection", metavar="NAME", help="Collection on the server.")]
Partition = Annotated[
    str | None,
    typer.Option(
        "--partition",
        metavar="NAME",
        help="Partition of the collection, searched, and given to new files. [default: all; Milvus's own]",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Condition on the data that a server keeps with each file, such as 'year > 1990'.",
    ),
]


@dataclass(frozen=True)
class IndexFolder:
    """Index in a folder."""

    path: Path

    def __str__(self) -> str:
        return os.fspath(self.path)

    @property
    def fields(self) -> dict[str, Any]:
        """Entries of a JSON document that name the index."""
        return {"index": self.path}

    @property
    def words(self) -> str:
        """Words of a command that name the index, after a space."""
        return "" if self.path == INDEX else f" --index {shlex.quote(str(self))}"

    @property
    def save_dir(self) -> Path | None:
        """Folder that added files are saved in."""
        return self.path

    def warn_if_among_sounds(self) -> None:
        """Print a note if a new index would be written to a folder of sound files."""
        from mxnet_audio.audio.find import is_sound_name

        with contextlib.suppress(OSError):  # there is no such folder; other errors are those of saving
            if any(is_sound_name(file.name) for file in self.path.iterdir()) and not self.exists():
                print_message(f"{self} holds sound files: the new index is saved beside them; --index names its folder")

    def exists(self) -> bool:
        """Return True if there is an index."""
        from mxnet_audio.search.store import has_index

        return has_index(self.path)

    def model(self) -> dict[str, Any] | None:
        """Return the description of the index's model, which older ones lack; SearchError if there is no index."""
        from mxnet_audio.search.store import read_manifest

        return read_manifest(self.path)["model"]

    def new(self, kind: type[Search], **model: Any) -> Search:
        """Return a search that adds files."""
        return kind(**model)

    def open(self, kind: type[Search], **model: Any) -> Search:
        """Return a search of the index; SearchError if there is none."""
        search = kind(**model)
        search.load(self.path)
        return search

    def save(self, search: AudioSearch) -> None:
        """Save what a search has changed."""
        search.save(self.path)


@dataclass(frozen=True)
class ServerCollection:
    """Collection on a server, which holds each change at once."""

    uri: str
    collection: str
    partition: str | None = None

    def __str__(self) -> str:
        return f"{self.collection} of {self.index.address}"

    @property
    def options(self) -> dict[str, Any]:
        """Arguments that name the collection."""
        return {"uri": self.uri, "collection": self.collection, "token": os.environ.get(TOKEN)}

    def connect(self, **options: Any) -> MilvusIndex:
        """Return the collection as an index; nothing is asked of the server yet."""
        from mxnet_audio.search.milvus import MilvusIndex

        return MilvusIndex(**self.options, **options)

    @cached_property
    def index(self) -> MilvusIndex:
        """Collection as an index, which the properties here ask."""
        return self.connect()

    @property
    def fields(self) -> dict[str, Any]:
        """Entries of a JSON document that name the index."""
        return {"index": self.index.address, "collection": self.collection}

    @property
    def words(self) -> str:
        """Words of a command that name the collection, after a space; the address without credentials."""
        return f" --uri {shlex.quote(self.index.address)} --collection {self.collection}"

    @property
    def save_dir(self) -> Path | None:
        """Folder that added files are saved in: none."""
        return None

    def exists(self) -> bool:
        """Return True if there is such a collection; SearchError if the server does not answer."""
        return self.index.dim is not None

    def model(self) -> dict[str, Any] | None:
        """Return the description of the collection's model; SearchError if there is no collection."""
        if not self.exists():
            raise SearchError(f"there is no collection {self.collection!r}", self.index.address)
        return self.index.model

    def new(self, kind: type[Search], **model: Any) -> Search:
        """Return a search that adds files."""
        return kind(**model, **self.options, engine="milvus", partition=self.partition)

    def open(self, kind: type[Search], **model: Any) -> Search:
        """Return a search of the collection; SearchError if there is none."""
        self.model()
        return self.new(kind, **model)

    def save(self, search: AudioSearch) -> None:
        """Do nothing: the changes are in the collection."""


StoredIndex: TypeAlias = IndexFolder | ServerCollection


def find_index(
    index_dir: Path,
    engine: Engine | None,
    uri: str | None,
    collection: str,
    partition: str | None = None,
    where: str | None = None,
) -> StoredIndex:
    """Return the index that the options of a command name, of which some are for a server only."""
    if uri is None:
        if engine is not None:
            raise typer.BadParameter("needs the address of the server: --uri", param_hint="--engine")
        options = ("--collection", collection != COLLECTION), ("--partition", partition), ("--where", where)
        if given := [option for option, value in options if value]:
            raise typer.BadParameter("only with an index on a server: --uri", param_hint=" and ".join(given))
        return IndexFolder(index_dir)
    if index_dir != INDEX:
        raise typer.BadParameter("not with --uri, which names an index on a server", param_hint="--index")
    return ServerCollection(uri, collection, partition)
