"""Install mxnet-audio; ``pip install .[av,annoy]`` adds the optional decoders and engines.

MXNet 1.9.1 runs on CPython 3.10 to 3.12, and comes along there. On later ones it stays away, and NumPy is a newer one:
``pip install .[runtime]`` is then all that exported models, features, data sets and search need. To leave MXNet out on
the older ones too, use ``--no-deps``, and see `mxnet_audio.inference.onnx_classifier` for what to install beside it.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "mxnet_audio" / "__init__.py").read_text()).group(1)

EXTRAS = {
    "av": ["av>=14"],
    "annoy": ["annoy>=1.17.3"],
    "onnx": ["onnx>=1.16,<1.18"],  # MXNet's exporter imports onnx.mapping
    "runtime": ["onnxruntime>=1.19"],
    "tensorboard": ["tensorboardX>=2.6.2"],
    "tables": ["datasets>=3.6", "pandas>=2.2", "pyarrow<26"],  # later ones of pandas and pyarrow need NumPy 2
    "dev": [
        "datasets>=3.6",
        "hypothesis>=6.150",
        "onnx>=1.16,<1.18",  # MXNet's exporter imports onnx.mapping
        "onnxruntime>=1.19",
        "pandas>=2.2",
        "pyarrow<26",  # later ones need NumPy 2
        "pytest>=8.4",
        "pytest-timeout>=2.3",
        "ruff==0.17.5",
        "tensorboardX>=2.6.2",
    ],
}

setup(
    name="mxnet-audio",
    version=VERSION,
    description="Classify, embed and search sound with MXNet Gluon",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=[*find_packages(include=["mxnet_audio", "mxnet_audio.*"]), "mxnet_audio.datasets.lists"],
    package_dir={"mxnet_audio.datasets.lists": "data/lists"},
    package_data={"mxnet_audio.datasets.lists": ["*.txt"], "mxnet_audio.viz": ["templates/*.html"]},
    python_requires=">=3.10",
    install_requires=[
        "audioread>=3.0",
        "filelock>=3.12",
        "jinja2>=3.1",
        "joblib>=1.4",
        "lazy_loader>=0.4",
        "librosa>=0.10.2",
        "matplotlib>=3.8",
        "mxnet==1.9.1; python_version < '3.13'",
        "numpy>=1.24,<2; python_version < '3.13'",  # later ones lack what MXNet asks for
        "numpy>=2.1; python_version >= '3.13'",
        "platformdirs>=4",
        "pooch>=1.8",
        "pydantic>=2.7,<3",
        "pyyaml>=6",
        "requests>=2.28",
        "safetensors>=0.5",
        "scikit-learn>=1.4",
        "scipy>=1.11,<2",
        "setuptools; python_version == '3.12'",  # lends MXNet the distutils that Python dropped
        "soundfile>=0.13",
        "soxr>=0.4",
        "threadpoolctl>=3.1",
        "tqdm>=4.66",
        "typer>=0.12",
        "voyager>=2.1",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["mxnet-audio=mxnet_audio.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: MIT License",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
    ],
)
