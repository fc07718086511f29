/* Look-ups of the solver's searches. Included inside the namespace of a set, after vectors.inl. */

/* table[index[i]] */
BCQ_INLINE Real gather(const double* table, Int index) {
  return (Real)_mm512_mask_i64gather_pd(_mm512_setzero_pd(), 0xff, (__m512i)index, table, 8);
}

/* The same for a table of 16 entries, aligned to 64 bytes. */
BCQ_INLINE Real gather16(const double* table, Int index) {
  return (Real)_mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)index,
                                      _mm512_load_pd(table + 8));
}

/* How many of the 8 entries of a line of the tree are below a limit. */
BCQ_INLINE int64_t count_below(const double* line, double limit) {
  const __m512d limits = _mm512_set1_pd(limit);
  return __builtin_popcount(_mm512_cmp_pd_mask(_mm512_load_pd(line), limits, _CMP_LT_OQ));
}
