/* Forged files: nothing that breaks a rule of headers, document and tensors is let in. */
#include "tests/file_cases.h"

using namespace bcq_test;

namespace {

const std::vector<Part> kArray = {{"a", "F32", "[3]", std::string(12, '\1')}};

std::string array(const std::string& entry, const Spec& more = {}) {
  Spec spec = more;
  if (spec.parts.empty()) spec.parts = kArray;
  spec.parts[0].entry = entry;
  spec.weights = array_weights(spec.parts);
  return bytes_of(spec);
}

std::string shape(const std::string& text) {
  return array("{\"dtype\":\"F32\",\"shape\":" + text + ",\"data_offsets\":[0,12]}");
}

std::string offsets(const std::string& text) {
  return array("{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":" + text + "}");
}

std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  return bytes.replace(bytes.find(from), from.size(), to);
}

std::string document(const std::string& text) { return seal_document(text); }

std::string spec(const Spec& spec) { return bytes_of(spec); }

std::string weights(const std::string& text) {
  Spec with{kArray};
  with.weights = text;
  return bytes_of(with);
}

std::string with_data(const std::string& data) {
  Spec with{kArray, array_weights(kArray)};
  with.data = data;
  return bytes_of(with);
}

std::string many_tensors(int count) {
  std::string tensors, checksums;
  for (int i = 0; i < count; ++i) {
    tensors +=
        ",\"t" + std::to_string(i) + "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    checksums += i ? ",0" : "0";
  }
  return seal_document(
      "{\"version\":1,\"crc32\":[" + checksums + "],\"weights\":{},\"metadata\":{}}", tensors);
}

std::string many_keys(int count) {
  std::string text = "{\"version\":1";
  for (int i = 0; i < count; ++i) text += ",\"" + std::to_string(i) + "\":0";
  return document(text + "}");
}

std::vector<Case> header_cases() {
  const std::string none = npy("");
  return {
      {"no tensors", spec({})},
      {"an array", array("")},
      {"text", "hello", "does not begin with the .npy header"},
      {"npy cut in its header", none.substr(0, 100), "does not begin with the .npy header"},
      {"npy of floats", replaced(none, "|u1", "<f8"), "does not begin with the .npy header"},
      {"npy in Fortran order", replaced(none, "False", "True "), "does not begin with the .npy"},
      {"npy of two axes", replaced(none, "(0,)", "(0,1)"), "does not begin with the .npy"},
      {"pickle", replaced(none, "'|u1'", "'|O' "), "pickled Python objects, which are never run"},
      {"npy without a size", replaced(none, "(0,)", "(,) "), "does not begin with the .npy"},
      {"npy of a long size", npy("", SIZE_MAX), "does not begin with the .npy"},
      {"npy of huge size", npy("x", 1000000000000000000), "cut short: 1 bytes where its header"},
      {"npy with more", npy("xy", 1), "has bytes after its end: 2 bytes where its header says 1"},
      {"no body", none, "the header cannot be 0 bytes"},
      {"7 bytes", npy("1234567"), "the header cannot be"},
      {"header of 2^64 - 1 bytes", npy(std::string(64, '\xff')), "be 18446744073709551615 bytes"},
      {"header past the end", npy(length_bytes(120) + std::string(56, ' ')), "be 120 bytes"},
      {"header of an odd length", npy(length_bytes(57) + std::string(100, ' ')), "be 57 bytes"},
      {"header past the cap",
       npy(length_bytes((16 << 20) + 56) + std::string((16 << 20) + 56, ' ')), "be 16777272 bytes"},
      {"safetensors of others", npy(length_bytes(56) + "{\"a\":{}}" + std::string(48, ' ')),
       "does not begin as that of"},
      {"wrong header checksum", replaced(array(""), "\"F32\"", "\"I32\""), "header fails its"},
      {"header is no JSON", seal(",\"bcq_tf\":"), "the header is not valid JSON"},
      {"header is invalid UTF-8", seal(",\"bcq_tf\":\"\xff\"}}"), "not UTF-8"},
      {"text after the JSON", seal(",\"bcq_tf\":\"\"}}{}"), "after the value"},
      {"metadata of another sort", seal(",\"x\":\"y\"}}"), "not those of bcq_tf"},
      {"more metadata", seal(",\"bcq_tf\":\"{}\",\"x\":0}}"), "not those of bcq_tf"},
      {"document is no string", seal(",\"bcq_tf\":1}}"), "not those of bcq_tf"},
      {"repeated metadata", seal(",\"bcq_tf\":\"\"},\"__metadata__\":[]}"), "appears twice"},
      {"repeated tensor", seal(",\"bcq_tf\":\"\"},\"a\":{},\"b\":0,\"\\u0061\":{}}"),
       "appears twice"},
      {"deep header", seal(",\"bcq_tf\":\"\"},\"a\":" + std::string(20000, '[')), "too deeply"},
  };
}

