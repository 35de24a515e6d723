"""Calls of the first mxnet-audio's scripts, run from the folder demo/, and names of the command line."""

import re

import numpy as np
import pytest
import soundfile as sf

from tests.demo_scripts import DEMO, copy_demo, run_script

ROOT = DEMO.parent

LOADER = """
from random import shuffle
import mxnet
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier, Cifar10AudioSearch, Cifar10AudioRecommender
from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier
from mxnet_audio.library.utility.gtzan_loader import download_gtzan_genres_if_not_found, gtzan_labels


def load_audio_path_label_pairs(max_allowed_pairs=None):
    download_gtzan_genres_if_not_found('./very_large_data/gtzan')
    audio_paths = []
    with open('./data/lists/test_songs_gtzan_list.txt', 'rt') as file:
        for line in file:
            audio_paths.append('./very_large_data/' + line.strip())
    pairs = []
    with open('./data/lists/test_gt_gtzan_list.txt', 'rt') as file:
        for line in file:
            label = int(line)
            if max_allowed_pairs is None or len(pairs) < max_allowed_pairs:
                pairs.append((audio_paths[len(pairs)], label))
            else:
                break
    return pairs
"""

TRAIN = """
audio_path_label_pairs = load_audio_path_label_pairs()
shuffle(audio_path_label_pairs)
print('loaded: ', len(audio_path_label_pairs))
classifier = Cifar10AudioClassifier(model_ctx=mxnet.cpu(0), data_ctx=mxnet.cpu(0))
batch_size = 8
epochs = 2
history = classifier.fit(audio_path_label_pairs, model_dir_path='./models', batch_size=batch_size, epochs=epochs,
                         checkpoint_interval=2)
"""

PREDICT = """
pairs = [pair for pair in load_audio_path_label_pairs() if mxnet_audio_exists(pair[0])]
classifier = Cifar10AudioClassifier()
classifier.load_model(model_dir_path='./models')
for audio_path, label in pairs:
    predicted_label_id = classifier.predict_class(audio_path)
    print(audio_path, 'predicted: ', gtzan_labels[predicted_label_id], 'actual: ', gtzan_labels[label])
    print('audio-to-vec: ', classifier.encode_audio(audio_path))
"""

SEARCH = """
search_engine = Cifar10AudioSearch()
search_engine.load_model(model_dir_path='./models')
for path, _ in [pair for pair in load_audio_path_label_pairs() if mxnet_audio_exists(pair[0])]:
    search_engine.index_audio(path)
for result in search_engine.query('./data/audio_samples/example.mp3', top_k=10):
    print('similar: %s' % (result,))
recommender = Cifar10AudioRecommender()
recommender.load_model(model_dir_path='./models')
for path, _ in [pair for pair in load_audio_path_label_pairs() if mxnet_audio_exists(pair[0])]:
    recommender.index_audio(path)
recommender.track(search_engine.query('./data/audio_samples/example.mp3', top_k=1)[0].path)
for path, score in recommender.recommend(limits=10):
    print('recommended:', path)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Copy of demo/ with two short clips of each genre of GTZAN, among the 1,000 that are listed."""
    demo = copy_demo(tmp_path_factory.mktemp("clone"))
    rng = np.random.default_rng(0)
    genres = demo / "very_large_data" / "gtzan" / "genres"
    t = np.arange(6000) / 12000
    for number, line in enumerate((DEMO / "data" / "lists" / "test_songs_gtzan_list.txt").read_text().split()):
        if number % 100 < 2:
            path = demo / "very_large_data" / line
            path.parent.mkdir(parents=True, exist_ok=True)
            tone = np.sin(2 * np.pi * 150 * 1.4 ** (number // 100) * t)
            sf.write(path, 0.5 * tone + 0.02 * rng.standard_normal(t.size), 12000, format="AU", subtype="PCM_16")
    (genres.parent / "genres_done.txt").write_text("done\n")
    return demo


def test_scripts_of_the_first_readme_run_from_demo(clone, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run_script("make_example.py", demo=clone)
    monkeypatch.chdir(clone)
    names = {"mxnet_audio_exists": lambda path: (clone / path).exists()}
    for text in (LOADER, TRAIN, PREDICT, SEARCH):
        exec(compile(text, "script.py", "exec"), names)
    output = capsys.readouterr().out
    assert "loaded:  1000" in output and set(names["history"]) == {"loss_train", "loss_test", "acc_train", "acc_test"}
    assert len(re.findall("predicted:  .* actual:  ", output)) == 20
    assert output.count("similar: ") == 10 and output.count("recommended:") == 10
    assert (clone / "models" / "cifar10.json").is_file()


@pytest.mark.parametrize("name", ["test_songs_gtzan_list.txt", "test_gt_gtzan_list.txt"])
def test_lists_in_demo_are_copies(name):
    assert (DEMO / "data" / "lists" / name).read_bytes() == (ROOT / "data" / "lists" / name).read_bytes()


def test_example_is_synthesised_and_stays_out_of_the_repository(clone):
    output = run_script("make_example.py", demo=clone)
    path = clone / "data" / "audio_samples" / "example.mp3"
    assert str(path) in output and 9 < sf.info(path).duration < 11
    assert "demo/data/audio_samples/" in (ROOT / ".gitignore").read_text().splitlines()


def test_scripts_of_the_first_readme_are_there():
    for network in ("cifar10", "resnet_v2"):
        for task in ("train", "predict", "encode_audio", "search_music", "recommend_music"):
            assert (DEMO / f"{network}_{task}.py").is_file()
    for name in ("compare_models.py", "utility/gtzan_loader.py"):
        assert (DEMO / name).is_file()


def test_example_of_gluonar():
    """``examples/speaker_recognition/deploy.py`` is ``speaker_verify.py``."""
    assert "--models" in run_script("speaker_verify.py", "--help")
    assert "speaker_verify.py" in (DEMO / "README.md").read_text()
