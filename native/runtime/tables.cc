#include "runtime/tables.h"

#include <cstring>

namespace bcq::runtime {

void* Tables::add(int64_t bytes) {
  if (bytes > left_) return nullptr;
  all_.emplace_back(operator new(static_cast<size_t>(bytes), std::align_val_t(kAlignment)));
  left_ -= bytes;
  return std::memset(all_.back().get(), 0, static_cast<size_t>(bytes));
}

}  // namespace bcq::runtime
