"""Plot the training histories of cifar10_train.py, m5_train.py and resnet_v2_train.py in one figure."""

from common import arguments

from mxnet_audio.library import classifiers, load_classifier
from mxnet_audio.model_store import stored_models
from mxnet_audio.viz import plot_history

args = arguments(__doc__)
networks = [name for name in stored_models(args.models) if name in classifiers()]
if not networks:
    raise SystemExit(f"no models in {args.models}: train one first")
figure = args.models / "training-history-comparison.png"
plot_history({name: load_classifier(args.models, name).history for name in networks}, figure)
print(f"plotted {', '.join(networks)} in {figure}")
