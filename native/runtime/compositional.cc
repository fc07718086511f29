#include "runtime/compositional.h"

#include <algorithm>

#include "runtime/failure.h"
#include "runtime/numbers.h"

namespace bcq::runtime {

namespace {

constexpr int64_t kMostEntries = 1 << 16;

/* Of an index: ceil(log2 entries), at least 1. */
int index_bits(int64_t entries) {
  int bits = 1;
  while (int64_t{1} << bits < entries) ++bits;
  return bits;
}

void check_codebooks(const Entry& entry, const Tensor& codebooks) {
  const std::vector<int64_t>& shape = codebooks.shape;
  const bool legal = shape.size() == 3 && std::find(shape.begin(), shape.end(), 0) == shape.end();
  if (!legal || shape[1] > kMostEntries) {
    entry.fail_rule("codebooks", joined({"be [M, K, D] with K from 1 to ", kMostEntries}),
                    shown(shape.data(), codebooks.rank()));
  }
  if (shape[0] > INT32_MAX / shape[1]) {
    entry.fail_rule("codebooks", "have less than 2^31 vectors", shown(shape.data(), 3));
  }
  if (codebooks.dtype != BCQ_F32 && codebooks.dtype != BCQ_F16) {
    entry.fail_rule("codebooks", "be float32 or float16", name_of(codebooks.dtype));
  }
}

void check_sums(const Entry& entry, const Tensor& codebooks) {
  const int64_t book = codebooks.shape[1] * codebooks.shape[2];
  const Floats numbers(codebooks);
  double sum = 0;
  for (int64_t m = 0; m < codebooks.shape[0]; ++m) {
    const double largest = numbers.largest(m * book, book);
    if (largest > kFloatMax) entry.fail_rule("codebooks", "be finite", "NaN or Inf");
    sum += largest;
  }
  if (sum <= kLargestSum) return;
  entry.fail_rule("codebooks", "have sums in the range of float32", joined({"up to ", shown(sum)}));
}

void check_indexes(const Entry& entry, const bcq_compositional& table) {
  const int64_t width = field_bytes(table.count, table.bits);
  for (int64_t row = 0; row < table.rows && table.entries < 1 << table.bits; ++row) {
    const Fields indexes{table.packed + row * width, table.bits};
    for (int64_t m = 0; m < table.count; ++m) {
      if (indexes[m] < table.entries) continue;
      entry.fail_rule("indexes", joined({"be from 0 to ", table.entries - 1}), indexes[m]);
    }
  }
}

}  // namespace

bcq_compositional read_compositional(const Entry& entry) {
  entry.check_keys({"kind"});
  const Tensor& packed = entry.take("packed", BCQ_U8, 2);
  const Tensor& codebooks = entry.take("codebooks");
  check_codebooks(entry, codebooks);
  const int64_t rows = packed.shape[0], count = codebooks.shape[0], entries = codebooks.shape[1];
  const int bits = index_bits(entries);
  if (rows < 1) entry.fail_rule("packed", "have at least one row", "0 rows");
  entry.check_shape("packed", packed, {rows, field_bytes(count, bits)});
  check_sums(entry, codebooks);
  const bcq_type type = codebooks.dtype == BCQ_F32 ? BCQ_FLOAT32 : BCQ_FLOAT16;
  const auto* const octets = static_cast<const uint8_t*>(packed.data);
  if (!padded_with_zeros(octets, rows, count, bits)) {
    entry.fail_rule("packed", "have padding bits of 0", "1");
  }
  const bcq_compositional table = {rows, count, entries, codebooks.shape[2],
                                   bits, type,  octets,  codebooks.data};
  check_indexes(entry, table);
  return table;
}

}  // namespace bcq::runtime
