"""Paths and URLs."""

import pytest

from mxnet_audio.cluster import storage
from mxnet_audio.cluster.urls import check_url
from mxnet_audio.errors import ParameterError


def test_wrong_urls():
    for url in ("", None, "a\0b", 3):
        with pytest.raises(ParameterError):
            check_url(url)
    with pytest.raises(ParameterError) as caught:
        storage.find_sounds(["ftp://ann:secret@host/songs"])
    assert "secret" not in str(caught.value) and "ann@host" in str(caught.value)
    with pytest.raises(ParameterError):
        storage.find_sounds("songs")
    assert check_url("abfs://container@account/x") == "abfs://container@account/x"
    assert check_url("memory://") == "memory://"
