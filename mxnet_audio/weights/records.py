"""Descriptions of published weights and of the files that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mxnet_audio.checks import one_of
from mxnet_audio.weights.embeddings import split_embedding

__all__ = ["Package", "PublishedFile", "Record"]


@dataclass(frozen=True)
class PublishedFile:
    """File of published weights.

    Attributes
    ----------
    name : str
    size : int [bytes] or None
        None if it is not known.
    sha256 : str
        Empty if it is not known.
    urls : tuple of str
        Addresses in the order in which they are tried; none if a package holds the file.
    md5 : str
        MD5 that other projects compare the file with, if its SHA-256 is not known; empty if none is known either.
    """

    name: str
    size: int | None
    sha256: str = ""
    urls: tuple[str, ...] = ()
    md5: str = ""

    @property
    def hash(self) -> str | None:
        """Hash that the file is compared with, ``'sha256:…'`` or ``'md5:…'``; None if none is known."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return f"md5:{self.md5}" if self.md5 else None


@dataclass(frozen=True)
class Package:
    """Python package that holds published weights. It is never imported.

    Attributes
    ----------
    distribution, version : str
        Name and version on PyPI.
    folder : str
        Folder of the files, in the folder that packages are installed in.
    """

    distribution: str
    version: str
    folder: str

    @property
    def command(self) -> str:
        """Command that installs it; its own requirements are not needed."""
        return f"pip install --no-deps {self.distribution}=={self.version}"


@dataclass(frozen=True)
class Record:
    """Published weights, described.

    Attributes
    ----------
    name : str
    network : str
        Name of the network in `mxnet_audio.models`.
    domain : str
        ``'sound'``, ``'music'``, ``'speech'`` or ``'voice'`` (who speaks).
    summary : str
        One line on what they are trained on.
    front_end : str
        Features that the network takes.
    embeddings : mapping of str to int
        Number of elements of each embedding; of weights on the hub, of the default embedding of `repository`.
    embedding : str
        The embedding that is used if none is chosen.
    files : tuple of PublishedFile
        Empty for weights on the hub.
    licence, citation : str
        Licence as the publisher states it, and BibTeX.
    package : Package or None
        The package that holds the files.
    n_tags : int
        Number of classes of the last layer; 0 if there is none. Of weights on the hub, that of `repository`.
    tags : tuple of str
        The classes, unless the published file lists them.
    tag_list : str
        Name of the list of classes inside the published file.
    remark : str
        Note on the licence.
    repository : str
        Name on the Hugging Face hub, ``'owner/name'``, of weights that are there; used if no other one is chosen.
    other_repositories : tuple of str
        Examples of others of the same kind.
    model_type : str
        Type of the model in its ``config.json``; empty if there is none.
    weight_files : tuple of str
        Files of a model on the hub that can hold the tensors: the first that exists is read.
    reductions : tuple of str
        Reductions over time, of networks whose embeddings are named by layer and reduction, see `split_embedding`.
    parameters : int
        Number of published numbers, where the sizes of the files are not known.
    """

    name: str
    network: str
    domain: str
    summary: str
    front_end: str
    embeddings: Mapping[str, int]
    embedding: str
    files: tuple[PublishedFile, ...]
    licence: str
    citation: str
    package: Package | None = None
    n_tags: int = 0
    tags: tuple[str, ...] = field(default=(), repr=False)
    tag_list: str = ""
    remark: str = ""
    repository: str = ""
    other_repositories: tuple[str, ...] = ()
    model_type: str = ""
    weight_files: tuple[str, ...] = ()
    reductions: tuple[str, ...] = ()
    parameters: int = 0

    @property
    def command(self) -> str:
        """Command that gets the files, with a network."""
        return self.package.command if self.package else f"mxnet-audio models download {self.name}"

    @property
    def size(self) -> int:
        """Size of all files [bytes]; see `size_is_exact`."""
        return 4 * self.parameters or sum(file.size or 0 for file in self.files)

    @property
    def size_is_exact(self) -> bool:
        """True if the size is that of the files; otherwise it is that of their numbers as float32."""
        return not self.parameters

    @property
    def size_text(self) -> str:
        """Size of all files in words.

        Examples
        --------
        >>> from mxnet_audio.weights import record
        >>> record("yamnet").size_text, record("wav2vec2").size_text
        ('4.1 MB', 'about 380 MB')
        """
        size = self.size / 1e6
        return f"{size:.1f} MB" if self.size_is_exact else f"about {float(f'{size:.2g}'):g} MB"

    @property
    def width(self) -> int:
        """Number of elements of the default embedding."""
        return self.embeddings[self.embedding]

    def check_embedding(self, name: Any, argument: str = "embedding") -> str:
        """Return the name of an embedding if these weights can have it.

        Whether there is a layer of this number is known once the weights are loaded.

        Parameters
        ----------
        name : str
            One of `embeddings`; or, of networks with `reductions`, a name as of `split_embedding`.
        argument : str
            Name of the argument, for the message.

        Returns
        -------
        str

        Raises
        ------
        ParameterError
            If it is no such name.

        Examples
        --------
        >>> from mxnet_audio.weights import record
        >>> record("yamnet").check_embedding("mean_std"), record("hubert").check_embedding("6:max")
        ('mean_std', '6:max')
        """
        if not self.reductions:
            return one_of(argument, name, tuple(self.embeddings))
        split_embedding(name, self.reductions, argument)
        return name

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON's own types."""
        computed = {name: getattr(self, name) for name in ("size", "size_is_exact", "size_text", "width", "command")}
        return asdict(self) | computed
