"""Draw the training histories of the models that cifar10_train.py and resnet_v2_train.py trained."""

from common import arguments

from mxnet_audio.library import classifiers, load_classifier
from mxnet_audio.model_store import stored_models
from mxnet_audio.viz import plot_history


def main():
    args = arguments(__doc__)
    histories = {}
    for name in stored_models(args.models):
        if name in classifiers():
            histories[name] = load_classifier(args.models, name).history
    if not histories:
        raise SystemExit(f"no models in {args.models}: train some first")
    picture = args.models / "training-history-comparison.png"
    plot_history(histories, picture)
    print(f"drew {', '.join(histories)} in {picture}")


if __name__ == "__main__":
    main()
