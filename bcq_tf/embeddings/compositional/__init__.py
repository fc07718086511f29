"""Tables whose rows are sums of codebook vectors: two trainers, and files of others."""
