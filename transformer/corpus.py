"""Parallel sentences: where they come from, and what is checked before they are used."""

import dataclasses
import gzip
import hashlib
import re
from pathlib import Path

from transformer.errors import UserError

SPLITS = ("train", "val", "test")
TFDS_PREFIX = "tfds:"
DEMO_LANGUAGES = ("pt", "en")
DEMO_FILE = Path(__file__).parent / "data" / "tatoeba_pt_en.tsv.gz"
DEMO_HELD_OUT = {"test": 1000, "val": 500}


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Aligned sentences: `target[i]` is the translation of `source[i]`."""

    source: list[str]
    target: list[str]

    def __len__(self):
        return len(self.source)

    def take(self, count):
        """The first `count` pairs."""
        return Pairs(self.source[:count], self.target[:count])


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Training, validation and test pairs."""

    train: Pairs
    val: Pairs
    test: Pairs


def load_corpus(spec, languages=DEMO_LANGUAGES):
    """Loads the corpus that `spec` names.

    Args:
        spec: "demo" (the embedded sentences, Portuguese and English), "tfds:NAME" (TensorFlow
            Datasets) or a folder with train.pt, train.en, val.pt, val.en, test.pt and test.en, one
            sentence a line.
        languages: (source, target), as the files' names end, or a data set calls its texts.

    Raises:
        UserError: a file is missing, empty or not UTF-8, or line counts differ; the corpus has
            other languages; a data set cannot be downloaded.
    """
    check_languages(languages)
    if spec == "demo":
        return load_demo(languages)
    if spec.startswith(TFDS_PREFIX):
        from transformer.tfds_corpus import load_tfds

        sides = load_tfds(spec.removeprefix(TFDS_PREFIX), languages)
        return Corpus(*(Pairs(*texts) for texts in sides))
    return load_folder(Path(spec), languages)


def check_languages(languages):
    """Raises UserError unless they are two different words."""
    for name, language in zip(("source", "target"), languages, strict=True):
        if not re.fullmatch(r"\w[\w-]*", language):
            raise UserError(f"`{name}` must be a language such as pt. Received: {language!r}")
    if languages[0] == languages[1]:
        raise UserError(
            f"`target` must be another language than `source`. Received: {languages[1]}"
        )


def load_folder(folder, languages):
    """Loads train, val and test from a folder of plain text files."""
    if not folder.is_dir():
        raise UserError(f"`data` must be demo, tfds:NAME or an existing folder. Received: {folder}")
    return Corpus(**{split: _read_split(folder, split, languages) for split in SPLITS})


def _read_split(folder, split, languages):
    paths = [folder / f"{split}.{language}" for language in languages]
    source, target = (_read_lines(path) for path in paths)
    if len(source) != len(target):
        raise UserError(
            f"{paths[0]} has {len(source)} lines but {paths[1]} has {len(target)}: "
            "line i of one must translate line i of the other"
        )
    return Pairs(source, target)


def _read_lines(path):
    """Lines of a UTF-8 file without their line ends (LF or CRLF)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not data:
        raise UserError(f"{path} is empty")
    raw_lines = data.removesuffix(b"\n").split(b"\n")
    return [_decode(line, path, number) for number, line in enumerate(raw_lines, start=1)]


def _decode(line, path, number):
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}, line {number}: not valid UTF-8") from None


def load_demo(languages=DEMO_LANGUAGES):
    """Loads the embedded Tatoeba sentences in their fixed split, in either direction.

    Sentences that translate each other, directly or through other sentences, form a cluster. A
    cluster goes to one split as a whole, so no sentence of val or test, in either language, occurs
    in another split.
    """
    if set(languages) != set(DEMO_LANGUAGES):
        raise UserError(
            f"`data` must have the languages {' and '.join(languages)}. Received: demo, which has "
            f"{' and '.join(DEMO_LANGUAGES)}"
        )
    lines = gzip.decompress(DEMO_FILE.read_bytes()).decode("utf-8").splitlines()
    pairs = [tuple(line.split("\t")) for line in lines]
    splits = {split: ([], []) for split in SPLITS}
    for split, (source, target) in zip(_demo_splits(pairs), pairs, strict=True):
        splits[split][0].append(source)
        splits[split][1].append(target)
    order = slice(None, None, 1 if languages == DEMO_LANGUAGES else -1)
    return Corpus(**{split: Pairs(*sides[order]) for split, sides in splits.items()})


def _demo_splits(pairs):
    """The split of each pair: clusters in the order of a hash, test first, then val, then train."""
    clusters = {}
    for index, root in enumerate(_cluster_roots(pairs)):
        clusters.setdefault(root, []).append(index)
    splits = ["train"] * len(pairs)
    free = dict(DEMO_HELD_OUT)
    for cluster in sorted(clusters.values(), key=lambda members: _hash(pairs[members[0]])):
        split = next((name for name, count in free.items() if count > 0), None)
        if split is None:
            break
        free[split] -= len(cluster)
        for index in cluster:
            splits[index] = split
    return splits


def _cluster_roots(pairs):
    """For each pair the smallest index of its cluster, by union-find over shared sentences."""
    parent = list(range(len(pairs)))

    def find(index):
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first_use = {}
    for index, pair in enumerate(pairs):
        for side, sentence in enumerate(pair):
            roots = sorted((find(first_use.setdefault((side, sentence), index)), find(index)))
            parent[roots[1]] = roots[0]
    return [find(index) for index in range(len(pairs))]


def _hash(pair):
    return hashlib.sha256("\t".join(pair).encode("utf-8")).digest()
