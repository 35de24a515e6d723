"""Index clips, and find those that sound like a given one, by the model that cifar10_train.py trained."""

from common import arguments, clips

from mxnet_audio.errors import AudioError
from mxnet_audio.library.cifar10 import Cifar10AudioSearch


def main(search_class=Cifar10AudioSearch):
    args = arguments(__doc__)
    search = search_class(model_ctx=args.ctx)
    search.load_model(model_dir_path=args.models)
    search.index_many([path for path, _ in clips(args)])
    for path, _ in clips(args, "test")[:3]:
        print(f"\nlike {path}:")
        try:
            for neighbour in search.query(path, top_k=10):
                print(f"  {neighbour.distance:.4f}  {neighbour.path}")
        except AudioError as error:
            print(error)


if __name__ == "__main__":
    main()
