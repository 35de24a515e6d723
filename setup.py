from setuptools import find_packages, setup

# Metadata is in pyproject.toml. These folders of the repository are installed as packages of their own.
DATA = {"mxnet_audio.datasets.lists": "data/lists", "mxnet_audio.library.esc10": "demo/models/esc10"}

setup(packages=[*find_packages(include=["mxnet_audio*"]), *DATA], package_dir=DATA)
