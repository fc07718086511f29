/* Arrays of every dtype, names, metadata, and the example of docs/file-format.md. */
#include "tests/files.h"

using namespace bcq_test;

namespace {

void expect_array(const bcq_weight* weight, bcq_dtype dtype, const std::vector<int64_t>& shape,
                  const std::string& data) {
  if (weight == nullptr) return expect(false, "found");
  const bcq_array& array = weight->array;
  expect(weight->kind == BCQ_ARRAY && array.dtype == dtype, "dtype");
  expect(weight->rows == 0 && weight->binary.tiles == nullptr, "nothing else");
  expect(array.rank == static_cast<int32_t>(shape.size()) &&
             std::equal(shape.begin(), shape.end(), array.shape),
         "shape");
  expect(array.bytes == static_cast<int64_t>(data.size()) &&
             memcmp(array.data, data.data(), data.size()) == 0,
         "data");
}

void test_dtypes(const Folder& folder) {
  const std::vector<std::string> names = {"F64",     "F32", "F16", "BF16", "F8_E4M3",
                                          "F8_E5M2", "I64", "I32", "I16",  "I8",
                                          "U64",     "U32", "U16", "U8",   "BOOL"};
  const size_t sizes[] = {8, 4, 2, 2, 1, 1, 8, 4, 2, 1, 8, 4, 2, 1, 1};
  for (size_t i = 0; i < names.size(); ++i) {
    context = names[i];
    const std::string data(6 * sizes[i], '\1');
    Spec spec{{{"a", names[i], "[2,3]", data}}};
    spec.weights = array_weights(spec.parts);
    const Opened opened(folder, bytes_of(spec));
    expect(opened.status == BCQ_OK, opened.message);
    expect_array(bcq_find(opened.file, "a"), static_cast<bcq_dtype>(i), {2, 3}, data);
  }
}

void test_shapes(const Folder& folder) {
  context = "shapes";
  std::string ones = "1";
  for (int i = 1; i < 32; ++i) ones += ",1";
  Spec spec{{{"scalar", "F32", "[]", "abcd"},
             {"none", "F32", "[0]", ""},
             {"large and empty", "F32", "[1099511627776,0,262144]", ""},
             {"many axes", "U8", "[" + ones + "]", "x"}}};
  spec.weights = array_weights(spec.parts);
  const Opened opened(folder, bytes_of(spec));
  expect(opened.status == BCQ_OK, opened.message);
  expect_array(bcq_find(opened.file, "scalar"), BCQ_F32, {}, "abcd");
  expect_array(bcq_find(opened.file, "none"), BCQ_F32, {0}, "");
  expect_array(bcq_find(opened.file, "large and empty"), BCQ_F32, {1099511627776, 0, 262144}, "");
  expect_array(bcq_find(opened.file, "many axes"), BCQ_U8, std::vector<int64_t>(32, 1), "x");
  expect(bcq_rows(bcq_find(opened.file, "none"), nullptr, 0, nullptr, nullptr, alone()) ==
             BCQ_BAD_ARGUMENT,
         "rows of an array");
}

/* Escapes, other alphabets, and names that begin alike, in the order of the file. */
void test_names(const Folder& folder) {
  context = "names";
  const std::vector<std::string> names = {"b", "a", "ab", "A/b c", "\xc3\xa4", "\xf0\x9f\x98\x80"};
  Spec spec;
  for (const std::string& name : names)
    spec.parts.push_back({name, "U8", "[1]", name.substr(0, 1)});
  spec.weights = array_weights(spec.parts);
  const auto check = [&](const Opened& opened) {
    expect(opened.status == BCQ_OK, opened.message);
    expect(bcq_count(opened.file) == static_cast<int64_t>(names.size()), "count");
    for (size_t i = 0; i < names.size(); ++i) {
      const bcq_weight* const weight = bcq_at(opened.file, static_cast<int64_t>(i));
      expect(weight && weight->name == names[i], "order");
      expect(bcq_find(opened.file, names[i].c_str()) == weight, names[i]);
    }
    for (const char* other : {"", "B", "abc", "\xc3"}) {
      expect(bcq_find(opened.file, other) == nullptr, "other names");
    }
    expect(!bcq_at(opened.file, -1) && !bcq_at(opened.file, INT64_MAX), "other places");
  };
  check(Opened(folder, bytes_of(spec)));
  const std::string document =
      "{\"version\":1,\"crc32\":[" + std::to_string(plain_crc32("b")) +
      "],\"weights\":{\"\\u0062\":{\"\\u006bind\":\"array\"}},\"metadata\":{\"x\":\"\\ud800\"}}";
  const Opened opened(folder, seal_document(document,
                                            ",\"\\u0062\":{\"dtype\":\"U8\",\"shape\":[1],"
                                            "\"data_offsets\":[0,1]}",
                                            "b"));
  expect(opened.status == BCQ_OK, opened.message);
  expect(bcq_find(opened.file, "b") != nullptr, "escaped");
}

void test_metadata(const Folder& folder) {
  context = "metadata";
  Spec spec;
  spec.metadata = "{ \"epoch\" : [7, {\"a\": \"}\\\\\\\"\"}] }";
  spec.more = ",\"future\":[1e999e]";
  expect(Opened(folder, bytes_of(spec)).status == BCQ_BAD_FILE, "not JSON");
  spec.more = ",\"future\":[1]";
  const Opened opened(folder, bytes_of(spec));
  size_t size = 0;
  expect(opened.status == BCQ_OK, opened.message);
  const char* const text = bcq_metadata(opened.file, &size);
  expect(text && spec.metadata == text && size == spec.metadata.size(), "text");
  expect(bcq_metadata(opened.file, nullptr) == text, "without a size");
}

void test_example(const Folder& folder) {
  context = "the example of docs/file-format.md";
  const std::string data("\x0d\0\0\0\x12\0\0\0\0\0\0\xc0\xe0\xa0\x01", 15);
  const std::string document =
      R"({"version":1,"crc32":[70735276,3122666924,2409858509],"weights":{"w":{"kind":"codes",)"
      R"("columns":5,"group_size":null,"rows":[1,1],"offset":false,"row_order":false,)"
      R"("scales":"compact"},"bias":{"kind":"array"}},"metadata":{"epoch":7}})";
  const std::string bytes =
      seal_document(document,
                    R"(,"w/planes":{"dtype":"U32","shape":[2,1],"data_offsets":[0,8]})"
                    R"(,"bias":{"dtype":"F32","shape":[1],"data_offsets":[8,12]})"
                    R"(,"w/scales":{"dtype":"U8","shape":[3],"data_offsets":[12,15]})",
                    data);
  expect(bytes.size() == 655 && bytes.substr(128, 8) == length_bytes(504), "size");
  expect(bytes.substr(136, 35) == "{\"__metadata__\":{\"crc32\":\"a7e3803e\"", "checksum");
  const Opened opened(folder, bytes);
  expect(opened.status == BCQ_OK, opened.message);
  const int64_t id = 0;
  float row[5] = {};
  expect(bcq_rows(bcq_find(opened.file, "w"), &id, 1, row, nullptr, alone()) == BCQ_OK, "rows");
  const float expected[] = {.25f, -.25f, .25f, .25f, -.25f};
  expect(std::equal(row, row + 5, expected), "values");
  expect_array(bcq_find(opened.file, "bias"), BCQ_F32, {1}, octets(std::vector<float>{-2}));
}

void test_no_file(const Folder& folder) {
  context = "no file";
  expect(bcq_count(nullptr) == 0 && !bcq_at(nullptr, 0) && !bcq_find(nullptr, "a"), "NULL");
  size_t size = 1;
  expect(bcq_metadata(nullptr, &size) == nullptr && size == 0, "metadata of NULL");
  expect(bcq_rows(nullptr, nullptr, 0, nullptr, nullptr, alone()) == BCQ_BAD_ARGUMENT, "rows");
  bcq_file* file = nullptr;
  expect(bcq_open(nullptr, &file, nullptr, 0) == BCQ_BAD_ARGUMENT, "no path");
  expect(bcq_open("a", nullptr, nullptr, 0) == BCQ_BAD_ARGUMENT, "no result");
  const Opened missing(folder.path() + "/none"), directory(folder.path()), empty(folder, "");
  expect(
      missing.status == BCQ_NO_FILE && strstr(missing.message, "none' cannot be opened: No such"),
      missing.message);
  expect(directory.status == BCQ_BAD_FILE && strstr(directory.message, "not a regular file"),
         directory.message);
  expect(empty.status == BCQ_BAD_FILE && strstr(empty.message, "is empty"), empty.message);
  for (size_t length : {0, 1, 2, 30}) {
    char message[32];
    memset(message, 'x', sizeof(message));
    expect(bcq_open("\xc3\xa4\xc3\xa4", &file, message, length) == BCQ_NO_FILE, "cut message");
    expect(message[length] == 'x' && (length == 0 || strlen(message) < length), "length");
  }
  expect(std::string(bcq_version()) == BCQ_VERSION, "version");
}

}  // namespace

int main() {
  const Folder folder;
  test_dtypes(folder);
  test_shapes(folder);
  test_names(folder);
  test_metadata(folder);
  test_example(folder);
  test_no_file(folder);
  return finish();
}
