/* Forged files: no codes that break a rule of their kind are let in. */
#include "tests/file_cases.h"

using namespace bcq_test;

namespace {

std::vector<Case> binary_cases() {
  const auto f16 = [](const char* text, size_t count, uint16_t bits) {
    return part("F16", text, std::vector<uint16_t>(count, bits));
  };
  const auto f32 = [](const char* text, size_t count, float value) {
    return part("F32", text, std::vector<float>(count, value));
  };
  const auto f64 = [](const char* text, size_t count, double value) {
    return part("F64", text, std::vector<double>(count, value));
  };
  const Fields offset = {{"offset", "true"}}, order = {{"row_order", "true"}};
  const Fields short_order = {{"row_order", "\"compact\""}}, shorts = {{"scales", "\"compact\""}};
  const Part none;
  return {
      {"codes", codes_file()},
      {"all parts", codes_file({{"offset", "true"}, {"row_order", "true"}, {"group_size", "32"}},
                               {{"offset", f16("[2,1]", 2, 0x3c00)},
                                {"row_order", part<int64_t>("I64", "[2]", {1, 0})}})},
      {"compact order", codes_file(short_order, {{"row_order", part<uint8_t>("U8", "[1]", {2})}})},
      {"compact scales",
       codes_file(shorts, {{"scales", part<uint8_t>("U8", "[4]", {0xe0, 0xe0, 0xa1, 3})}})},
      {"no scales", codes_file({}, {{"scales", none}}), "'w/scales' is missing"},
      {"no offset", codes_file(offset), "'w/offset' is missing"},
      {"unsaid offset", codes_file({}, {{"offset", f16("[2,1]", 2, 0)}}), "to no weight"},
      {"missing field", codes_file({{"rows", ""}}), "'w' has an entry that breaks the format"},
      {"unknown field", codes_file({{"x", "1"}}), "has an entry that breaks the format"},
      {"scales that are true", codes_file({{"scales", "true"}}), "an entry that breaks"},
      {"columns true", codes_file({{"columns", "true"}}), "`columns` must be an integer from 1"},
      {"columns 0", codes_file({{"columns", "0"}}), "'w': `columns` must be an integer from 1"},
      {"columns 33", codes_file({{"columns", "33"}}), "`planes` must be [3, 2]. Received: [3, 1]"},
      {"columns of 30 digits", codes_file({{"columns", std::string(30, '9')}}), "`columns` must"},
      {"most columns", codes_file({{"columns", "9223372036854775807"}}), "`planes` must be"},
      {"group size 33", codes_file({{"group_size", "33"}}), "`group_size` must be"},
      {"group size -32", codes_file({{"group_size", "-32"}}), "`group_size` must be"},
      {"group size 32.0", codes_file({{"group_size", "32.0"}}), "group_size=32.0"},
      {"rows that do not add up", codes_file({{"rows", "[2,2]"}}), "`planes` must be [4, 1]"},
      {"rows that rise", codes_file({{"rows", "[1,2]"}}), "must have falling rows"},
      {"no rows", codes_file({{"rows", "[]"}}), "an entry that breaks"},
      {"nine planes", codes_file({{"rows", "[1,1,1,0,0,0,0,0,0]"}}), "an entry that breaks"},
      {"negative rows", codes_file({{"rows", "[4,-1]"}}), "an entry that breaks"},
      {"many rows", codes_file({{"rows", "[9223372036854775807,9223372036854775807]"}}),
       "that breaks"},
      {"rows of a string", codes_file({{"rows", "\"21\""}}), "an entry that breaks"},
      {"no row at all",
       codes_file({{"rows", "[0]"}},
                  {{"planes", part<uint32_t>("U32", "[0,1]", {})}, {"scales", f16("[0,1]", 0, 0)}}),
       "`planes` must have at least one row"},
      {"planes of one axis", codes_file({}, {{"planes", part<uint32_t>("U32", "[3]", {0, 0, 0})}}),
       "have 2 axes"},
      {"planes of int32", codes_file({}, {{"planes", part<int32_t>("I32", "[3,1]", {0, 0, 0})}}),
       "be of dtype U32"},
      {"padding bits", codes_file({}, {{"planes", part<uint32_t>("U32", "[3,1]", {3, 8, 32})}}),
       "padding bits of 0"},
      {"scales of too few rows", codes_file({}, {{"scales", f16("[2,1]", 2, 0)}}), "be [3, 1]"},
      {"scales of two groups", codes_file({}, {{"scales", f16("[3,2]", 6, 0)}}), "be [3, 1]"},
      {"scales of integers", codes_file({}, {{"scales", part<int16_t>("I16", "[3,1]", {1, 1, 1})}}),
       "floating dtype"},
      {"scales of bfloat16",
       codes_file({}, {{"scales", part<int16_t>("BF16", "[3,1]", {1, 1, 1})}}), "floating dtype"},
      {"scales past float32", codes_file({}, {{"scales", f64("[3,1]", 3, 1e300)}}), "in float32"},
      {"scales of Inf", codes_file({}, {{"scales", f64("[3,1]", 3, INFINITY)}}), "be finite"},
      {"scales of NaN", codes_file({}, {{"scales", f16("[3,1]", 3, 0x7e00)}}), "be finite"},
      {"sums at the end", codes_file({}, {{"scales", f32("[3,1]", 3, 1.7014e38f)}})},
      {"sums past float32", codes_file({}, {{"scales", f32("[3,1]", 3, 3e38f)}}),
       "sums in the range of float32. Received: 6e+38"},
      {"offset past float32", codes_file(offset, {{"offset", f64("[2,1]", 2, -1e39)}}),
       "`offset` must be finite in float32"},
      {"offset of NaN", codes_file(offset, {{"offset", f64("[2,1]", 2, NAN)}}), "`offset` must"},
      {"offset of another shape", codes_file(offset, {{"offset", f16("[3,1]", 3, 0)}}), "[2, 1]"},
      {"compact offset", codes_file({{"offset", "\"compact\""}}, {{"offset", f16("[2,1]", 2, 0)}}),
       "no other form"},
      {"row order with a repetition",
       codes_file(order, {{"row_order", part<int64_t>("I64", "[2]", {0, 0})}}), "a permutation"},
      {"row order past the end",
       codes_file(order, {{"row_order", part<int64_t>("I64", "[2]", {0, 2})}}), "a permutation"},
      {"negative row order", codes_file(order, {{"row_order", part<int8_t>("I8", "[2]", {0, -1})}}),
       "a permutation"},
      {"huge row order",
       codes_file(order, {{"row_order", part<uint64_t>("U64", "[2]", {0, ~0ull})}}),
       "a permutation"},
      {"row order of floats", codes_file(order, {{"row_order", f64("[2]", 2, 0)}}),
       "integer dtype"},
      {"row order of booleans",
       codes_file(order, {{"row_order", part<uint8_t>("BOOL", "[2]", {0, 1})}}), "integer dtype"},
      {"row order of another form", codes_file({{"row_order", "1"}}), "breaks the format"},
      {"compact order of another size",
       codes_file(short_order, {{"row_order", part<uint8_t>("U8", "[2]", {2, 0})}}),
       "`row_bits` must be [1]"},
      {"compact order of other planes",
       codes_file(short_order, {{"row_order", part<uint8_t>("U8", "[1]", {0})}}),
       "those of planes of [2, 1] rows"},
      {"compact order of padding",
       codes_file(short_order, {{"row_order", part<uint8_t>("U8", "[1]", {6})}}), "padding bits"},
      {"compact scales of another size",
       codes_file(shorts, {{"scales", part<uint8_t>("U8", "[3]", {0, 0, 0})}}), "must be [4]"},
      {"compact scales of padding",
       codes_file(shorts, {{"scales", part<uint8_t>("U8", "[4]", {0, 0, 0, 8})}}), "padding bits"},
      {"compact scales of Inf",
       codes_file(shorts, {{"scales", part<uint8_t>("U8", "[4]", {0xf0, 1, 0, 0})}}), "be finite"},
  };
}

std::vector<Case> other_cases() {
  const Fields zeros = {{"zero_rows", "true"}};
  const std::string nan = std::string("\0\0\xc0\x7f", 4);
  return {
      {"uniform codes", uniform_file()},
      {"whole limit", uniform_file({{"limit", "1"}})},
      {"marked", uniform_file(zeros, {{"zero_rows", part<uint8_t>("U8", "[1]", {2})}})},
      {"without a limit", uniform_file({{"limit", ""}}), "'w' has an entry that breaks"},
      {"limit of 4,000 digits", uniform_file({{"limit", std::string(4000, '9')}}), "`limit` must"},
      {"negative limit", uniform_file({{"limit", "-0.5"}}), "'w': `limit` must be"},
      {"limit past float32", uniform_file({{"limit", "1e300"}}), "limit=1e300"},
      {"limit at the end", uniform_file({{"limit", "3.4028235e38"}}), "`limit` must be"},
      {"tiny limit", uniform_file({{"limit", "1e-999"}})},
      {"limit true", uniform_file({{"limit", "true"}}), "`limit` must be"},
      {"9 bits", uniform_file({{"bits", "9"}}), "'w': `bits` must be an integer from 1 to 8"},
      {"bits true", uniform_file({{"bits", "true"}}), "bits=true"},
      {"zero rows of a number", uniform_file({{"zero_rows", "0"}}), "entry that breaks"},
      {"compact zero rows", uniform_file({{"zero_rows", "\"compact\""}}), "no other form"},
      {"most columns", uniform_file({{"columns", "9223372036854775807"}}), "`packed` must be"},
      {"other columns", uniform_file({{"columns", "6"}}), "be [2, 3]. Received: [2, 2]"},
      {"unsaid zero rows", uniform_file({}, {{"zero_rows", part<uint8_t>("U8", "[1]", {1})}}),
       "'w/zero_rows' belongs to no weight"},
      {"no zero rows", uniform_file(zeros), "'w/zero_rows' is missing"},
      {"zero rows past the end",
       uniform_file(zeros, {{"zero_rows", part<uint8_t>("U8", "[1]", {4})}}), "padding bits of 0"},
      {"no row", uniform_file({}, {{"packed", part<uint8_t>("U8", "[0,2]", {})}}), "at least one"},
      {"fields past the end",
       uniform_file({}, {{"packed", part<uint8_t>("U8", "[2,2]", {0, 0, 0, 64})}}), "padding bits"},
      {"compositional codes", compositional_file()},
      {"index past the codebook",
       compositional_file({}, {{"packed", part<uint8_t>("U8", "[3,1]", {0, 1, 3})}}),
       "`indexes` must be from 0 to 2. Received: 3"},
      {"no codebooks", compositional_file({}, {{"codebooks", {}}}), "'w/codebooks' is missing"},
      {"codebooks of float64",
       compositional_file({}, {{"codebooks", part<double>("F64", "[1,1,1]", {1})}}), "float32 or"},
      {"codebooks of NaN", compositional_file({}, {{"codebooks", {"", "F32", "[1,1,1]", nan}}}),
       "`codebooks` must be finite"},
      {"codebooks of two axes",
       compositional_file({}, {{"codebooks", part<float>("F32", "[1,3]", {1, 1, 1})}}),
       "[M, K, D]"},
      {"no entries", compositional_file({}, {{"codebooks", part<float>("F32", "[1,0,2]", {})}}),
       "[M, K, D]"},
      {"sums past float32",
       compositional_file({}, {{"packed", part<uint8_t>("U8", "[1,1]", {0})},
                               {"codebooks", part<float>("F32", "[2,1,1]", {3e38f, 3e38f})}}),
       "sums in the range of float32. Received: up to 6e+38"},
      {"more fields", compositional_file({{"x", "1"}}), "entry that breaks"},
  };
}

/* Codes whose tiles are far larger than their planes: refused before memory is taken. */
void test_far_more_memory(const Folder& folder) {
  context = "tiles of one row";
  const int64_t words = 1 << 18;
  Spec spec{{{"w/planes", "U32", shape_of(1, words), std::string(words * 4, '\0')},
             {"w/scales", "F16", "[1,1]", std::string(2, '\0')}}};
  spec.weights =
      "{\"w\":{\"kind\":\"codes\",\"columns\":8388608,\"group_size\":null,\"rows\":[1],"
      "\"offset\":false,\"row_order\":false}}";
  const std::string bytes = bytes_of(spec);
  peak();
  const size_t before = now_taken;
  const Opened opened(folder, bytes);
  expect(opened.status == BCQ_NO_MEMORY, "refused");
  expect(strstr(opened.message, "cannot be kept in memory: weight 'w' would take 67108864 bytes"),
         opened.message);
  expect(peak() - before < (1 << 20), "memory");
}

}  // namespace

int main() {
  const Folder folder;
  for (const auto& cases : {binary_cases(), other_cases()}) {
    for (const Case& each : cases) test(folder, each);
  }
  test_far_more_memory(folder);
  return finish();
}
