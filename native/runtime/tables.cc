#include "runtime/tables.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace bcq::runtime {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kApart = true; /* so that a step beyond one is seen */
#else
constexpr bool kApart = false;
#endif

void* Tables::add(int64_t bytes) {
  if (bytes > left_) return nullptr;
  left_ -= bytes;
  const int64_t lines = (bytes + kLine - 1) / kLine * kLine;
  if (lines > room_) add_chunk(lines);
  char* const place = free_;
  free_ += lines;
  room_ -= lines;
  taken_ += lines;
  return std::memset(place, 0, static_cast<size_t>(bytes));
}

/* As large as all that was taken before, so that little stays unused. */
void Tables::add_chunk(int64_t least) {
  room_ = kApart ? least : std::max(least, std::clamp(taken_, kLeastChunk, kMostChunk));
  const int64_t alignment = room_ < kLargePage ? kLine : kLargePage;
  const auto size = static_cast<size_t>(room_);
  chunks_.emplace_back(operator new(size, std::align_val_t(alignment)), Delete{alignment});
  free_ = static_cast<char*>(chunks_.back().get());
#if defined(MADV_HUGEPAGE)
  if (alignment == kLargePage)
    madvise(free_, size, MADV_HUGEPAGE); /* nothing is lost where it fails */
#endif
}

}  // namespace bcq::runtime
