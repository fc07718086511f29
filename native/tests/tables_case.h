/* Embedding tables that stand back to back, with random ids. */
#ifndef BCQ_TESTS_TABLES_CASE_H_
#define BCQ_TESTS_TABLES_CASE_H_

#include <string>
#include <vector>

#include "core/embedding/embedding.h"
#include "tests/matrices.h"

namespace bcq_test {

enum IdKind { kAnyIds, kFewIds /* of the first three rows */, kBadIds /* some are no rows */ };

struct TablesCase {
  std::vector<int64_t> sizes, dims;
  int64_t batch;
  IdKind ids;
  std::vector<int64_t> wide;
  std::vector<int32_t> narrow;

  TablesCase(std::vector<int64_t> sizes, std::vector<int64_t> dims, int64_t batch,
             IdKind ids = kAnyIds)
      : sizes(sizes), dims(dims), batch(batch), ids(ids) {
    for (int64_t i = 0; i < batch * count(); ++i) {
      wide.push_back(random_id(i, sizes[i % count()]));
      narrow.push_back(static_cast<int32_t>(wide.back()));
    }
  }
  int64_t random_id(int64_t i, int64_t size) const {
    if (ids == kBadIds && i % 5 == 2) return i % 2 ? -1 - i : size + i;
    return random_bits() % (ids == kFewIds ? std::min<int64_t>(size, 3) : size);
  }
  int64_t count() const { return static_cast<int64_t>(sizes.size()); }
  bcq_tables tables() const { return {count(), sizes.data(), dims.data()}; }
  bcq_ids ids_of(int32_t bytes) const {
    return {bytes == 8 ? static_cast<const void*>(wide.data()) : narrow.data(), bytes};
  }
  int64_t columns() const {
    int64_t sum = 0;
    for (int64_t dim : dims) sum += dim;
    return sum;
  }
  int64_t first(int64_t table) const {
    int64_t first = 0;
    for (int64_t t = 0; t < table; ++t) first += sizes[t] * dims[t];
    return first;
  }
  /* The element of the tables that each element of the result is; -1: none. */
  std::vector<int64_t> elements() const {
    std::vector<int64_t> elements;
    for (int64_t i = 0; i < batch * count(); ++i) {
      const int64_t t = i % count();
      const bool is_row = wide[i] >= 0 && wide[i] < sizes[t];
      for (int64_t c = 0; c < dims[t]; ++c) {
        elements.push_back(is_row ? first(t) + wide[i] * dims[t] + c : -1);
      }
    }
    return elements;
  }
  std::string name() const {
    const char* const kinds[] = {"", ", few ids", ", bad ids"};
    std::string name = "batch " + std::to_string(batch) + kinds[ids] + ", tables";
    for (int64_t t = 0; t < count(); ++t) {
      name += " " + std::to_string(sizes[t]) + "x" + std::to_string(dims[t]);
    }
    return name;
  }
};

}  // namespace bcq_test

#endif
