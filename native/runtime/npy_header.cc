#include "runtime/npy_header.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "runtime/failure.h"

namespace bcq::runtime {

namespace {

using namespace std::string_view_literals;

constexpr size_t kBytes = 128, kMostDigits = 19;
constexpr std::string_view kMagic = "\x93NUMPY\x01\x00\x76\x00"sv;  // 128 - 10 bytes follow
constexpr std::string_view kBefore = "{'descr': '|u1', 'fortran_order': False, 'shape': ("sv;
constexpr std::string_view kAfter = ",), }"sv;

bool skip(std::string_view* text, std::string_view expected) {
  if (text->substr(0, expected.size()) != expected) return false;
  text->remove_prefix(expected.size());
  return true;
}

/* The number of bytes that the header says; false: it is none of ours. */
bool parse(std::string_view head, uint64_t* count) {
  if (head.size() != kBytes || !skip(&head, kMagic) || !skip(&head, kBefore)) return false;
  const size_t digits = std::min(head.find_first_not_of("0123456789"), head.size());
  if (digits == 0 || digits > kMostDigits) return false;
  std::from_chars(head.data(), head.data() + digits, *count);
  head.remove_prefix(digits);
  return skip(&head, kAfter) && head.find_first_not_of(' ') == head.size() - 1 &&
         head.back() == '\n';
}

}  // namespace

size_t check_npy_header(const uint8_t* bytes, size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(bytes), std::min(size, kBytes));
  if (head.find("'descr': '|O'") != head.npos) {
    refuse("it holds pickled Python objects, which are never run");
  }
  uint64_t expected = 0;
  if (!parse(head, &expected)) {
    refuse("it does not begin with the .npy header of a vector of bytes");
  }
  const uint64_t present = size - kBytes;
  if (expected == present) return kBytes;
  refuse("it ", (present < expected ? "is cut short" : "has bytes after its end"), ": ", present,
         " bytes where its header says ", expected);
}

}  // namespace bcq::runtime
