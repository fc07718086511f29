#include "runtime/tensors.h"

#include <algorithm>
#include <numeric>

#include "runtime/failure.h"

namespace bcq::runtime {

namespace {

struct Dtype {
  const char* name;
  int64_t bytes;
};

constexpr Dtype kDtypes[] = {  // in the order of bcq_dtype
    {"F64", 8},     {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1},
    {"F8_E5M2", 1}, {"I64", 8}, {"I32", 4}, {"I16", 2},  {"I8", 1},
    {"U64", 8},     {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}};
constexpr int kDtypeCount = sizeof(kDtypes) / sizeof(kDtypes[0]);

}  // namespace

int64_t item_bytes(bcq_dtype dtype) { return kDtypes[dtype].bytes; }

const char* name_of(bcq_dtype dtype) { return kDtypes[dtype].name; }

bool find_dtype(std::string_view name, bcq_dtype* dtype) {
  for (int i = 0; i < kDtypeCount; ++i) {
    if (name != kDtypes[i].name) continue;
    *dtype = static_cast<bcq_dtype>(i);
    return true;
  }
  return false;
}

bool is_floating(bcq_dtype dtype) {
  return dtype == BCQ_F64 || dtype == BCQ_F32 || dtype == BCQ_F16;
}

bool is_integer(bcq_dtype dtype) { return dtype >= BCQ_I64 && dtype <= BCQ_U8; }

void Tensors::sort_names() {
  by_name_.resize(all_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [this](uint32_t a, uint32_t b) { return all_[a].name < all_[b].name; });
}

const Tensor& Tensors::take(std::string_view name) {
  const auto found = std::lower_bound(
      by_name_.begin(), by_name_.end(), name,
      [this](uint32_t i, std::string_view wanted) { return all_[i].name < wanted; });
  const bool is_there = found != by_name_.end() && all_[*found].name == name;
  if (!is_there || all_[*found].taken) refuse("tensor ", quoted(name), " is missing");
  all_[*found].taken = true;
  return all_[*found];
}

void Tensors::check_all_taken() const {
  for (const Tensor& tensor : all_) {
    if (!tensor.taken) refuse("tensor ", quoted(tensor.name), " belongs to no weight");
  }
}

}  // namespace bcq::runtime
