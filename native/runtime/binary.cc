#include "runtime/binary.h"

#include <algorithm>

#include "core/arrays.h"
#include "runtime/failure.h"
#include "runtime/row_order.h"
#include "runtime/scales.h"
#include "runtime/tiles.h"

namespace bcq::runtime {

namespace {

/* What an entry says, before any tensor is looked at. */
struct Facts {
  bool short_scales;
  Presence offset, row_order;
  int64_t plane_rows[BCQ_MAX_BITS];
  int32_t bits = 0;
  int64_t stored = 0; /* rows of all planes */
};

/* False: they are not from one to eight numbers of rows. */
bool read_rows(const JsonValue& list, Facts* facts) {
  if (!list.is_array() || list.size() < 1 || list.size() > BCQ_MAX_BITS) return false;
  bool legal = true;
  list.items([&](const JsonValue& item) {
    const int64_t rows = item.integer().value_or(-1);
    facts->plane_rows[facts->bits++] = rows;
    legal = legal && rows >= 0 && !__builtin_add_overflow(facts->stored, rows, &facts->stored);
  });
  return legal;
}

Facts read_facts(const Entry& entry) {
  Facts facts = {};
  facts.short_scales = entry.has("scales");
  if (facts.short_scales) {
    entry.check_keys({"kind", "columns", "group_size", "rows", "offset", "row_order", "scales"});
    if (entry.presence("scales") != Presence::kCompact) entry.fail_entry();
  } else {
    entry.check_keys({"kind", "columns", "group_size", "rows", "offset", "row_order"});
  }
  facts.offset = entry.presence("offset");
  facts.row_order = entry.presence("row_order");
  if (!read_rows(entry.get("rows"), &facts)) entry.fail_entry();
  if (facts.offset == Presence::kCompact) entry.fail("`offset` must have no other form");
  return facts;
}

void check_rows(const Entry& entry, const Facts& facts) {
  for (int32_t i = 1; i < facts.bits; ++i) {
    if (facts.plane_rows[i] <= facts.plane_rows[i - 1]) continue;
    entry.fail_rule("planes", "have falling rows", shown(facts.plane_rows, facts.bits));
  }
  if (facts.plane_rows[0] < 1) entry.fail_rule("planes", "have at least one row", "0 rows");
  if (facts.row_order != Presence::kAbsent && facts.plane_rows[0] > INT32_MAX) {
    entry.fail_rule("row_order", "be of less than 2^31 rows", facts.plane_rows[0]);
  }
}

/* `columns` where the entry has null, or one group is the whole row. */
int64_t group_size_of(const Entry& entry, int64_t columns) {
  const JsonValue value = entry.get("group_size");
  if (value.is_null()) return columns;
  const int64_t size = value.integer().value_or(0);
  if (size > 0 && size % BCQ_WORD_BITS == 0) return size < columns ? size : columns;
  entry.fail_rule("group_size", "be null or a positive multiple of 32",
                  joined({"group_size=", shown(value.text())}));
}

void check_planes(const Entry& entry, const Tensor& planes, const Facts& facts, int64_t columns) {
  const int64_t words = divide_up(columns, BCQ_WORD_BITS), used = columns % BCQ_WORD_BITS;
  entry.check_shape("planes", planes, {facts.stored, words});
  const auto* const at = static_cast<const uint32_t*>(planes.data);
  uint32_t last = 0;
  for (int64_t row = 0; row < facts.stored; ++row) last |= at[(row + 1) * words - 1];
  if (used != 0 && last >> used != 0) entry.fail_rule("planes", "have padding bits of 0", "1");
}

/* Memory for so many values. */
template <class T>
T* add(const Entry& entry, Tables* tables, int64_t count) {
  const auto bytes = count * static_cast<int64_t>(sizeof(T));
  void* const table = tables->add(bytes);
  if (table == nullptr) entry.fail_memory(bytes);
  return static_cast<T*>(table);
}

void add_tiles(const Entry& entry, const Tensor& planes, Tables* tables, bcq_matrix* matrix) {
  const int64_t words =
      bcq_tile_words(matrix->rows, matrix->columns, matrix->bits, matrix->plane_rows);
  if (words < 0) entry.fail_memory(INT64_MAX);
  auto* const tiles = add<uint32_t>(entry, tables, words);
  fill_tiles(static_cast<const uint32_t*>(planes.data), *matrix, tiles);
  matrix->tiles = tiles;
}

void add_scales(const Entry& entry, const Scales& scales, Tables* tables, bcq_matrix* matrix) {
  matrix->scale_type = scales.type();
  const int64_t groups = divide_up(matrix->columns, matrix->group_size);
  const int64_t bytes = groups * matrix->rows * type_bytes(matrix->scale_type);
  void* const table = add<char>(entry, tables, bytes * matrix->bits);
  scales.fill_scales(table);
  matrix->scales = table;
  if (!scales.has_offset()) return;
  void* const offset = add<char>(entry, tables, bytes);
  scales.fill_offset(offset);
  matrix->offset = offset;
}

void add_row_order(const Entry& entry, const Tensor& tensor, bool are_bits, Tables* tables,
                   bcq_matrix* matrix) {
  auto* const order = add<int32_t>(entry, tables, matrix->rows);
  auto* const place = add<int32_t>(entry, tables, matrix->rows);
  (are_bits ? read_row_bits : read_row_order)(entry, tensor, *matrix, order, place);
  matrix->row_order = order;
  matrix->row_place = place;
}

bcq_matrix add_sizes(const Entry& entry, const Facts& facts, Tables* tables) {
  auto* const plane_rows = add<int64_t>(entry, tables, facts.bits);
  std::copy(facts.plane_rows, facts.plane_rows + facts.bits, plane_rows);
  bcq_matrix matrix = {};
  matrix.rows = facts.plane_rows[0];
  matrix.columns = entry.integer("columns", 1, INT64_MAX);
  matrix.group_size = group_size_of(entry, matrix.columns);
  matrix.bits = facts.bits;
  matrix.plane_rows = plane_rows;
  return matrix;
}

}  // namespace

bcq_matrix read_binary(const Entry& entry, Tables* tables) {
  const Facts facts = read_facts(entry);
  const Tensor& planes = entry.take("planes", BCQ_U32, 2);
  const Tensor& scale_numbers = entry.take("scales");
  const Tensor* const offset = facts.offset == Presence::kAbsent ? nullptr : &entry.take("offset");
  const Tensor* const row_order =
      facts.row_order == Presence::kAbsent ? nullptr : &entry.take("row_order");
  check_rows(entry, facts);
  bcq_matrix matrix = add_sizes(entry, facts, tables);
  check_planes(entry, planes, facts, matrix.columns);
  const Scales scales(entry, matrix, scale_numbers, facts.short_scales, offset);
  add_tiles(entry, planes, tables, &matrix);
  add_scales(entry, scales, tables, &matrix);
  if (row_order != nullptr) {
    add_row_order(entry, *row_order, facts.row_order == Presence::kCompact, tables, &matrix);
  }
  return matrix;
}

}  // namespace bcq::runtime
