"""Train Cifar10AudioClassifier on UrbanSound8K's folds 1 to 9 and test it on fold 10, as its authors ask."""

from common import arguments, training_options, urbansound8k_clips

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier


def main():
    args = arguments(__doc__, epochs=30)
    held_out = None if args.data else urbansound8k_clips(args, folds=[10])
    classifier = Cifar10AudioClassifier(model_ctx=args.ctx, data_ctx=args.ctx)
    history = classifier.fit(
        urbansound8k_clips(args, folds=range(1, 10)),
        args.models / "urbansound8k",
        validation_pairs=held_out,
        **training_options(args, seconds=4.0),
    )
    print(f"accuracy on clips that it did not train on: {history['acc_test'][-1]:.3f}")


if __name__ == "__main__":
    main()