std::vector<Case> document_cases() {
  const std::string lone = seal(",\"bcq_tf\":\"\\\"\\ud800\\\"\"}}");
  return {
      {"document is no JSON", document("x"), "the document is not valid JSON"},
      {"document is a list", document("[]"), "the document is not a JSON object"},
      {"document is no text", lone, "not UTF-8"},
      {"repeated key", document("{\"version\":1,\"version\":1}"), "a key appears twice"},
      {"NaN", document("{\"version\":NaN}"), "NaN is not finite"},
      {"1e999", document("{\"version\":1e999}"), "1e999 is not finite"},
      {"100,000 digits", document("{\"version\":" + std::string(100000, '9') + "}"), "many digits"},
      {"version 2", spec({{}, "{}", "{}", "2"}), "version is 2 and this library reads up to 1"},
      {"version 2 of other fields", document("{\"version\":2}"), "a newer one is needed"},
      {"version 0", spec({{}, "{}", "{}", "0"}), "version is 0"},
      {"version true", spec({{}, "{}", "{}", "true"}), "version is true"},
      {"version 1.0", spec({{}, "{}", "{}", "1.0"}), "version is 1.0"},
      {"version of a string", spec({{}, "{}", "{}", "\"1\""}), "version is \"1\""},
      {"no version", document("{}"), "version is null"},
      {"no checksums", document("{\"version\":1}"), "checksums of 0 tensors"},
      {"too many checksums", spec({{}, "{}", "{}", "1", "0"}), "checksums of 0 tensors"},
      {"a checksum of a string", spec({kArray, "{}", "{}", "1", "\"0\""}), "checksums of 1"},
      {"a negative checksum", spec({kArray, "{}", "{}", "1", "-1"}), "checksums of 1"},
      {"wrong checksum", spec({kArray, "{}", "{}", "1", "5"}),
       "'a' fails its checksum (bytes 0 to 12"},
      {"wide checksum", spec({kArray, "{}", "{}", "1", "1" + std::string(18, '0')}),
       "'a' fails its checksum"},
      {"500,000 keys", many_keys(500000), "checksums of 0"},
      {"600,000 keys", many_keys(600000), "hold too many values"},
      {"no weights", document("{\"version\":1,\"crc32\":[],\"metadata\":{}}"), "lacks weights"},
      {"weights in a list", spec({{}, "[]"}), "lacks weights or metadata"},
      {"metadata in a list", spec({{}, "{}", "[]"}), "lacks weights or metadata"},
      {"tensor of no weight", spec({kArray}), "'a' belongs to no weight"},
      {"weight of no tensor", spec({{}, "{\"b\":{\"kind\":\"array\"}}"}), "'b' is missing"},
      {"weight without an entry", weights("{\"a\":null}"), "'a' is of the unknown kind null"},
      {"unknown kind", weights("{\"a\":{\"kind\":\"x\"}}"), "of the unknown kind \"x\""},
      {"kind that is a list", weights("{\"a\":{\"kind\":[]}}"), "of the unknown kind []"},
      {"name that C has not", weights("{\"a\\u0000\":{\"kind\":\"array\"}}"), "text of Unicode"},
      {"half a character", weights("{\"\\ud800\":{\"kind\":\"array\"}}"), "text of Unicode"},
  };
}

