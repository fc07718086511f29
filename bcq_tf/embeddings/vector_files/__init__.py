"""Files of word vectors: GloVe, word2vec, fastText, .npy."""
