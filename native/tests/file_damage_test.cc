/* Damaged files: every change of a byte, every cut and random damage is found. */
#include "tests/file_attacks.h"

using namespace bcq_test;

namespace {

/* Whether the file is refused, with a message. */
bool is_refused(const Folder& folder, const std::string& bytes) {
  const Opened opened(folder, bytes);
  return opened.status == BCQ_BAD_FILE && opened.message[0] != '\0' && opened.file == nullptr;
}

std::string small_file() {
  return codes_file({{"row_order", "true"}, {"scales", "\"compact\""}},
                    {{"row_order", part<int8_t>("I8", "[2]", {1, 0})},
                     {"scales", part<uint8_t>("U8", "[4]", {0xe0, 0xe0, 0xa1, 3})}});
}

void test_bytes(const Folder& folder, const std::string& good) {
  context = "a changed byte";
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int change : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ change);
      if (!is_refused(folder, bad)) return expect(false, "byte " + std::to_string(i));
    }
  }
}

void test_lengths(const Folder& folder, const std::string& good) {
  context = "a length";
  for (size_t i = 0; i < good.size(); ++i) {
    expect(is_refused(folder, good.substr(0, i)), "cut to " + std::to_string(i));
    expect(is_refused(folder, good.substr(0, i) + good.substr(i + 1)), "without a byte");
    expect(is_refused(folder, good.substr(0, i) + " " + good.substr(i)), "with a byte");
  }
  expect(is_refused(folder, good + std::string(1000, '\0')), "with more");
  expect(is_refused(folder, good + good), "twice");
}

void test_random_damage(const Folder& folder, const std::string& good) {
  context = "random damage, seed 0";
  random_bits.seed(0);
  for (int trial = 0; trial < 500; ++trial) {
    std::string bad = good;
    const size_t begin = random_bits() % good.size(), end = random_bits() % good.size();
    for (size_t i = begin; i < end; ++i) bad[i] = static_cast<char>(random_bits());
    if (bad != good) expect(is_refused(folder, bad), "trial " + std::to_string(trial));
  }
}

}  // namespace

int main() {
  const Folder folder;
  const std::string good = small_file();
  context = "no damage";
  const Opened opened(folder, good);
  expect(opened.status == BCQ_OK, opened.message);
  test_bytes(folder, good);
  test_lengths(folder, good);
  test_random_damage(folder, good);
  return finish();
}
