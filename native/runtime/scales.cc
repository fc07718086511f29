#include "runtime/scales.h"

#include <algorithm>
#include <cmath>

#include "core/arrays.h"
#include "runtime/failure.h"

namespace bcq::runtime {

namespace {

constexpr int kShortBits = 9;

void check_floating(const Entry& entry, const char* part, const Tensor& tensor) {
  if (is_floating(tensor.dtype)) return;
  entry.fail_rule(part, "be of floating dtype", name_of(tensor.dtype));
}

/* The largest magnitude, which must be finite as float32. */
double checked_largest(const Entry& entry, const char* part, const Floats& numbers, int64_t count) {
  const double largest = numbers.largest(0, count);
  if (std::isinf(largest)) entry.fail_rule(part, "be finite", "NaN or Inf");
  if (largest > kFloatMax) entry.fail_rule(part, "be finite in float32", shown(largest));
  return largest;
}

}  // namespace

Scales::Scales(const Entry& entry, const bcq_matrix& matrix, const Tensor& scales, bool are_short,
               const Tensor* offset)
    : matrix_(matrix),
      groups_(divide_up(matrix.columns, matrix.group_size)),
      scales_(are_short ? Floats::of_nine_bits(scales) : Floats(scales)) {
  check_shape(entry, scales, are_short);
  if (offset != nullptr) {
    check_floating(entry, "offset", *offset);
    entry.check_shape("offset", *offset, {matrix.rows, groups_});
    offset_.emplace(*offset);
  }
  check_sums(entry);
}

int64_t Scales::stored() const {
  int64_t rows = 0;
  for (int32_t i = 0; i < matrix_.bits; ++i) rows += matrix_.plane_rows[i];
  return rows;
}

void Scales::check_shape(const Entry& entry, const Tensor& scales, bool are_short) const {
  if (!are_short) {
    check_floating(entry, "scales", scales);
    return entry.check_shape("scales", scales, {stored(), groups_});
  }
  if (scales.dtype != BCQ_U8) entry.fail_rule("scales", "be uint8", name_of(scales.dtype));
  entry.check_shape("scales", scales, {field_bytes(stored() * groups_, kShortBits)});
  const auto* const packed = static_cast<const uint8_t*>(scales.data);
  if (padded_with_zeros(packed, 1, stored() * groups_, kShortBits)) return;
  entry.fail_rule("scales", "have padding bits of 0", "1");
}

/* What is added to a weight is finite, in float32, whatever the signs are. */
void Scales::check_sums(const Entry& entry) const {
  double bound = 0;  // of all sums, mostly far away from the largest float32
  int64_t first = 0;
  checked_largest(entry, "scales", scales_, stored() * groups_);
  for (int32_t i = 0; i < matrix_.bits; first += matrix_.plane_rows[i++] * groups_) {
    bound += scales_.largest(first, matrix_.plane_rows[i] * groups_);
  }
  if (offset_) bound += checked_largest(entry, "offset", *offset_, matrix_.rows * groups_);
  if (bound < kFloatMax) return;
  const double largest = largest_sum();
  if (largest <= kLargestSum) return;
  entry.fail_rule("scales", "have sums in the range of float32", shown(largest));
}

double Scales::largest_sum() const {
  double largest = 0;
  for (int64_t at = 0; at < matrix_.rows * groups_; ++at) {
    double sum = 0;
    int64_t first = 0;
    for (int32_t i = 0; i < matrix_.bits && at < matrix_.plane_rows[i] * groups_; ++i) {
      sum += std::fabs(scales_[first + at]);
      first += matrix_.plane_rows[i] * groups_;
    }
    largest = std::max(largest, sum + (offset_ ? std::fabs((*offset_)[at]) : 0));
  }
  return largest;
}

bcq_type Scales::type() const {
  return scales_.are_half() && (!offset_ || offset_->are_half()) ? BCQ_FLOAT16 : BCQ_FLOAT32;
}

void Scales::fill_scales(void* scales) const {
  int64_t index = 0;
  for (int32_t i = 0; i < matrix_.bits; ++i) {
    for (int64_t row = 0; row < matrix_.plane_rows[i]; ++row) {
      for (int64_t g = 0; g < groups_; ++g) {
        scales_.write(index++, type(), scales, (g * matrix_.bits + i) * matrix_.rows + row);
      }
    }
  }
}

void Scales::fill_offset(void* offset) const {
  for (int64_t row = 0; row < matrix_.rows; ++row) {
    for (int64_t g = 0; g < groups_; ++g) {
      offset_->write(row * groups_ + g, type(), offset, g * matrix_.rows + row);
    }
  }
}

}  // namespace bcq::runtime
