"""Train Cifar10AudioClassifier on nine of UrbanSound8K's folds and test it on the tenth, as its authors ask."""

from common import arguments, training_options, urbansound8k_clips

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier


def main(classifier_class=Cifar10AudioClassifier, epochs=30):
    args = arguments(
        __doc__.replace(Cifar10AudioClassifier.__name__, classifier_class.__name__), epochs=epochs, test_fold=10
    )
    clips, held_out = urbansound8k_clips(args)
    classifier = classifier_class(model_ctx=args.ctx, data_ctx=args.ctx)
    history = classifier.fit(
        clips,
        args.models / "urbansound8k",
        validation_pairs=held_out,
        **training_options(args, classifier_class, seconds=4.0),
    )
    print(f"accuracy on clips that it did not train on: {history['acc_test'][-1]:.3f}")


if __name__ == "__main__":
    main()
