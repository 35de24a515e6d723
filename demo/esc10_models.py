"""Train the bundled models in demo/models/esc10 on four folds of ESC-10, and write their card and ONNX files.

Measure first: ``python benchmarks/accuracy.py esc10 --output RUNS`` cross-validates over the four folds. This program
reads those results and settings from RUNS, and trains with the same settings on all clips.
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
CARD = """# Bundled models: ten environmental sounds

Trained by mxnet-audio {version} (`python demo/esc10_models.py`) on the classes {labels}.
`mxnet-audio predict clip.wav` without a folder `models` uses the pretrained encoder `yamnet`, and `cifar10` of these
models only if the weights of `yamnet` cannot be had. `--model-dir {box} --network NAME` selects a model;
`--model-dir {box}/NAME.onnx` is its ONNX file, which takes samples and needs no MXNet.

| network | input | accuracy, leave one fold out | over folds, seeds | precision at 5 | minutes a run | plain recipe |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

**Results.** Accuracy is measured on clips of folds that the network was not trained on: each of the four folds once,
with {seeds}, after the last epoch. The table gives the mean, and the standard deviation of the folds' means and of
the seeds' means. Precision at 5 is the share of the query's class among its five nearest training clips. Minutes are
those of one run on one thread, beside other work. The plain recipe is Adam with a constant learning rate. The models
in this folder were then trained on all four folds, so these clips cannot measure them; fold 5 of ESC-10, which was
never used, could. Human listeners reach 0.957 (Piczak, 2015).
[docs/benchmarks/accuracy.md](../../../docs/benchmarks/accuracy.md) describes how the recipe was chosen.

**Data.** {clips} clips of 5 s of ESC-10, folds 1 to 4: K. J. Piczak, *ESC: Dataset for Environmental Sound
Classification*, ACM MM 2015, <https://github.com/karolpiczak/ESC-50>. The dataset is under CC BY 3.0; its clips are
from freesound.org, under {licences}. [ATTRIBUTION.csv](ATTRIBUTION.csv) gives the author, source and licence of each.
No recordings are in this repository; the models are offered under the project's licence (MIT) with that attribution.

**Recipe.**
{recipe}

**Limits.** There are ten classes only: any sound gets one of these labels, even speech and music. The models were
trained on clips of 5 s that hold one sound each; results for longer files are means over parts of them. 320 clips are
few: expect lower accuracy with other microphones and in other places. Do not use the models for decisions about people
or safety.
"""


def read_results(runs, network):
    """Read what `cross_validate` wrote for a network."""
    return json.loads((runs / network / "cross_validation.json").read_text(encoding="utf-8"))


def seeds_text(results):
    """Return the number of seeds in words."""
    seeds = len({run["seed"] for run in results["runs"]})
    return f"{seeds} seeds" if seeds > 1 else "one seed"


def table_row(network, results, plain):
    """Return a row of the card's table."""
    shape = " x ".join(map(str, results["settings"]["input_shape"][1:]))
    minutes = sum(run["seconds"] for run in results["runs"]) / len(results["runs"]) / 60
    plain_text = "not measured"
    if plain is not None:
        plain_text = f"{plain['accuracy']:.3f} ± {plain['std_over_folds']:.3f} ({seeds_text(plain)})"
    return (
        f"| `{network}` | {shape} | **{results['accuracy']:.3f}** | ± {results['std_over_folds']:.3f}, "
        f"± {results['std_over_seeds'] or 0:.3f} | {results['precision_at_5']:.3f} | {minutes:.1f} | {plain_text} |"
    )


def main():
    """Train the models and write their card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the --output of benchmarks/accuracy.py")
    parser.add_argument("--plain", type=Path, help="the --output of a run with --recipe plain")
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-10: class folders and ATTRIBUTION.csv")
    arguments = parser.parse_args()
    pairs = [(path, path.parent.name) for path in sorted(arguments.data.glob("*/*.ogg"))]
    rows, recipes = [], []
    for network in ("cifar10", "m5", "resnet_v2"):
        kind, results = classifiers()[network], read_results(arguments.runs, network)
        settings = results["settings"]
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
            resume=True,
            checkpoint_interval=5,
            recipe=recipe,
            **options,
        )
        classifier.save_model(BUNDLED_MODELS)
        classifier.export_onnx(BUNDLED_MODELS / f"{network}.onnx", front_end=True)
        plain = read_results(arguments.plain, network) if arguments.plain else None
        rows.append(table_row(network, results, plain))
        defaults = Recipe().identity()
        parts = [f"{name} {value}" for name, value in recipe.identity().items() if value != defaults.get(name)]
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
        seeds=seeds_text(results),
        clips=len(pairs),
        licences=", ".join(f"{licence} ({count})" for licence, count in licences.most_common()),
        recipe="\n".join(recipes),
    )
    (BUNDLED_MODELS / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
