"""Float matrix -> `BinaryCodes`: the alternating, greedy and uniform solvers."""
