"""Float matrix -> `CompositionalCodes`, without gradients."""
