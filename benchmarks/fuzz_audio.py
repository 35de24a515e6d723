"""Damaged sound files of many formats: each must give sound or an error that names it, in bounded memory and time."""

import io
from fractions import Fraction
import numpy as np


def encode(y, sr, container, codec, options=None, delay=0.0, video=False):
    import av

    y = np.atleast_2d(y).astype(np.float32)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(y)]
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        packets = []
        if video:
            picture = output.add_stream("mpeg2video", rate=25)
            picture.width = picture.height = 32
            for i in range(50):
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), i, np.uint8), format="rgb24")
                frame.pts = i
                packets += picture.encode(frame)
            packets += picture.encode(None)
        stream = output.add_stream(codec, rate=sr, layout=layout)
        if codec.startswith("wma"):
            stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(y, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = sr, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            if delay and packet.pts is not None:
                packet.pts += round(delay / packet.time_base)
                packet.dts += round(delay / packet.time_base)
            packets.append(packet)
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * (p.time_base or 0))):
            output.mux(packet)
    return file.getvalue()
