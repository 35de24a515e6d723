"""Every command and every snippet of the README, run in order in a folder of one's own."""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.datasets.synthetic import synthesise
from tests.voices import synthesise_voices

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(?P<note><!-- not run: [^\n]* -->\n)?```(?P<kind>bash|python)\n(?P<text>.*?)```", re.DOTALL)
BLOCKS = [match for match in BLOCK.finditer((ROOT / "README.md").read_text()) if not match["note"]]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with songs/, clip.wav and long.wav, people/, two calls and a list of trials, and a copy of demo/."""
    folder = tmp_path_factory.mktemp("readme")
    pairs = synthesise(folder / "songs", clips_per_class=6, sr=12000, seconds=1.0)
    synthesise(folder / "held-out", clips_per_class=1, seed=1, sr=12000, seconds=1.0)
    shutil.copy(pairs[0][0], folder / "clip.wav")
    sf.write(folder / "long.wav", np.concatenate([sf.read(path)[0] for path, _ in pairs[::6]]), 12000)
    synthesise_voices(folder / "people", takes=12)
    for name, take in (("call", 10), ("other-call", 11)):
        (folder / "people" / "ann" / f"{take}.wav").rename(folder / f"{name}.wav")
    clips = [f"{speaker}/{take}.wav" for speaker in ("ann", "bob", "cem") for take in (8, 9)]
    trials = [f"{int(one[:3] == two[:3])} {one} {two}" for one, two in itertools.combinations(clips, 2)]
    (folder / "trials.txt").write_text("\n".join(trials))
    shutil.copytree(ROOT / "demo", folder / "demo", ignore=shutil.ignore_patterns("output", "models", "very_*"))
    (folder / "demo" / "models").mkdir()
    return folder


def run(command, cwd, env):
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_commands(place):
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    seen = set()
    for block in BLOCKS:
        if block["kind"] != "bash":
            continue
        cwd = place
        for line in block["text"].splitlines():
            words = shlex.split(line, comments=True)
            if words[0] == "cd":
                cwd = cwd / words[1]
            elif words[0] == "make":
                # They make environments; a dry run shows that the target is there.
                assert run(["make", "--dry-run", *words[1:]], ROOT, env)
            else:
                assert words[0] in ("mxnet-audio", "python"), line
                assert run(words, cwd, env), line
            seen.add(words[0])
    assert seen == {"make", "mxnet-audio", "cd", "python"}


def test_snippets(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    shutil.rmtree("models", ignore_errors=True)
    names = {}
    snippets = [block["text"] for block in BLOCKS if block["kind"] == "python"]
    assert len(snippets) == 13
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "(512,)" in printed and "missing.wav: no such file" in printed and "(96, 4" in printed
    assert "prec. at 5" in printed and "(512,)" in printed
    assert "(8, 40, 32) [" in printed and "(8, 10)" in printed and "(2, 1, 63, 64)" in printed
    assert "Verification(score=" in printed and "(128,)" in printed and "3 of one speaker, 12 of two" in printed
    assert "3 ['ann', 'bob', 'cem'] (4800,)" in printed


def test_files_that_it_links_to_are_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


def test_options_of_pip_are_extras_of_the_package():
    named = set(re.findall(r"\.\[([a-z,]+)\]", (ROOT / "README.md").read_text()))
    extras = set(re.findall(r'^    "([a-z]+)": \[', (ROOT / "setup.py").read_text(), re.MULTILINE))
    assert {extra for group in named for extra in group.split(",")} <= extras
