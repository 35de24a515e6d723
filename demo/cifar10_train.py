"""Train Cifar10AudioClassifier to tell genres of music (GTZAN), or the classes of your own folder (--data DIR)."""

from common import arguments, clips, training_options

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier


def main(classifier_class=Cifar10AudioClassifier, seconds=29.12):
    args = arguments(__doc__.replace(Cifar10AudioClassifier.__name__, classifier_class.__name__), epochs=50)
    held_out = None if args.data else clips(args, "valid")
    classifier = classifier_class(model_ctx=args.ctx, data_ctx=args.ctx)
    options = training_options(args, classifier_class, seconds)
    history = classifier.fit(clips(args), args.models, validation_pairs=held_out, **options)
    print(f"accuracy on clips that it did not train on: {history['acc_test'][-1]:.3f}")


if __name__ == "__main__":
    main()
