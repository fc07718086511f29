/* Look-ups of the solver's searches. Included inside the namespace of a set, after vectors.inl. */

/* table[index[i]] */
BCQ_INLINE Real gather(const double* table, Int index) {
  Real found;
  for (int i = 0; i < kLanes; ++i) found[i] = table[index[i]];
  return found;
}

/* The same for a table of 16 entries, aligned to 64 bytes. */
BCQ_INLINE Real gather16(const double* table, Int index) { return gather(table, index); }

/* How many of the 8 entries of a line of the tree are below a limit. */
BCQ_INLINE int64_t count_below(const double* line, double limit) {
  int64_t count = 0;
  for (int i = 0; i < kTreeFan; ++i) count += line[i] < limit;
  return count;
}
