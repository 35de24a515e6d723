"""Recommend clips to someone who heard a few, by the model that cifar10_train.py trained."""

from common import arguments, clips

from mxnet_audio.library.cifar10 import Cifar10AudioRecommender


def main(recommender_class=Cifar10AudioRecommender):
    args = arguments(__doc__)
    recommender = recommender_class(model_ctx=args.ctx)
    recommender.load_model(model_dir_path=args.models)
    paths = [path for path, _ in clips(args)]
    recommender.index_many(paths)
    for path in [path for path in paths if path in recommender][::37][:3]:
        recommender.track(path)
        print(f"heard {path}")
    for recommendation in recommender.recommend(limits=10):
        print(f"  {recommendation.score:.4f}  {recommendation.path}")


if __name__ == "__main__":
    main()
