/* Weights as float32, one by one: what every other way of computing must agree with. */
#ifndef BCQ_CUDA_WEIGHTS_H_
#define BCQ_CUDA_WEIGHTS_H_

#include "cuda/device.h"

namespace bcq_cuda {

BCQ_DEVICE float scale_of(const Matrix& m, int group, int plane, int64_t row) {
  return load_as_float(m.scales, m.scale_type, scale_place(m, group, plane, row));
}

BCQ_DEVICE float offset_of(const Matrix& m, int group, int64_t row) {
  return m.offset ? load_as_float(m.offset, m.scale_type, offset_place(m, group, row)) : 0.0f;
}

BCQ_DEVICE float with_sign(float scale, uint32_t word, int bit) {
  return (word >> bit) & 1 ? scale : -scale;
}

/* A stored row's codes and scales, at one word of 32 columns. */
struct RowWord {
  int planes;
  float offset;
  float scales[kMaxBits];
  uint32_t codes[kMaxBits];

  /* The weight at a column of the word: the offset, then plane after plane, in float32. */
  BCQ_DEVICE float weight(int bit) const {
    float value = offset;
    BCQ_UNROLL
    for (int i = 0; i < kMaxBits; ++i) {
      if (i < planes) value = add(value, with_sign(scales[i], codes[i], bit));
    }
    return value;
  }
};

BCQ_DEVICE RowWord row_word(const Matrix& m, int64_t row, int word) {
  const int64_t tile = row / kTileRows;
  const uint32_t* codes = m.tiles + tile_start(m, tile);
  const int group = word / m.group_words;
  RowWord result;
  result.planes = tile_planes(m, tile);
  result.offset = add(0.0f, offset_of(m, group, row));
  BCQ_UNROLL
  for (int i = 0; i < kMaxBits; ++i) {
    if (i < result.planes) {
      result.scales[i] = scale_of(m, group, i, row);
      result.codes[i] =
          load(codes + word_place(word, result.planes, i, static_cast<int>(row % kTileRows)));
    }
  }
  return result;
}

/* The columns that word `word` stands for, 1 to 32. */
BCQ_DEVICE int word_columns(const Matrix& m, int word) {
  return static_cast<int>(least<int64_t>(kWordBits, m.columns - int64_t{word} * kWordBits));
}

/* Row `batch_row` of x times stored row `row`, column after column: for results that are not
 * finite, so that they are what a float product gives. Slow and rare. */
BCQ_DEVICE_CALL float plain_product(const Matrix& m, const void* x, int type, int64_t batch_row,
                                    int64_t row) {
  float sum = 0.0f;
  for (int word = 0; word < m.words; ++word) {
    const RowWord weights = row_word(m, row, word);
    const int64_t start = batch_row * m.columns + int64_t{word} * kWordBits;
    for (int bit = 0; bit < word_columns(m, word); ++bit) {
      sum = multiply_add(weights.weight(bit), load_as_float(x, type, start + bit), sum);
    }
  }
  return sum;
}

/* Nobody has read row_order and row_place before: what is no row becomes the last. */
BCQ_DEVICE int64_t row_number(const Matrix& m, const int32_t* numbers, int64_t place) {
  return least<int64_t>(static_cast<uint32_t>(load(numbers + place)), m.rows - 1);
}

BCQ_DEVICE int64_t original_row(const Matrix& m, int64_t row) {
  return m.row_order ? row_number(m, m.row_order, row) : row;
}

}  // namespace bcq_cuda

#endif
