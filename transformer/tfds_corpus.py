"""Parallel sentences of TensorFlow Datasets, which downloads them the first time."""

import contextlib
import logging
import urllib.error
import urllib.request

from transformer.errors import UserError

MIRROR = "https://storage.googleapis.com"  # where TensorFlow Datasets looks first
PATIENCE = 10  # seconds
SPLITS = ("train", "validation", "test")


def load_tfds(name, languages):
    """[source sentences, target sentences] of each of train, validation and test.

    Args:
        name: such as ted_hrlr_translate/pt_to_en.
        languages: what the data set calls the two texts.

    Raises:
        UserError: there is no such data set, it has other texts, or it is not on this machine and
            cannot be downloaded.
    """
    try:
        with _quiet():
            return _load(name, languages)
    except UserError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"cannot load TensorFlow dataset {name}: {reason[0]}") from None


def _load(name, languages):
    import tensorflow_datasets as tfds

    builder = tfds.builder(name)
    texts = list(builder.info.features)
    if not set(languages) <= set(texts):
        raise UserError(
            f"`data` must have the languages {' and '.join(languages)}. "
            f"Received: tfds:{name}, which has {' and '.join(texts)}"
        )
    if not builder.is_prepared():
        check_network(name, builder.data_dir)
        builder.download_and_prepare()
    return [_sides(dataset, languages) for dataset in builder.as_dataset(split=list(SPLITS))]


def check_network(name, folder):
    """Raises UserError where nothing can be downloaded, which would else take minutes to fail."""
    try:
        with contextlib.suppress(urllib.error.HTTPError):  # an answer all the same
            urllib.request.urlopen(MIRROR, timeout=PATIENCE).close()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"TensorFlow dataset {name} is not in {folder}, and nothing can be downloaded from "
            f"{MIRROR}: {reason}"
        ) from None


def _sides(dataset, languages):
    batches = list(dataset.batch(1024).as_numpy_iterator())
    return [
        [text.decode("utf-8") for batch in batches for text in batch[language]]
        for language in languages
    ]


@contextlib.contextmanager
def _quiet():
    # Its warnings of a folder that is not there yet, and of each attempt to connect.
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)
