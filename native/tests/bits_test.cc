/* Every instruction set gives the same bits, on every processor: those of products, decoded rows
 * and columns over all forms, as one number. */
#include <numeric>

#include "core/gather/gather.h"
#include "core/isa/instruction_set.h"
#include "core/product/product.h"
#include "tests/matrices.h"

using namespace bcq_test;

namespace {

constexpr uint64_t kExpected = 0x1efa29bbf13a7f6d;
/* Rows of x: more are multiplied by other means where exact, and are not the same where fast. */
constexpr int64_t kBatches[] = {20, 4};

/* FNV-1a. */
struct Hash {
  uint64_t value = 0xcbf29ce484222325;

  void add(const Numbers& numbers) {
    for (char byte : numbers.bytes) {
      value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
    }
  }
};

void add_products(const RandomMatrix& w, bcq_type type, Hash* hash) {
  for (bcq_precision precision : {BCQ_EXACT, BCQ_FAST}) {
    const int64_t batch = kBatches[precision];
    const Numbers x = random_numbers(type, batch * w.form.columns);
    Numbers y(type, batch * w.form.rows);
    bcq_product(&w.matrix, precision, type, x.at(0), batch, y.data(), alone());
    hash->add(y);
  }
}

void add_weights(const RandomMatrix& w, bcq_type type, Hash* hash) {
  std::vector<int64_t> ids(w.form.rows);
  std::iota(ids.begin(), ids.end(), 0);
  Numbers rows(type, w.form.rows * w.form.columns), columns = rows;
  int64_t bad;
  bcq_gather(&w.matrix, ids.data(), w.form.rows, type, rows.data(), &bad, alone());
  hash->add(rows);
  bcq_columns(&w.matrix, type, columns.data(), alone());
  hash->add(columns);
}

}  // namespace

int main() {
  Hash hash;
  for (const Form& form : all_forms()) {
    const RandomMatrix w(form);
    for (bcq_type type : {BCQ_FLOAT32, BCQ_FLOAT16, BCQ_BFLOAT16}) {
      add_products(w, type, &hash);
      add_weights(w, type, &hash);
    }
  }
  char found[17];
  snprintf(found, sizeof found, "%016llx", static_cast<unsigned long long>(hash.value));
  expect(hash.value == kExpected,
         std::string("bits of ") + bcq_instruction_set() + " are " + found);
  return finish();
}
