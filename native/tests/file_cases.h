/* Files that are let in, or refused with a message, in little memory. */
#ifndef BCQ_TESTS_FILE_CASES_H_
#define BCQ_TESTS_FILE_CASES_H_

#include "tests/file_attacks.h"
#include "tests/file_memory.h"

namespace bcq_test {

struct Case {
  const char* name;
  std::string bytes;
  const char* message = nullptr; /* a part of it; NULL: the file is read */
};

inline void test(const Folder& folder, const Case& each) {
  context = each.name;
  peak();
  const size_t before = now_taken;
  const Opened opened(folder, each.bytes);
  expect(peak() - before <= 4 * each.bytes.size() + (8 << 20), "memory");
  const std::string message = opened.message;
  if (each.message == nullptr) {
    return expect(opened.status == BCQ_OK && opened.file, "read: " + message);
  }
  expect(opened.status == BCQ_BAD_FILE && !opened.file, "refused");
  expect(message.find(each.message) != message.npos, "message: " + message);
  expect(message.find("' is not a whole bcq_tf file: ") != message.npos, "begin of the message");
  expect(message.find('\n') == message.npos, "one line");
}

}  // namespace bcq_test

#endif
