/* Counts the memory that is taken with `new`: one file of a test includes this. */
#ifndef BCQ_TESTS_FILE_MEMORY_H_
#define BCQ_TESTS_FILE_MEMORY_H_

#include <stdlib.h>

#include <new>

namespace bcq_test {

inline size_t now_taken = 0, most_taken = 0, times_taken = 0;

/* The most that was taken at once since it was last asked. */
inline size_t peak() {
  const size_t most = most_taken;
  most_taken = now_taken;
  return most;
}

constexpr size_t kHead = 64; /* before what is given, where its size stands */

inline void* take(size_t bytes) {
  void* const memory = aligned_alloc(kHead, (bytes + 2 * kHead - 1) / kHead * kHead);
  if (memory == nullptr) abort();
  *static_cast<size_t*>(memory) = bytes;
  ++times_taken;
  now_taken += bytes;
  if (now_taken > most_taken) most_taken = now_taken;
  return static_cast<char*>(memory) + kHead;
}

inline void give_back(void* memory) {
  if (memory == nullptr) return;
  void* const whole = static_cast<char*>(memory) - kHead;
  now_taken -= *static_cast<size_t*>(whole);
  free(whole);
}

}  // namespace bcq_test

void* operator new(size_t bytes) { return bcq_test::take(bytes); }
void* operator new(size_t bytes, std::align_val_t) { return bcq_test::take(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return bcq_test::take(bytes); }
void operator delete(void* memory) noexcept { bcq_test::give_back(memory); }
void operator delete(void* memory, size_t) noexcept { bcq_test::give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { bcq_test::give_back(memory); }

#endif
