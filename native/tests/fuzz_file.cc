/* Changes valid files at random, with checksums that are right in half of the cases, and calls all
 * that there is on those that open. Run by hand, under sanitizers: fuzz_file [seconds] [seed]. */
#include <time.h>

#include "tests/file_attacks.h"
#include "tests/file_use.h"

using namespace bcq_test;

namespace {

size_t below(size_t limit) { return limit == 0 ? 0 : random_bits() % limit; }

Spec binary_spec() {
  const std::vector<Form> forms = {
      {3, 5, 5, {3, 2, 2}, true, true, BCQ_FLOAT16},
      {70, 33, 32, {70, 64, 1}, false, true, BCQ_FLOAT16},
      {65, 100, 64, {65, 65}, true, false, BCQ_FLOAT32},
      {9, 7, 7, {9, 9, 8, 7, 3, 3, 0, 0}, false, true, BCQ_FLOAT16},
  };
  RandomMatrix w(forms[below(forms.size())]);
  const bool is_half = w.form.scale_type == BCQ_FLOAT16;
  const Stored stored{is_half && below(2), w.form.order && below(2), !is_half && below(2)};
  if (stored.compact_order) sort_order(&w);
  if (stored.short_scales) shorten(&w);
  Spec spec;
  spec.weights = "{\"w\":" + add_binary(w, stored, "w", &spec.parts) + "}";
  return spec;
}

Spec uniform_spec() {
  const std::string packed = random_fields(9, 6, 3, 8);
  return {
      {{"w/packed", "U8", "[9,3]", packed},
       {"w/zero_rows", "U8", "[2]", "\3" + std::string(1, '\1')}},
      "{\"w\":{\"kind\":\"uniform\",\"bits\":3,\"columns\":6,\"limit\":0.5,\"zero_rows\":true}}"};
}

Spec compositional_spec() {
  const Numbers books = random_numbers(below(2) ? BCQ_FLOAT32 : BCQ_FLOAT16, 3 * 5 * 7);
  return {{float_part("w/codebooks", books, "[3,5,7]", false),
           {"w/packed", "U8", "[8,2]", random_fields(8, 3, 3, 5)}},
          "{\"w\":{\"kind\":\"compositional\"}}"};
}

/* One weight of any kind, and arrays. */
Spec random_spec() {
  Spec spec = below(3) ? binary_spec() : below(2) ? uniform_spec() : compositional_spec();
  spec.parts.push_back({"a", "F32", "[2,2]", std::string(16, '\2')});
  spec.parts.push_back({"b", "BOOL", "[]", "\1"});
  spec.weights.insert(1, "\"a\":{\"kind\":\"array\"},\"b\":{\"kind\":\"array\"},");
  spec.metadata = "{\"epoch\":[1.5e3,\"\\u00e4\",{}]}";
  align(&spec.parts);
  return spec;
}

void change_bytes(std::string* bytes) {
  const size_t at = below(bytes->size() + 1), count = below(4) ? 1 : below(40);
  switch (below(5)) {
    case 0:
      bytes->erase(at, count);
      break;
    case 1:
      bytes->insert(at, std::string(count, static_cast<char>(random_bits())));
      break;
    case 2:
      bytes->insert(at, bytes->substr(below(bytes->size()), count));
      break;
    default:
      if (at < bytes->size()) (*bytes)[at] = static_cast<char>((*bytes)[at] ^ 1 << below(8));
  }
}

/* Puts another word in place of a number or word of JSON. */
void change_word(std::string* json) {
  const std::vector<std::string> words = {"0",
                                          "1",
                                          "2",
                                          "3",
                                          "4",
                                          "5",
                                          "7",
                                          "8",
                                          "9",
                                          "16",
                                          "31",
                                          "32",
                                          "33",
                                          "64",
                                          "-1",
                                          "2147483647",
                                          "true",
                                          "null",
                                          "false",
                                          "\"compact\"",
                                          "[]",
                                          "{}",
                                          "1e308",
                                          "0.5",
                                          "1e-9",
                                          "\"\"",
                                          "4294967295",
                                          "\"array\"",
                                          "[3,2]",
                                          "[0]",
                                          "[64,1,1]",
                                          "1e39",
                                          "65536",
                                          "65537",
                                          "9223372036854775807",
                                          "2305843009213693952",
                                          "9223372036854775808"};
  const std::string inside = "0123456789.-truefalsn";
  size_t at = below(json->size());
  for (size_t i = 0; i < json->size() && inside.find((*json)[at]) == inside.npos; ++i) {
    at = (at + 1) % json->size();
  }
  const size_t end = std::min(json->find_first_not_of(inside, at), json->size());
  json->replace(at, end - at, words[below(words.size())]);
}

void change_spec(Spec* spec) {
  const std::vector<std::string> dtypes = {"F64", "F32", "F16", "BF16", "I64", "I32",
                                           "I8",  "U64", "U32", "U16",  "U8",  "BOOL"};
  Part& part = spec->parts[below(spec->parts.size())];
  switch (below(8)) {
    case 0:
      return change_bytes(&spec->weights);
    case 1:
    case 2:
      return change_word(&spec->weights);
    case 3:
      return change_word(&part.shape);
    case 4:
      part.dtype = dtypes[below(dtypes.size())];
      return;
    case 5:
      if (!part.data.empty()) {
        const size_t at = below(part.data.size());
        part.data[at] = static_cast<char>(below(2) ? random_bits() : 0xff);
      }
      return;
    case 6: { /* a row more or less, as shape and data */
      const size_t rows = below(6);
      part.data.resize(part.data.size() / 4 * rows);
      return change_word(&part.shape);
    }
    default:
      return change_bytes(&spec->metadata);
  }
}

}  // namespace

int main(int count, char** arguments) {
  const int seconds = count > 1 ? atoi(arguments[1]) : 10;
  const auto seed = static_cast<uint32_t>(count > 2 ? atol(arguments[2]) : 0);
  random_bits.seed(seed);
  const Folder folder;
  const time_t end = time(nullptr) + seconds;
  long files = 0, opened_files = 0;
  uint64_t result = 0;
  for (; time(nullptr) < end && failures < 10; ++files) {
    context = "seed " + std::to_string(seed) + ", file " + std::to_string(files);
    Spec spec = random_spec();
    const bool is_sealed = below(2);
    for (size_t i = below(4); is_sealed && i-- > 0;) change_spec(&spec);
    std::string bytes = bytes_of(spec);
    for (size_t i = below(4); !is_sealed && i-- > 0;) change_bytes(&bytes);
    const Opened opened(folder, bytes);
    expect((opened.status == BCQ_OK) == (opened.message[0] == '\0'), "message");
    expect((opened.status == BCQ_OK) == (opened.file != nullptr), "file");
    if (opened.file == nullptr) continue;
    ++opened_files;
    result += use(opened.file);
  }
  printf("seed %u: %ld files, of which %ld opened (sum %llu)\n", seed, files, opened_files,
         static_cast<unsigned long long>(result));
  return finish();
}
