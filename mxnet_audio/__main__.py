"""``python -m mxnet_audio`` is the command ``mxnet-audio``."""

from mxnet_audio.cli import main

main()
