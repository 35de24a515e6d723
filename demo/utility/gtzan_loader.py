"""Compute the features of GTZAN's clips, or of your own folder (--data DIR), before training.

This is optional: training computes the features that are not cached yet. The cache serves cifar10_train.py and
resnet_v2_train.py with the same arguments.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import arguments, clips, training_options

from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.inputs import features_for_shape, network_input

args = arguments(__doc__, epochs=50)
pairs = clips(args) if args.data else clips(args) + clips(args, "valid")
input_shape = training_options(args, Cifar10AudioClassifier, seconds=29.12)["input_shape"]
transforms = network_input(features_for_shape("cifar10", input_shape))
dataset = AudioDataset([path for path, _ in pairs], [label for _, label in pairs], transforms=transforms)
cached = 0
for _, _, error in AudioLoader(dataset, args.batch_size, mode="lazy_cached").samples():
    if error is None:
        cached += 1
    else:
        print(f"left out: {error}")
print(f"cached the features of {cached} clips")
