"""Turn clips into vectors of fixed length with the model that cifar10_train.py trained."""

from common import arguments, clips

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier


def main(classifier_class=Cifar10AudioClassifier):
    args = arguments(__doc__)
    classifier = classifier_class(model_ctx=args.ctx)
    classifier.load_model(args.models)
    for path, vector, error in classifier.encode_many([path for path, _ in clips(args, "test")[:20]]):
        print(error or f"{path}: {vector.shape[0]} numbers, the first {vector[:4].round(3)}")


if __name__ == "__main__":
    main()
