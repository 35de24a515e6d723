"""Tests of recipes: equality, hash, repr, identity and checks; their effects are tested with `fit`."""

import numpy as np
import pytest

from mxnet_audio.data.transforms import Compose, Gain, Scale, TimeMasking, TimeShift, Transform
from mxnet_audio.errors import ParameterError
from mxnet_audio.training import RECIPES, Cosine, Recipe, Settings, Step, check_batch, get_recipe


class Invert(Transform):
    """Transform from outside the package."""

    def apply(self, x):
        return -x


def double(x):
    return 2 * x


ARGUMENTS = {
    "sound": [(Gain(-6, 6),), (Gain(-6, 3),), (Scale(2),), (Invert(),), (double,)],
    "random_crop": [True],
    "features": [(TimeShift(0.5),), (TimeMasking(0.2),), (TimeShift(0.5), TimeMasking(0.2))],
    "mixup": [0.3],
    "splice": [0.25],
    "label_smoothing": [0.1],
    "loss": ["arc", "ge2e"],
    "balance": ["batches", "weights"],
    "schedule": [Cosine(), Cosine(0.1), Step()],
    "weight_decay": [1e-4],
    "clip_gradient": [1.0],
    "average": [0.1],
    "refresh_norms": [True],
    "views": [3],
}
RECIPES_OF_ONE_SETTING = [{}, *({name: value} for name, values in ARGUMENTS.items() for value in values)]


def test_recipes_are_equal_if_all_settings_are():
    recipes, again = ([Recipe(**arguments) for arguments in RECIPES_OF_ONE_SETTING] for _ in range(2))
    for i, one in enumerate(recipes):
        for j, other in enumerate(again):
            assert (one == other) == (i == j)
    assert len(set(recipes + again)) == len(recipes)
    assert Recipe() != "plain"


def test_transforms_are_compared_by_class_and_parameters():
    assert Recipe(sound=(Gain(-6, 6, seed=1), Invert())) == Recipe(sound=[Compose([Gain(-6, 6)]), Invert()])
    assert Recipe(sound=Gain(-6, 6)) == Recipe(sound=(Gain(-6, 6),)) != Recipe(sound=(Gain(-6, 6), Gain(-6, 6)))
    assert Recipe(sound=(lambda x: x,)) != Recipe(sound=(lambda x: x,))
    assert hash(Recipe(sound=(Gain(-6, 6),))) == hash(Recipe(sound=(Gain(-6, 6),)))


def test_loss_options_are_compared_by_value():
    first, second = ({"m": 0.2, "s": None}, {"s": None, "m": np.float64(0.2)})
    assert Recipe(loss="arc", loss_options=first) == Recipe(loss="ArcFace", loss_options=second)
    assert Recipe(loss="arc", loss_options=first) != Recipe(loss="arc", loss_options={"m": 0.3, "s": None})


def test_repr_names_the_settings_that_are_not_the_default():
    assert repr(Recipe()) == "Recipe()"
    recipe = Recipe(loss="arc", loss_options={"m": 0.2}, schedule=Cosine(warmup=0.05), views=3)
    assert repr(recipe) == "Recipe(loss='arc', loss_options={'m': 0.2}, schedule=Cosine(warmup=0.05), views=3)"
    assert all("\n" not in repr(recipe) for recipe in RECIPES.values())


def test_the_identity_of_the_recipes_is_stable():
    """Checkpoints hold it: a change would keep interrupted runs from being resumed."""
    assert RECIPES["voice"].identity() == {
        "sound": [],
        "random_crop": True,
        "features": [
            "TimeMasking(max_width=0.3, masks=1, value=None)",
            "FrequencyMasking(max_width=0.5, masks=1, value=None)",
        ],
        "mixup": 0.0,
        "splice": 0.25,
        "label_smoothing": 0.0,
        "loss": "arc",
        "loss_options": {"m": 0.2, "s": None},
        "balance": None,
        "schedule": "Cosine(warmup=0.05)",
        "weight_decay": 0.0,
        "clip_gradient": None,
        "average": 0.1,
        "refresh_norms": False,
    }
    assert "loss" not in RECIPES["speech"].identity() and "splice" not in RECIPES["speech"].identity()
    assert Recipe(views=2).identity()["views"] == 2
    assert Recipe(sound=double).identity()["sound"] == [f"{__name__}.double"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"mixup": -1}, "mixup .*0.* -1"),
        ({"splice": 2}, "splice .*1.* 2"),
        ({"label_smoothing": 1}, "label_smoothing .*1"),
        ({"weight_decay": "small"}, "weight_decay .*'small'"),
        ({"clip_gradient": 0}, "clip_gradient .*0"),
        ({"average": 1.5}, r"average .*1\.5"),
        ({"average": True}, "average .*True"),
        ({"views": 1.5}, r"views .*1\.5"),
        ({"views": float("inf")}, "views .*inf"),
        ({"sound": 3}, "sound .*3"),
        ({"features": [TimeShift]}, "features .*TimeShift"),
        ({"balance": "all"}, "balance .*'all'"),
        ({"schedule": "cosine"}, "schedule .*'cosine'"),
        ({"loss": "triplet"}, "loss .*'triplet'"),
        ({"loss": "arc", "loss_options": {"margin": 1}}, "arc.*margin"),
        ({"loss": "arc", "loss_options": {"classes": 3}}, "loss_options .*classes"),
        ({"loss_options": 0.2}, r"loss_options .*0\.2"),
        ({"loss": "arc", "mixup": 0.3}, "mixup .*'arc'"),
        ({"mixup": 0.3, "splice": 0.3}, "mixup .*splice"),
    ],
)
def test_a_bad_argument_is_named(arguments, match):
    with pytest.raises(ParameterError, match=match):
        Recipe(**arguments)


def test_recipes_by_name():
    assert get_recipe("voice") is RECIPES["voice"]
    with pytest.raises(ParameterError, match=r"plain, spectrogram, speech, voice, waveform.*'fast'"):
        get_recipe("fast")
    assert get_recipe(None, "voice") is get_recipe("default", "voice") is RECIPES["voice"]
    assert get_recipe("plain", "voice") is RECIPES["plain"]
    for arguments in [("default",), (None,), (3, "voice")]:
        with pytest.raises(ParameterError, match="recipe"):
            get_recipe(*arguments)


def test_ge2e_needs_batches_of_several_recordings_of_each_speaker():
    settings = Settings(batch_size=6, epochs=1, random_state=0, learning_rate=0.1, checkpoint_interval=1)
    check_batch(Recipe(loss="arc"), settings)
    with pytest.raises(ParameterError, match=r"batch_size .*4.* 6"):
        check_batch(Recipe(loss="ge2e"), settings)
