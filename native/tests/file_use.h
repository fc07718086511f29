/* Calls all that there is on what an open file has. */
#ifndef BCQ_TESTS_FILE_USE_H_
#define BCQ_TESTS_FILE_USE_H_

#include <math.h>

#include "tests/files.h"

namespace bcq_test {

template <class T>
uint64_t sum(const T* values, int64_t count) {
  uint64_t result = 0;
  for (int64_t i = 0; i < count; ++i) result += values[i];
  return result;
}

inline void use_matrix(const bcq_matrix& m) {
  const std::vector<float> x(static_cast<size_t>(5 * m.columns), 1),
      y(static_cast<size_t>(5 * m.rows), 1);
  std::vector<float> to(
      static_cast<size_t>(std::max(5 * std::max(m.rows, m.columns), m.rows * m.columns)));
  for (const bcq_precision precision : {BCQ_EXACT, BCQ_FAST}) {
    for (const int64_t batch : {1, 5}) {
      expect(bcq_product(&m, precision, BCQ_FLOAT32, x.data(), batch, to.data(), alone()) == BCQ_OK,
             "product");
    }
  }
  expect(bcq_product_transposed(&m, BCQ_FLOAT32, y.data(), 5, to.data(), alone()) == BCQ_OK,
         "transposed");
  expect(bcq_columns(&m, BCQ_FLOAT32, to.data(), alone()) == BCQ_OK, "columns");
  for (const float value : to) expect(std::isfinite(value), "finite");
}

inline uint64_t use(const bcq_file* file) {
  size_t size;
  const char* const metadata = bcq_metadata(file, &size);
  uint64_t result = sum(metadata, static_cast<int64_t>(size) + 1);
  for (int64_t i = 0; i < bcq_count(file); ++i) {
    const bcq_weight* const w = bcq_at(file, i);
    expect(bcq_find(file, w->name) == w, "find");
    if (w->kind == BCQ_ARRAY) {
      result += sum(static_cast<const uint8_t*>(w->array.data), w->array.bytes);
      result += sum(w->array.shape, w->array.rank);
      continue;
    }
    if (w->rows * w->columns > 1 << 22) continue; /* rows of few bits may stand for much */
    std::vector<int64_t> ids;
    for (int64_t r = 0; r < w->rows; ++r) ids.push_back(r);
    std::vector<float> rows(static_cast<size_t>(w->rows * w->columns));
    expect(bcq_rows(w, ids.data(), w->rows, rows.data(), nullptr, alone()) == BCQ_OK, "rows");
    for (const float value : rows) expect(std::isfinite(value), "finite");
    if (w->kind == BCQ_BINARY) use_matrix(w->binary);
  }
  return result;
}

}  // namespace bcq_test

#endif
