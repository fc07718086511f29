"""Rules for the weights of some kinds of layers: `scopes`."""

from __future__ import annotations

import glob

import keras
from keras import layers

from bcq_tf._keras import ConvLSTMCell, walk_layers
from bcq_tf._keras.hub import is_position_embedding
from bcq_tf.config import ALL_SCOPES, SCOPES, BCQConfig, Rule
from bcq_tf.selection.layer_views import own_weights
from bcq_tf.selection.selection import Chosen, Plan, select
from bcq_tf.shown import short


def scopes(model, scope: str, config: BCQConfig | None = None) -> list[Rule]:
    """Rules by which only weights of some kinds of layers are quantized; others stay float.

    - "attention": kernels of layers inside one whose class is called Attention, or is derived from
      one that is: Keras' and KerasHub's, and those of users;
    - "linear": kernels of Dense and EinsumDense, in attention too, and matrices of experts;
    - "embedding": tables, those that give logits too, and of positions;
    - "convolution", "recurrent": kernels of these layers;
    - "all": whatever is quantized without rules;
    - several, with "+" between them: "attention+embedding".

    A weight that several layers share is in the scopes of all of them.

    Args:
        model: a built Keras model.
        scope: one of these.
        config: the `BCQConfig` that weights in scope get, which a rule must say where weights of
            both kinds have one path; None for the default one.

    Returns:
        A list of `Rule`s, which others may stand before: `rules=[("*head*", 4), *scopes(...)]`.

    Raises:
        ValueError, TypeError: `scope` is none of these, or none of the model's weights is in it.

    Example:
        >>> embedding = keras.layers.Embedding(100, 32)
        >>> model = keras.Sequential([keras.Input((9,)), embedding, keras.layers.Dense(64)])
        >>> rules = bcq_tf.scopes(model, "linear")
        >>> [weight.path for weight in bcq_tf.select(model, rules=rules).chosen]
        ['dense/kernel']
    """
    names = _names(scope)
    plan = select(model, config)
    if ALL_SCOPES in names:
        return []
    kinds = _kinds(model)
    inside = {w.position for w in plan.chosen if kinds[id(w.variable)].intersection(names)}
    if not inside:
        found = sorted(set().union(*(kinds[id(weight.variable)] for weight in plan.chosen)))
        raise ValueError(
            f"`scope` must have weights of the model in it, which are of {found}. "
            f"Received: scope={scope!r}"
        )
    return _rules(plan, inside)


def _names(scope) -> set[str]:
    if not isinstance(scope, str):
        raise TypeError(f"`scope` must be a string. Received: scope={short(scope)}")
    names = set(scope.split("+"))
    if not names <= {ALL_SCOPES, *SCOPES}:
        raise ValueError(
            f"`scope` must be one of {[*SCOPES, ALL_SCOPES]}, or some with '+' between them. "
            f"Received: scope={scope!r}"
        )
    return names


def _kinds(model) -> dict[int, set[str]]:
    """The scopes of each weight of a model, by its id."""
    kinds = {id(variable): set() for variable in model.weights}
    for layer in walk_layers(model):
        kind = _kind(layer)
        for variable in own_weights(layer):
            kinds[id(variable)].add(kind)
        if _is_attention(layer):
            for variable in layer.weights:
                kinds[id(variable)].add("attention")
    return kinds


def _kind(layer: keras.layers.Layer) -> str:
    if isinstance(layer, layers.Embedding) or is_position_embedding(layer):
        return "embedding"
    if isinstance(layer, (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell, ConvLSTMCell)):
        return "recurrent"
    return "convolution" if isinstance(layer, _CONVOLUTIONS) else "linear"


_CONVOLUTIONS = (
    *(layers.Conv1D, layers.Conv2D, layers.Conv3D),
    *(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
    *(layers.DepthwiseConv1D, layers.DepthwiseConv2D),
    *(layers.SeparableConv1D, layers.SeparableConv2D),
)


def _is_attention(layer: keras.layers.Layer) -> bool:
    return any("Attention" in cls.__name__ for cls in type(layer).__mro__)


def _rules(plan: Plan, inside: set[int]) -> list[Rule]:
    # Where weights have one path, a rule of that path speaks of all of them. So those that are
    # labelled "path#2" come first, each with a rule of its own, whether they stay float or not.
    left = [weight for weight in plan.chosen if weight.position not in inside]
    paths = {weight.variable.path for weight in left}
    numbered = [w for w in plan.chosen if w.variable.path in paths and w.path != w.variable.path]
    first = [_rule(w, w.config if w.position in inside else None) for w in numbered]
    return first + [_rule(weight, None) for weight in left if weight not in numbered]


def _rule(weight: Chosen, config: BCQConfig | None) -> Rule:
    return Rule(glob.escape(weight.path), config)
