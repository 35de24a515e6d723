"""Tests of the limits and rights of a server."""

from dataclasses import FrozenInstanceError

import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.serve import ServeSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("max_bytes", "max_batch", "queue_size") for value in (0, 1.5, "8", None, True)),
        *(
            (name, value)
            for name in ("max_seconds", "timeout", "upload_timeout")
            for value in (0, -1, float("nan"), "8")
        ),
        ("max_seconds", float("inf")),
        ("timeout", 1e9),
        ("batch_wait", -0.1),
        ("batch_wait", 2),
        ("page", "yes"),
        ("audio_root", "no/such/folder"),
        ("audio_root", 3),
        ("audio_root", ""),
        ("api_key", ""),
        ("api_key", " a"),
        ("api_key", "ключ"),
        ("api_key", "a\nb"),
        ("api_key", b"key"),
        ("allowed_origins", "https://a.example"),
        ("allowed_origins", ["*"]),
        ("allowed_origins", ["a.example"]),
        ("allowed_origins", ["https://a.example/page"]),
        ("allowed_origins", ["file://x"]),
        ("allowed_origins", [None]),
    ],
    ids=str,
)
def test_wrong_values_are_named(name, value):
    with pytest.raises(ParameterError, match=name):
        ServeSettings(**{name: value})


def test_the_root_is_a_real_path(tmp_path):
    (tmp_path / "sounds").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "sounds")
    assert ServeSettings(audio_root=str(tmp_path / "link")).audio_root == (tmp_path / "sounds").resolve()
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match="audio_root must be a folder"):
        ServeSettings(audio_root=tmp_path / "file")


def test_the_key_is_not_shown():
    settings = ServeSettings(api_key="a secret", allowed_origins=["https://a.example:8443"])
    assert "a secret" not in repr(settings)
    assert settings.allowed_origins == ("https://a.example:8443",)
    with pytest.raises(ParameterError) as raised:
        ServeSettings(api_key="secret ")
    assert "secret" not in str(raised.value)


def test_settings_cannot_be_changed():
    settings = ServeSettings(max_seconds=5)
    assert settings.max_seconds == 5.0
    with pytest.raises(FrozenInstanceError):
        settings.max_seconds = 6
