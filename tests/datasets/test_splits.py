"""Test folders and folds that are named like splits."""

from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import datasets
from mxnet_audio.datasets.speakers import speaker_folder
from mxnet_audio.datasets.splits import by_split, canonical_fold
from mxnet_audio.errors import DatasetError, ParameterError

LAYOUTS = {
    "train and test": ("train", "test"),
    "upper case": ("Training", "VAL", "Testing"),
    "one split": ("train",),
    "dev and eval": ("dev", "eval"),
    "folds": ("fold1", "fold_2", "Fold 10"),
    "numbers": tuple(map(str, range(1, 11))),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_labels_are_the_folders_below_those_of_splits(touch, layout, caplog):
    splits = LAYOUTS[layout]
    root = touch(*(f"{split}/{label}/deep/{i}.wav" for split in splits for label in ("dog", "cat") for i in (1, 2)))
    clips = datasets.clips(root)
    assert len(clips) == 4 * len(splits) and [clip.label for clip in clips] == sorted(clip.label for clip in clips)
    for clip in clips:
        fold, label, *_ = Path(clip.path).relative_to(root).parts
        assert (clip.fold, clip.label, clip.group) == (fold, label, clip.path)
    assert datasets.folder(root) == [clip[:2] for clip in clips]
    assert ("lists the splits together" in caplog.text) == (len(by_split(clips)) > 1)
    assert datasets.folder(root, folds=splits[-1]) == [clip[:2] for clip in clips if clip.fold == splits[-1]]
    with pytest.raises(DatasetError, match=f"fold 'Berlin': there are .*{splits[0]}"):
        datasets.folder(root, folds=["Berlin"])


def test_splits_below_the_classes(touch):
    root = touch(*(f"{label}/{split}/1.wav" for split in ("train", "test") for label in ("dog", "cat")))
    assert [(clip.label, clip.fold) for clip in datasets.clips(root)] == [
        *(("cat", "test"), ("cat", "train")),
        *(("dog", "test"), ("dog", "train")),
    ]
    touch("dog/1.wav")  # one clip is in no split
    assert {clip.fold for clip in datasets.clips(root)} == {None}


@pytest.mark.parametrize(
    "files",
    [
        ("train/1.wav", "bus/1.wav", "car/1.wav"),
        ("train/day/1.wav", "bus/day/1.wav", "test/1.wav"),
        ("1/ann/1.wav", "1/bob/1.wav", "2/ann/1.wav"),
        ("0/ann/1.wav", "0/bob/1.wav", "1/ann/1.wav", "1/bob/1.wav"),
        ("1/1.wav", "2/1.wav"),
        ("1/ann/1.wav", "2/ann/1.wav"),
        ("2/ann/1.wav", "2/bob/1.wav", "3/ann/1.wav", "3/bob/1.wav"),
    ],
    ids=["vehicles", "no shared folder", "other speakers", "digits from 0", "flat", "one speaker", "from 2"],
)
def test_classes_with_names_of_splits(touch, files):
    root = touch(*files)
    assert {clip.label for clip in datasets.clips(root)} == {name.split("/")[0] for name in files}
    assert {clip.fold for clip in datasets.clips(root)} == {None}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("train/dog/1.wav", "test/dog/1.wav", "noise/1.wav"), "test, train hold the same .* others: noise"),
        (("train/dog/1.wav", "train/cat/1.wav", "test/1.wav"), "test, train are named like splits.* in test: "),
        (("train/1.wav", "test/1.wav"), "in test, train: "),
        (("fold1/1.wav", "fold2/1.wav"), "in fold1, fold2: .*table"),
        (("train/dog/1.wav", "test/cat/1.wav"), "test, train are named like splits, but share no class folder"),
    ],
    ids=["another folder", "unlabelled test set", "flat", "flat folds", "other classes"],
)
def test_unclear_layouts_are_refused(touch, files, message):
    with pytest.raises(DatasetError, match=message):
        datasets.folder(touch(*files))


def test_empty_splits_and_loose_files_are_left_out(touch, caplog):
    root = touch("train/dog/1.wav", "train/cat/1.wav", "train/loose.wav", "outside.wav")
    (root / "test" / "dog").mkdir(parents=True)
    assert [label for _, label in datasets.folder(root)] == ["cat", "dog"]
    assert "outside.wav" in caplog.text and str(Path("train", "loose.wav")) in caplog.text


def test_linked_splits_and_classes(touch):
    root = touch("store/dog/1.wav", "store/cat/1.wav", "data/train/cat/2.wav")
    (root / "data" / "train" / "dog").symlink_to(root / "store" / "dog")
    (root / "data" / "test").symlink_to(root / "store")
    clips = datasets.clips(root / "data")
    assert [(clip.label, clip.fold) for clip in clips] == [
        *(("cat", "test"), ("cat", "train")),
        *(("dog", "test"), ("dog", "train")),
    ]


def test_speakers_in_splits(touch):
    root = touch("dev/ann/monday/1.wav", "dev/bob/1.wav", "test/eve/1.wav", "test/eve/2.wav")
    found = [(clip.speaker, clip.fold, clip.session != clip.path and clip.session) for clip in speaker_folder(root)]
    assert found == [("ann", "dev", "ann/monday"), ("bob", "dev", False), *[("eve", "test", False)] * 2]


def test_numbers_are_speakers(touch):
    root = touch(*(f"{speaker}/{day}/1.wav" for speaker in (1, 2) for day in ("monday", "tuesday")))
    assert {clip.speaker for clip in speaker_folder(root)} == {"1", "2"}


@pytest.mark.parametrize(
    ("link", "target", "message"),
    [("dog/up", ".", "cat and dog"), ("wolf", "dog", "dog and wolf"), ("cat/more", "dog", "cat and dog")],
    ids=["loop", "other name", "other class"],
)
def test_links_that_put_clips_into_two_classes_are_refused(touch, link, target, message):
    root = touch("dog/1.wav", "cat/1.wav")
    (root / link).symlink_to(root / target)
    with pytest.raises(DatasetError, match=f"class folders {message}: remove it"):
        datasets.folder(root)


@pytest.mark.parametrize("folds", [[], 0j, np.array(1)], ids=["no folds", "complex", "array"])
def test_what_is_no_fold_is_refused(touch, folds):
    root = touch("fold1/dog/1.wav", "fold2/dog/1.wav")
    with pytest.raises(ParameterError, match="folds must be"):
        datasets.folder(root, folds=folds)
    with pytest.raises(ParameterError, match="folds must be"):
        datasets.get("fsdd").pairs(touch("7_theo_12.wav"), folds)


@pytest.mark.parametrize(("folds", "count"), [("training", 1), (["Test"], 1), (("train", "testing"), 2)])
def test_folds_of_a_corpus_have_other_names_too(touch, folds, count):
    assert len(datasets.get("fsdd").pairs(touch("7_theo_12.wav", "7_theo_1.wav"), folds)) == count


def test_names_of_one_split_are_equal():
    assert {canonical_fold(name) for name in ("val", "Valid", "VALIDATION", "dev")} == {"validation"}
    assert {canonical_fold(name) for name in ("fold3", "Fold_03", "3", "03", 3, 3.0)} == {"3"}
    assert canonical_fold("fold" + "1" * 5000) == "1" * 5000 and canonical_fold("fold0") == "0"
