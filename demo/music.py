"""Five tasks on music: train, predict, encode, search, recommend.

Each script ``<network>_<task>.py`` calls one of these functions with the class of its network. The clips are GTZAN's,
or those of your own folder (``--data DIR``).
"""

from common import arguments, clips, training_options

from mxnet_audio.errors import AudioError


def train(classifier_class, description, seconds=29.12):
    """Train a classifier; `seconds` is the default length of the input."""
    args = arguments(description, epochs=50)
    validation_pairs = None if args.data else clips(args, "valid")
    classifier = classifier_class(model_ctx=args.ctx, data_ctx=args.ctx)
    options = training_options(args, classifier_class, seconds)
    history = classifier.fit(clips(args), args.models, validation_pairs=validation_pairs, **options)
    print(f"validation accuracy: {history['acc_test'][-1]:.3f}")


def predict(classifier_class, description):
    """Label test clips, and measure the classifier on all of them."""
    args = arguments(description)
    classifier = classifier_class(model_ctx=args.ctx)
    classifier.load_model(args.models)
    pairs = clips(args, "test")
    some = pairs[:: max(1, len(pairs) // 20)]
    for prediction, (_, label) in zip(classifier.predict_many([path for path, _ in some]), some):
        print(prediction.error or f"{prediction.path}: predicted {prediction.label}, actual {label}")
    print(classifier.evaluate(pairs))


def encode(classifier_class, description):
    """Turn test clips into vectors."""
    args = arguments(description)
    classifier = classifier_class(model_ctx=args.ctx)
    classifier.load_model(args.models)
    for path, vector, error in classifier.encode_many([path for path, _ in clips(args, "test")[:20]]):
        print(error or f"{path}: {vector.shape[0]} numbers, the first {vector[:4].round(3)}")


def search(search_class, description):
    """Index training clips, and find those most similar to three test clips."""
    args = arguments(description)
    engine = search_class(model_ctx=args.ctx)
    engine.load_model(model_dir_path=args.models)
    engine.index_many([path for path, _ in clips(args)])
    for path, _ in clips(args, "test")[:3]:
        print(f"\nmost similar to {path}:")
        try:
            for neighbour in engine.query(path, top_k=10):
                print(f"  {neighbour.distance:.4f}  {neighbour.path}")
        except AudioError as error:
            print(error)


def recommend(recommender_class, description):
    """Recommend clips to a listener who heard three of them."""
    args = arguments(description)
    recommender = recommender_class(model_ctx=args.ctx)
    recommender.load_model(model_dir_path=args.models)
    paths = [path for path, _ in clips(args)]
    recommender.index_many(paths)
    for path in [path for path in paths if path in recommender][::37][:3]:
        recommender.track(path)
        print(f"heard {path}")
    for recommendation in recommender.recommend(limits=10):
        print(f"  {recommendation.score:.4f}  {recommendation.path}")
