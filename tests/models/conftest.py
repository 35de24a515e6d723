"""Small networks, for tests of what does not depend on the number of filters and blocks."""

import pytest

from mxnet_audio.engine import gluon
from mxnet_audio.models import MusicnnNet, MusicnnVggNet, YamnetNet, ecapa_tdnn, musicnn, musicnn_vgg, yamnet

MUSICNN = {"TIMBRAL_FILTERS": 16, "TEMPORAL_FILTERS": 16, "FRONT_CHANNELS": 80, "MIDDLE_FILTERS": 16, "MAPS": 128}
RESNET18 = "basic_block", [2, 1, 1, 1], [16, 16, 32, 64, 128]  # kind and number of blocks, and their filters


@pytest.fixture
def few_filters(monkeypatch):
    """Narrow and shorten the networks that take most of the time; the vectors of the published ones become shorter."""
    for name, size in MUSICNN.items():  # multiples of 16, which oneDNN is fast with
        monkeypatch.setattr(musicnn, name, size)
    monkeypatch.setattr(MusicnnNet, "layer_dims", (128, 200))
    monkeypatch.setattr(musicnn_vgg, "CHANNELS", 16)
    monkeypatch.setattr(musicnn_vgg, "OUTPUTS", 32)
    monkeypatch.setattr(MusicnnVggNet, "layer_dims", (32,))
    monkeypatch.setattr(yamnet, "STEM_CHANNELS", 16)
    monkeypatch.setattr(yamnet, "BLOCKS", [(min(channels // 4, 128), stride) for channels, stride in yamnet.BLOCKS])
    monkeypatch.setattr(YamnetNet, "layer_dims", (128,))
    monkeypatch.setattr(ecapa_tdnn, "CHANNELS", 64)
    monkeypatch.setattr(ecapa_tdnn, "BLOCKS", ecapa_tdnn.BLOCKS[:2])
    monkeypatch.setitem(gluon.model_zoo.vision.resnet.resnet_spec, 18, RESNET18)
