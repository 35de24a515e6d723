"""Decoder by soundfile: formats that it cannot seek in."""

import io

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "MS_ADPCM", "IMA_ADPCM", "ULAW"])
def test_parts_of_telephone_recordings_equal_those_of_the_whole(subtype):
    file = io.BytesIO()
    sf.write(file, 0.1 * np.random.default_rng(0).standard_normal(24000), 8000, format="WAV", subtype=subtype)
    whole, _ = audio.load(file)
    for offset in (0.1, 1.234, 2.9):
        start = round(offset * 8000)
        np.testing.assert_array_equal(audio.load(file, offset=offset, duration=0.1)[0], whole[start : start + 800])
