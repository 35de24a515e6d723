"""``speaker evaluate``."""

import itertools
import shutil

import pytest


def test_trials(run, run_json, people, silence, model, tmp_path):
    names = [f"{name}/{take}.wav" for name in ("ann", "bob", "cem") for take in (5, 6, 7)]
    lines = [f"{int(one[:3] == two[:3])} {one} {two}" for one, two in itertools.combinations(names, 2)]
    trials = tmp_path / "trials.txt"
    trials.write_text("\n".join(lines))
    document = run_json("speaker", "evaluate", trials, "--root", people, *model)
    assert (document["n_target"], document["n_impostor"], document["skipped"]) == (9, 27, [])
    assert document["eer"] <= 0.1 and document["tar_at_far"].keys() == {"0.1"} and "threshold" in document
    # Without --root, paths are relative to the list's folder.
    folder = shutil.copytree(people, tmp_path / "people")
    shutil.copy(silence, folder / "silence.wav")
    (folder / "trials.txt").write_text("\n".join([*lines, "0 ann/5.wav silence.wav"]))
    result = run("speaker", "evaluate", folder / "trials.txt", *model, code=1)
    assert result.stdout.startswith(f"equal error rate      {document['eer']:.3f}")
    assert "silence.wav" in result.stderr and "1 skipped" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 ann/0.wav ann/1.wav\n0 ann/0.wav cem/99.wav\n", "99.wav"),
        ("1 ann/0.wav ann/1.wav\n2 ann/0.wav bob/0.wav\n", "line 2"),
        ("1 ann/0.wav\n", "line 1"),
        ("1 ann/0.wav ann/1.wav\n", "label 1"),
        ("\n", "trials.txt"),
    ],
    ids=["missing", "label", "fields", "one kind", "empty"],
)
def test_wrong_list(run, people, model, tmp_path, text, message):
    (tmp_path / "trials.txt").write_text(text)
    words = ("speaker", "evaluate", tmp_path / "trials.txt", "--root", people, *model)
    result = run(*words, "--json", code=1)
    assert result.stdout == "" and result.stderr.splitlines()[-1].startswith("error: ")
    assert message in result.stderr
