#include "runtime/graph/pool.h"

#include <new>
#include <string>

#include "runtime/failure.h"

namespace bcq::graph {

namespace {

constexpr int64_t kLeast = 64; /* bytes of a block */

int log2(int64_t n) { return 63 - __builtin_clzll(static_cast<uint64_t>(n)); }

}  // namespace

int Pool::size_class(int64_t* bytes) {
  if (*bytes < kLeast) *bytes = kLeast;
  const int power = log2(*bytes);
  const int64_t first = int64_t{1} << power, step = first / kSteps;
  const auto steps = static_cast<int>((*bytes - first + step - 1) / step);
  *bytes = first + steps * step;
  return power * kSteps + steps;
}

int64_t Pool::bytes_of(int size_class) {
  const int64_t first = int64_t{1} << (size_class / kSteps);
  return first + size_class % kSteps * (first / kSteps);
}

Block* Pool::take(int64_t bytes) {
  const int64_t wanted = bytes;
  const int size = size_class(&bytes);
  bytes += static_cast<int64_t>(sizeof(Block));
  if (wanted > limit_ || bytes > limit_ - used_) {
    runtime::fail(BCQ_OVER_LIMIT,
                  {"its values take more than the ", limit_, " bytes that they may"});
  }
  Block* block = free_[size];
  if (block != nullptr) {
    free_[size] = block->next;
  } else {
    if (bytes > limit_ - held_) trim();
    const auto aligned = std::align_val_t(alignof(Block));
    block = static_cast<Block*>(operator new(static_cast<size_t>(bytes), aligned));
    held_ += bytes;
  }
  used_ += bytes;
  *block = {this, nullptr, 1, 0, size};
  return block;
}

void Pool::give_back(Block* block) {
  used_ -= bytes_of(block->size_class) + static_cast<int64_t>(sizeof(Block));
  block->next = free_[block->size_class];
  free_[block->size_class] = block;
}

void Pool::trim() {
  for (int size = 0; size < kClasses; ++size) {
    while (free_[size] != nullptr) {
      Block* const block = free_[size];
      free_[size] = block->next;
      held_ -= bytes_of(size) + static_cast<int64_t>(sizeof(Block));
      operator delete(block, std::align_val_t(alignof(Block)));
    }
  }
}

}  // namespace bcq::graph
