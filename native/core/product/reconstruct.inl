/* Whole rows, and the columns of a word, of the matrix. */

static void reconstruct_row(const bcq_matrix* m, int64_t row, bcq_type type, void* out) {
  const Tile tile = tile_at(m, row / kTileRows);
  const int64_t words = words_per_row(m), last = groups(m) - 1;
  for (int64_t group = 0, word = 0; group <= last; ++group) {
    const RowScales scales = load_row_scales(m, row, tile.planes, group);
    const int64_t end = group == last ? words : (group + 1) * m->group_size / kWordBits;
    for (; word < end; ++word) {
      const int64_t count = word_columns(m, word);
      void* to = element(out, type, word * kWordBits);
      float others[kWordBits];
      const bool as_is = type == BCQ_FLOAT32 && count == kWordBits;
      float* weights = as_is ? static_cast<float*>(to) : others;
      weights_of_row(tile, row % kTileRows, word, scales.scale, 1, scales.offset, weights);
      if (!as_is) from_floats(others, type, count, to);
    }
  }
}

/* The columns of one word: straight to their place where 64 floats stand side by side there. */
static void columns_of_word(const bcq_matrix* m, int64_t word, bcq_type type, void* out) {
  const int64_t count = word_columns(m, word);
  void* const first = element(out, type, word * kWordBits * m->rows);
  for (int64_t index = 0; index < row_tiles(m); ++index) {
    const Tile tile = tile_at(m, index);
    TileScales scales = {};
    load_tile_scales(m, tile, group_of_word(m, word), &scales);
    if (type == BCQ_FLOAT32 && tile.rows == kTileRows && m->row_order == nullptr) {
      float* weights = static_cast<float*>(first) + tile.first;
      weights_by_column(tile, word, scales, count, m->rows, weights);
      continue;
    }
    float weights[kWordBits][kTileRows];
    weights_by_column(tile, word, scales, count, kTileRows, weights[0]);
    for (int64_t c = 0; c < count; ++c) {
      store_rows(m, tile, weights[c], type, element(first, type, c * m->rows));
    }
  }
}
