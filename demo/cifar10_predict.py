"""Label clips with the model that cifar10_train.py trained."""

from common import arguments, clips

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier


def main(classifier_class=Cifar10AudioClassifier):
    args = arguments(__doc__)
    classifier = classifier_class(model_ctx=args.ctx)
    classifier.load_model(args.models)
    pairs = clips(args, "test")
    for path, label in pairs[:: max(1, len(pairs) // 20)]:
        print(f"{path}: predicted {classifier.predict_class(path)}, actual {label}")
    print(classifier.evaluate(pairs))


if __name__ == "__main__":
    main()
