"""Places of files: paths on this machine, and URLs of stores that fsspec reaches."""

from __future__ import annotations

import os
import re

from mxnet_audio.checks import path_argument
from mxnet_audio.errors import ParameterError

__all__ = ["check_url", "display_name", "is_url", "join"]

_URL = re.compile(r"([A-Za-z][\w+.-]+)://")  # one letter would be a drive of Windows
_LOCAL = {"file", "local"}  # fsspec's names of this machine


def is_url(path: str | os.PathLike) -> bool:
    """Return True for a URL, such as ``s3://bucket``.

    Examples
    --------
    >>> is_url("s3://bucket/a.wav"), is_url("songs/a.wav")
    (True, False)
    """
    return _URL.match(os.fspath(path) if isinstance(path, str) else "") is not None


def display_name(url: str) -> str:
    """Return a URL or a path for results and messages: without a password, and of http without the query.

    Examples
    --------
    >>> display_name("https://host/a.wav?X-Amz-Signature=0f3a"), display_name("ftp://ann:secret@host/a.wav")
    ('https://host/a.wav', 'ftp://ann@host/a.wav')
    """
    if not is_url(url):
        return url
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    if scheme in ("http", "https"):
        path = re.split("[?#]", path)[0]
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{slash}{path}"


def check_url(url: str | os.PathLike) -> str:
    """Return an absolute path, also of a ``file://`` URL, or another URL without a slash at its end.

    Raises
    ------
    ParameterError
        If it is no path, is empty, or a URL with a password in it.

    Examples
    --------
    >>> check_url("s3://bucket/songs/"), check_url("file:///data/songs")
    ('s3://bucket/songs', '/data/songs')
    >>> check_url("ftp://ann:secret@host/songs")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: ftp://ann@host/songs: a URL must not hold a password: put it in ...
    """
    path_argument("url", url)
    text = os.fsdecode(url)
    match = _URL.match(text)
    if match is None:
        return os.path.abspath(text)  # noqa: PTH100 - Path.absolute keeps ".."
    if match[1] in _LOCAL:
        return os.path.abspath(text[match.end() :])  # noqa: PTH100
    if ":" in text[match.end() :].partition("/")[0].rpartition("@")[0]:
        reason = f"a URL must not hold a password: put it in the settings of fsspec for {match[1]}"
        raise ParameterError(reason, display_name(text))
    return text.rstrip("/") if len(text.rstrip("/")) >= match.end() else text


def join(folder: str, name: str) -> str:
    """Return the URL or path of a file in a folder.

    Examples
    --------
    >>> join("s3://bucket/vectors/", "part-0.parquet")
    's3://bucket/vectors/part-0.parquet'
    """
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else os.path.join(folder, name)  # noqa: PTH118
