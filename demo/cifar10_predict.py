"""Label clips with the model that cifar10_train.py trained."""

from common import arguments, clips

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier


def main(classifier_class=Cifar10AudioClassifier):
    args = arguments(__doc__)
    classifier = classifier_class(model_ctx=args.ctx)
    classifier.load_model(args.models)
    pairs = clips(args, "test")
    some = pairs[:: max(1, len(pairs) // 20)]
    for prediction, (_, label) in zip(classifier.predict_many([path for path, _ in some]), some):
        print(prediction.error or f"{prediction.path}: predicted {prediction.label}, actual {label}")
    print(classifier.evaluate(pairs))


if __name__ == "__main__":
    main()
