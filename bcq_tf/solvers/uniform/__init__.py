"""Float matrix -> `UniformCodes`, with the best clipping limit."""
