"""Report: its content, that it needs no other files, and that names in it cannot inject HTML."""

import base64
import io
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from PIL import Image
from scipy.stats import binomtest

from mxnet_audio.errors import DatasetError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.viz import report as report_module
from mxnet_audio.viz.embedded import excerpt
from mxnet_audio.viz.report import write_report


class Page(HTMLParser):
    """HTML page: its tags with their attributes, and its text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.words = [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(" ".join(data.split()))

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def decoded(uri, kind):
    head, data = uri.split(",", 1)
    assert head == f"data:{kind};base64"
    return base64.b64decode(data)


@pytest.fixture(scope="module")
def wrong(corpus):
    """The clips of the corpus, six of them with a wrong label, so that a good classifier makes six mistakes."""
    others = {"low": "high", "high": "noise", "noise": "low"}
    return [(path, others[label] if i < 6 else label) for i, (path, label) in enumerate(corpus)]


@pytest.fixture(scope="module")
def page(model_dir, wrong, tmp_path_factory):
    """The report on these clips and one that cannot be used."""
    classifier, tmp_path = Cifar10AudioClassifier(), tmp_path_factory.mktemp("page")
    classifier.load_model(model_dir)
    bad = tmp_path / "bad.wav"
    bad.write_text("not sound")
    path = write_report(classifier, [*wrong, (str(bad), "low")], tmp_path / "a" / "b", settings={"recipe": "plain"})
    assert path == tmp_path / "a" / "b" / "report.html"
    return Page(path)


def test_measures_are_those_of_evaluate(page, classifier, wrong):
    report = classifier.evaluate(wrong)
    right = int(np.trace(report.confusion))
    interval = binomtest(right, 24).proportion_ci(method="wilson")
    low, high = 100 * interval.low, 100 * interval.high
    line = f"{100 * right / 24:.1f}% ({right} of 24; 95% interval {low:.1f} to {high:.1f}%)"
    assert line in page.text
    assert "24 measured, 1 left out" in page.text and classifier.model_id in page.text
    for row in report.per_class:
        assert f"{row['label']} {row['precision']:.3f} {row['recall']:.3f} {row['f1']:.3f}" in page.text
    assert "recipe plain" in page.text and "n_mels 32" in page.text
    assert "Training, 6 epochs" in page.text
    assert "Clips that could not be used: 1" in page.text and re.search(r"bad\.wav \w", page.text)


def test_the_most_confident_mistakes_come_first_with_spectrogram_and_sound(page, classifier, wrong):
    predictions = classifier.predict_many(path for path, _ in wrong)
    expected = [
        (prediction.probabilities.max(), label, prediction.label)
        for prediction, (_, label) in zip(predictions, wrong)
        if prediction.label != label
    ]
    expected.sort(reverse=True)
    shown = re.findall(r"(\w+) +predicted as +(\w+) *, probability (\d+)%", page.text)
    assert shown == [(label, answer, f"{100 * probability:.0f}") for probability, label, answer in expected[:12]]
    players, pictures = page.all("audio"), [i for i in page.all("img") if i["alt"].startswith("Spectrogram of ")]
    assert len(players) == len(pictures) == len(shown) >= 5
    for player, picture in zip(players, pictures):
        y, sr = sf.read(io.BytesIO(decoded(player["src"], "audio/mpeg")))
        assert sr == 22050 and y.size == pytest.approx(sr, rel=0.1) and 0.05 < y.std() < 0.5
        assert np.std(Image.open(io.BytesIO(decoded(picture["src"], "image/webp")))) > 10


def test_points_of_the_map_name_their_clips(page, corpus):
    titles = re.findall(r"<title>(.*?)</title>", page.source)[1:]
    assert len(titles) == 24
    assert f"All {len(page.all('audio'))} wrong predictions, most confident first." in page.text
    assert sum(", predicted: " in title for title in titles) == len(page.all("audio"))
    assert any(title.startswith("noise/clip 2 é.wav: ") or "clip 2 é.wav: " in title for title in titles)


def test_it_needs_no_other_files(page):
    allowed = ("data:", "#")
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                assert value.startswith(allowed), value
    for url in re.findall(r"url\((.*?)\)", page.source):
        assert url.startswith("#")
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'") and "script" not in policy
    assert all(image.get("alt") for image in page.all("img"))
    assert page.all("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert {a["href"][1:] for a in page.all("a")} <= set(ids)


NASTY = "<img src=x onerror=alert(1)>\"'&{{ 7*7 }}$\\bad$"


def test_names_and_labels_inject_no_html(tmp_path, options):
    rng, pairs = np.random.default_rng(0), []
    labels = [f"<script>alert(1)<{chr(0x2F)}script>", NASTY]
    for i in range(8):
        path = tmp_path / f"{i}<svg onload=alert(2)>--><!--\x01\udcff.wav"
        with path.open("wb") as file:
            sf.write(file, rng.normal(0, 0.1, 6000), 12000, format="WAV")
        pairs.append((str(path), labels[i % 2]))
    classifier = Cifar10AudioClassifier()
    quick = {**options, "epochs": 1, "nb_classes": 2, "input_shape": (1, 32, 16)}
    classifier.fit(pairs, tmp_path / "model", **quick)
    page = Page(write_report(classifier, pairs, tmp_path / "report", settings={NASTY: NASTY}))
    test_it_needs_no_other_files(page)
    assert len(page.all("audio")) > 0
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "svg onload"} and len(page.all("svg")) == 1
    assert "onload" not in page.all("svg")[0]
    assert f"{' '.join(NASTY.split())} {' '.join(NASTY.split())}" in page.text  # literal, not evaluated
    assert "<svg onload=alert(2)>--><!--\ufffd\ufffd.wav" in " ".join(image["alt"] for image in page.all("img"))


def test_a_classifier_without_mistakes(classifier, corpus, tmp_path):
    pairs = [(path, classifier.predict_class(path)) for path, _ in corpus[:1]]
    page = Page(write_report(classifier, pairs, tmp_path))
    assert "None: every prediction is correct." in page.text
    assert "Map of the embeddings" not in page.text  # one clip has no map
    assert "100.0% (1 of 1; 95% interval 20.7 to 100.0%)" in page.text


def test_everything_is_computed_once_and_only_for_these_clips(classifier, corpus, tmp_path, monkeypatch):
    forward, seen = classifier._forward, []
    monkeypatch.setattr(classifier, "_forward", lambda x: seen.append(len(x)) or forward(x))
    classifier.skipped = [("of another corpus.wav", ModelError("silent"))]
    page = Page(write_report(classifier, corpus, tmp_path))
    assert sum(seen) == 2 * len(corpus) == 48  # two parts of each
    assert "24 measured, 0 left out" in page.text and "another corpus" not in page.text
    assert "solid on held-out clips" in page.text


def test_curves_without_held_out_clips_do_not_mention_them(classifier, corpus, tmp_path):
    classifier.model.history = {"loss_train": [1.0], "loss_test": [], "acc_train": [0.5], "acc_test": []}
    page = Page(write_report(classifier, corpus[:4], tmp_path))
    assert "dashed on training clips." in page.text
    assert "Loss and accuracy on training clips over 1 epochs" in [image["alt"] for image in page.all("img")]


@pytest.mark.parametrize("crop", ["start", "middle"])
def test_the_excerpt_is_the_part_that_the_network_takes(crop):
    config = AudioFeatureConfig(type="fbank", sr=16000, crop=crop)
    part = report_module._part(SimpleNamespace(feature_config=config, views=1))
    assert part == crop
    loud = {"start": slice(0, 160_000), "middle": slice(160_000, 320_000)}[crop]
    y = np.zeros(480_000, np.float32)
    y[loud] = np.sin(np.arange(160_000) / 10)
    played, sr = excerpt((y, 16000), 10, part)
    assert len(played) == 10 * sr and played.std() == pytest.approx(0.5**0.5, rel=0.05)


def test_size_is_bounded(classifier, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "MAX_MISTAKES", 2)
    monkeypatch.setattr(report_module, "MAX_POINTS", 7)
    monkeypatch.setattr(report_module, "MAX_SKIPPED", 1)
    rng = np.random.default_rng(0)
    bad = [(str(tmp_path / f"{i}.wav"), "low") for i in range(3)]
    long = [((rng.normal(0, 0.1, 480_000).astype("f4"), 16000 + i), "low") for i in range(4)]  # half a minute of noise
    page = Page(write_report(classifier, [*corpus, *bad, *long], tmp_path))
    assert len(page.all("audio")) == 2 and page.source.count("<title>") == 1 + 7
    assert re.search(r"The 2 of \d+ wrong predictions with the highest probability\.", page.text)
    assert "Clips that could not be used: 3 ; the first 1" in page.text.replace("3;", "3 ;")
    assert page.source.count('<tr><td class="file">') == 1
    y, sr = sf.read(io.BytesIO(decoded(page.all("audio")[0]["src"], "audio/mpeg")))
    assert y.size / sr == pytest.approx(10, abs=0.1)
    assert len(page.source) < 2e6


def test_bad_labels_clips_and_directories(classifier, corpus, tmp_path):
    with pytest.raises(DatasetError, match="cow"):
        write_report(classifier, [(corpus[0][0], "cow")], tmp_path / "new")
    with pytest.raises(DatasetError, match="1 files"):
        write_report(classifier, [(str(tmp_path / "missing.wav"), "low")], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="file"):
        write_report(classifier, corpus, tmp_path / "file")
    (tmp_path / "report.html").mkdir()  # found when the page is written
    with pytest.raises(ModelError, match="Is a directory"):
        write_report(classifier, corpus[:1], tmp_path)
    with pytest.raises(ModelError, match="no model yet"):
        write_report(Cifar10AudioClassifier(), corpus, tmp_path / "new")
    assert not (tmp_path / "new").exists()
