"""How layers keep codes: a file for each kind, with the embedding layer that looks up in it."""
