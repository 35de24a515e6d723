from setuptools import find_packages, setup

# Metadata is in pyproject.toml. The lists of data/lists are installed as a package of their own.
setup(
    packages=[*find_packages(include=["mxnet_audio*"]), "mxnet_audio.datasets.lists"],
    package_dir={"mxnet_audio.datasets.lists": "data/lists"},
)
