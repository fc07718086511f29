#include "runtime/uniform.h"

#include "core/arrays.h"
#include "runtime/failure.h"
#include "runtime/numbers.h"

namespace bcq::runtime {

namespace {

double limit_of(const Entry& entry) {
  const JsonValue value = entry.get("limit");
  const std::optional<double> limit = value.number();
  if (limit && *limit >= 0 && *limit <= kLargestSum) return *limit;
  entry.fail_rule("limit", "be a float32 from 0 upwards, finite",
                  joined({"limit=", shown(value.text())}));
}

const uint8_t* octets(const Tensor& tensor) { return static_cast<const uint8_t*>(tensor.data); }

}  // namespace

bcq_uniform read_uniform(const Entry& entry) {
  entry.check_keys({"kind", "bits", "columns", "limit", "zero_rows"});
  const Presence marks = entry.presence("zero_rows");
  if (marks == Presence::kCompact) entry.fail("`zero_rows` must have no other form");
  const Tensor& packed = entry.take("packed", BCQ_U8, 2);
  const int bits = static_cast<int>(entry.integer("bits", 1, BCQ_MAX_BITS));
  const int64_t columns = entry.integer("columns", 1, INT64_MAX), rows = packed.shape[0];
  if (rows < 1) entry.fail_rule("packed", "have at least one row", "0 rows");
  entry.check_shape("packed", packed, {rows, field_bytes(columns, bits)});
  const double limit = limit_of(entry);
  if (!padded_with_zeros(octets(packed), rows, columns, bits)) {
    entry.fail_rule("packed", "have padding bits of 0", "1");
  }
  const float half_step = static_cast<float>(limit) / static_cast<float>((1 << bits) - 1);
  bcq_uniform table = {rows, columns, bits, half_step, octets(packed), nullptr};
  if (marks == Presence::kAbsent) return table;
  const Tensor& zero_rows = entry.take("zero_rows", BCQ_U8, 1);
  entry.check_shape("zero_rows", zero_rows, {field_bytes(rows, 1)});
  if (!padded_with_zeros(octets(zero_rows), 1, rows, 1)) {
    entry.fail_rule("zero_rows", "have padding bits of 0", "1");
  }
  table.zero_rows = octets(zero_rows);
  return table;
}

}  // namespace bcq::runtime
