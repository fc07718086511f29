"""How weights are quantized, as options of a command line."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import bcq_tf
from bcq_tf.config import (
    ALL_SCOPES,
    AUTO,
    FIELDS,
    SCALE_DTYPES,
    SCOPES,
    SOLVERS,
    UNSET,
    BCQConfig,
    Rule,
    make_config,
    make_rules,
    replace_fields,
)
from bcq_tf.files import strict_json

_DEFAULT = BCQConfig()


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that `read_settings` reads."""

    def add(name: str, text: str, **options):
        parser.add_argument(name, default=UNSET, help=text, **options)

    add("--bits", f"bit planes, 1 to 8 ({_DEFAULT.bits})", type=int)
    add("--group-size", "columns that share scales, a multiple of 32 (whole rows)", type=int)
    add("--offset", "an additive term in each group, for skewed weights", action="store_true")
    add("--solver", f"({_DEFAULT.solver})", choices=SOLVERS)
    add("--scale-dtype", "of scales and offsets (auto)", choices=(AUTO, *SCALE_DTYPES))
    objects = "JSON object, or a file of one: "
    parser.add_argument("--config", help=f"{objects}the options above, in place of them")
    parser.add_argument("--rules", help=f"{objects}pattern of weights to bits or settings")
    parser.add_argument(
        "--scope",
        default=ALL_SCOPES,
        metavar="SCOPE",
        help=f"which layers: {', '.join(SCOPES)}, some with + between them, or all (%(default)s)",
    )


def read_settings(options: argparse.Namespace) -> tuple[BCQConfig, tuple[Rule, ...]]:
    """The config and the rules that parsed options say.

    Raises:
        ValueError, TypeError: one breaks its rule.
        OSError: a file cannot be read.
    """
    config = read_object("--config", options.config)
    if config is not None:
        config = replace_fields(_DEFAULT, config, "--config")
    config = make_config(config, *(getattr(options, name, UNSET) for name in FIELDS))
    return config, make_rules(read_object("--rules", options.rules), config)


def with_scope(rules: tuple[Rule, ...], model, options: argparse.Namespace, config: BCQConfig):
    """The rules, and behind them those of `--scope`.

    Raises:
        ValueError: there is no such scope, or nothing of the model is in it.
    """
    return (*rules, *bcq_tf.scopes(model, options.scope, config))


def read_object(option: str, text: str | None) -> dict | None:
    """The JSON object that is given as text or as the path of a file; None for None.

    Raises:
        ValueError: it is no JSON object; the message names the `option`.
        OSError: the file cannot be read.
    """
    if text is None:
        return None
    try:
        value = strict_json.loads(Path(text).read_text("utf-8") if os.path.isfile(text) else text)
    except ValueError as error:
        raise ValueError(f"`{option}` must be a JSON object or a file of one: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"`{option}` must be a JSON object. Received: {text}")
    return value
