"""Entry point of ``python -m mxnet_audio``: the command ``mxnet-audio``."""

from mxnet_audio.cli import main

main()