std::vector<Case> tensor_cases() {
  const std::vector<Part> two = {kArray[0], {"b", "F32", "[3]", std::string(12, '\1')}};
  const std::vector<Part> odd = {{"b", "U8", "[1]", "x"}, kArray[0]};
  std::vector<Part> overlap = two;
  overlap[1].entry = "{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}";
  std::string ones = "[1";
  for (int i = 0; i < 32; ++i) ones += ",1";
  const Spec booleans{{{"a", "BOOL", "[2]", "\1\2"}}};
  return {
      {"entry is a list", array("[]"), "'a' needs dtype, shape and data_offsets"},
      {"entry with more fields",
       array("{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12],\"x\":1}"), "'a' needs"},
      {"other field", array("{\"dtype\":\"F32\",\"shape\":[3],\"x\":1}"), "'a' needs"},
      {"unknown dtype", array("{\"dtype\":\"F99\",\"shape\":[3],\"data_offsets\":[0,12]}"),
       "unknown dtype \"F99\""},
      {"dtype that is a list", array("{\"dtype\":[],\"shape\":[3],\"data_offsets\":[0,12]}"),
       "unknown dtype []"},
      {"negative dimension", shape("[-3]"), "impossible shape [-3]"},
      {"float dimension", shape("[3.0]"), "impossible shape"},
      {"boolean dimension", shape("[true]"), "impossible shape"},
      {"shape of a number", shape("3"), "impossible shape"},
      {"33 dimensions", shape(ones + "]"), "impossible shape"},
      {"huge dimension", shape("[2305843009213693952]"), "impossible shape [23058430092"},
      {"dimension of 30 digits", shape("[" + std::string(30, '9') + "]"), "impossible shape"},
      {"large dimension", shape("[1152921504606846976]"), "of 4611686018427387904 bytes cannot"},
      {"overflowing dimensions", shape("[8589934592,8589934592]"), "impossible shape"},
      {"huge and empty", shape("[2305843009213693952,0]"), "impossible shape"},
      {"other size", shape("[2]"), "'a' of 8 bytes cannot be at offsets [0,12]"},
      {"offsets of a string", offsets("\"x\""), "cannot be at offsets"},
      {"offsets of floats", offsets("[0.0,12.0]"), "cannot be at offsets"},
      {"three offsets", offsets("[0,12,12]"), "cannot be at offsets"},
      {"negative offsets", offsets("[-12,0]"), "cannot be at offsets"},
      {"overlap", spec({overlap, array_weights(two)}), "'b' of 12 bytes cannot be at"},
      {"hole", offsets("[4,16]"), "cannot be at offsets [4,16]"},
      {"data cut short", with_data(std::string(8, '\1')), "cannot be at offsets"},
      {"data after the end", with_data(std::string(13, '\1')), "take 12 of 13 bytes"},
      {"data of no tensor", spec({{}, "{}", "{}", "1", "", "", "x"}), "take 0 of 1 bytes"},
      {"unaligned", spec({odd, array_weights(odd)}), "cannot be at offsets [1,13]"},
      {"boolean 2", array("", booleans), "'a' has booleans other than 0 and 1"},
      {"32,768 tensors", many_tensors(32768), "'t0' belongs to no weight"},
      {"32,769 tensors", many_tensors(32769), "has more than 32768 tensors"},
      {"a name of 3 MB", spec({{{std::string(3000000, 'a'), "U8", "[0]", ""}}}), "aaa...'"},
      {"a name of two lines", spec({{{"a\nb", "U8", "[0]", ""}}}), "'a\\x0ab' belongs to"},
      {"a name of many lines", spec({{{std::string(3000, '.'), "U8", "[0]", ""}}}), "..' belongs"},
  };
}

}  // namespace

int main() {
  const Folder folder;
  for (const auto& cases : {header_cases(), document_cases(), tensor_cases()}) {
    for (const Case& each : cases) test(folder, each);
  }
  return finish();
}
