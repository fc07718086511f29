"""Work in a process of its own: TensorFlow makes its threads once in each."""

import multiprocessing


def run_apart(function, *arguments):
    """What a function of a module returns, called in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)
