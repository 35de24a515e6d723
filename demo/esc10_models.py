"""Train the models in the box, demo/models/esc10, on four folds of ESC-10, and write their card and ONNX files.

First measure them: ``python benchmarks/accuracy.py esc10 --output RUNS`` leaves one fold out after the other. This
program reads those figures and settings from RUNS, and trains with the same settings on all clips, none held out.
"""

import argparse
import csv
import json
import shutil
from collections import Counter
from pathlib import Path

from mxnet_audio import __version__
from mxnet_audio.library import BUNDLED_MODELS, classifiers
from mxnet_audio.training import RECIPES, Recipe

SEED = 0
CARD = """# Models in the box: ten environmental sounds

Trained by mxnet-audio {version} (`python demo/esc10_models.py`) to tell {labels}.
`mxnet-audio predict clip.wav` takes `cifar10` of them where there is no folder `models`; `--model-dir {box}`
with `--network NAME` takes another, and `--model-dir {box}/NAME.onnx` its ONNX file, which takes samples and
needs no MXNet.

| network | input | leave one fold out | over folds, seeds | precision at 5 | minutes a run | plain recipe |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

**Figures.** Accuracy on clips of folds that the network was not trained on: each of the four folds once, with
{seeds}, the parameters that training ends with; mean, and standard deviation over the folds' means and over the
seeds' means. Precision at 5: share of the query's class among its five nearest training clips. Minutes: one run on
one thread, other work beside it. The plain recipe (Adam, constant rate) has a column of its own. The models here
were then trained on all four folds, so no clip of these measures them: fold 5 of ESC-10, which was never used,
would. Human listeners reach 0.957 (Piczak, 2015). How the recipe was chosen is told in [README.md](../../../README.md).

**Data.** {clips} clips of 5 s of ESC-10, folds 1 to 4: K. J. Piczak, *ESC: Dataset for Environmental Sound
Classification*, ACM MM 2015, <https://github.com/karolpiczak/ESC-50>. The set is under CC BY 3.0; its clips are from
freesound.org, under {licences}. [ATTRIBUTION.csv](ATTRIBUTION.csv) names the author, source and
licence of each. No recording is in this repository; the models are offered under the project's licence (MIT) with that
attribution.

**Recipe.**
{recipe}

**Limits.** Ten classes and nothing else: any sound gets one of these labels, speech and music too. Trained on clips of
5 s that hold one sound each; longer files are judged by their middle. 320 clips are few: expect less on other
microphones and places. Not for decisions about people or safety.
"""


def figures(runs, network):
    """What `cross_validate` kept."""
    return json.loads((runs / network / "cross_validation.json").read_text(encoding="utf-8"))


def seeds_of(found):
    """With how many seeds it was measured, in words."""
    seeds = len({run["seed"] for run in found["runs"]})
    return f"{seeds} seeds" if seeds > 1 else "one seed"


def row(network, found, plain):
    """A line of the card's table."""
    shape = " x ".join(map(str, found["settings"]["input_shape"][1:]))
    minutes = sum(run["seconds"] for run in found["runs"]) / len(found["runs"]) / 60
    beside = "not measured"
    if plain is not None:
        beside = f"{plain['accuracy']:.3f} ± {plain['std_over_folds']:.3f} ({seeds_of(plain)})"
    return (
        f"| `{network}` | {shape} | **{found['accuracy']:.3f}** | ± {found['std_over_folds']:.3f}, "
        f"± {found['std_over_seeds'] or 0:.3f} | {found['precision_at_5']:.3f} | {minutes:.1f} | {beside} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="what benchmarks/accuracy.py was given as --output")
    parser.add_argument("--plain", type=Path, help="the same of a run with --recipe plain")
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-10: class folders and ATTRIBUTION.csv")
    arguments = parser.parse_args()
    pairs = [(path, path.parent.name) for path in sorted(arguments.data.glob("*/*.ogg"))]
    rows, recipes = [], []
    for network, kind in sorted(classifiers().items()):
        found = figures(arguments.runs, network)
        settings = found["settings"]
        recipe = RECIPES[kind.recipe]
        if settings["recipe"] != recipe.identity():
            raise SystemExit(f"{network} was measured with another recipe: {settings['recipe']}")
        classifier = kind()
        options = {name: settings[name] for name in ("epochs", "batch_size", "learning_rate") if name in settings}
        work = arguments.runs / network / "all"
        classifier.fit(
            pairs,
            work,
            test_size=0,
            random_state=SEED,
            input_shape=tuple(settings["input_shape"]),
            nb_classes=None,
            resume=True,
            checkpoint_interval=5,
            recipe=recipe,
            **options,
        )
        classifier.save_model(BUNDLED_MODELS)
        classifier.export_onnx(BUNDLED_MODELS / f"{network}.onnx", front_end=True)
        plain = figures(arguments.plain, network) if arguments.plain else None
        rows.append(row(network, found, plain))
        bare = Recipe().identity()
        parts = [f"{name} {value}" for name, value in recipe.identity().items() if value != bare[name]]
        numbers = ", ".join(f"{name} {value}" for name, value in options.items())
        recipes.append(f"`{network}`: {numbers}; {', '.join(parts)}.  ")
        print(rows[-1], flush=True)
    with (arguments.data / "ATTRIBUTION.csv").open(newline="", encoding="utf-8") as file:
        licences = Counter(clip["licence"] for clip in csv.DictReader(file))
    shutil.copyfile(arguments.data / "ATTRIBUTION.csv", BUNDLED_MODELS / "ATTRIBUTION.csv")
    card = CARD.format(
        version=__version__,
        labels=", ".join(str(label).replace("_", " ") for label in classifier.labels),
        box=BUNDLED_MODELS.relative_to(BUNDLED_MODELS.parents[2]),
        rows="\n".join(rows),
        seeds=seeds_of(found),
        clips=len(pairs),
        licences=", ".join(f"{licence} ({count})" for licence, count in licences.most_common()),
        recipe="\n".join(recipes),
    )
    (BUNDLED_MODELS / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
