"""Work in a process of its own: TensorFlow makes its threads once in each."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def run_apart(function, *arguments):
    """What a function of a module returns, called in a process of its own.

    Raises:
        concurrent.futures.process.BrokenProcessPool: the process ended without an answer.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()
