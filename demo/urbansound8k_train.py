"""Train Cifar10AudioClassifier on nine of UrbanSound8K's official folds and test it on the tenth."""

from common import arguments, training_options, urbansound8k_clips

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier


def main(classifier_class=Cifar10AudioClassifier, description=__doc__, epochs=30):
    """Train and test a classifier."""
    args = arguments(description, epochs=epochs, test_fold=10)
    pairs, test_pairs = urbansound8k_clips(args)
    classifier = classifier_class(model_ctx=args.ctx, data_ctx=args.ctx)
    history = classifier.fit(
        pairs,
        args.models / "urbansound8k",
        validation_pairs=test_pairs,
        **training_options(args, classifier_class, seconds=4.0),
    )
    print(f"validation accuracy: {history['acc_test'][-1]:.3f}")


if __name__ == "__main__":
    main()
