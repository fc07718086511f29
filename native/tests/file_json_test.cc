/* The JSON reader by itself: what is JSON, what is not, and what is too much of it. */
#include "runtime/json.h"

#include "tests/matrices.h"

using namespace bcq_test;
using namespace bcq::runtime;

namespace {

/* What is wrong with a text; empty: nothing. */
std::string problem(const std::string& text) {
  const std::string exact(text);
  try {
    check_json(exact, exact.size());
  } catch (const JsonError& error) {
    return error.text;
  }
  return "";
}

std::string repeated(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

void test_valid() {
  for (const std::string text : {"0",
                                 "-0",
                                 " 12 ",
                                 "1.5e+3",
                                 "1E-2",
                                 "1e308",
                                 "1e-999",
                                 "-1e-999",
                                 "0.0e999999999999999999",
                                 "0e999",
                                 "true",
                                 "false",
                                 "null",
                                 "\"\"",
                                 "[]",
                                 "{}",
                                 "[[],{}]",
                                 "[1 , 2]",
                                 "{\"a\":1,\"b\":{\"a\":2}}",
                                 "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"",
                                 "\"\\ud83d\\ude00\"",
                                 "\"\\ud800\"",
                                 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
                                 "\t\r\n{ \"\" : [ ] }\n",
                                 "{\"\\ud800\":1,\"\\udc00\":2}"}) {
    context = text;
    expect(problem(text).empty(), problem(text));
  }
  expect(problem(std::string(4300, '9')).empty(), "4,300 digits");
  expect(problem(repeated("[", 202) + repeated("]", 202)).empty(), "202 levels");
  expect(problem("0." + std::string(100000, '0') + "1e100000").empty(), "a long small number");
  expect(problem("1" + std::string(100000, '0') + ".0e-100000").empty(), "a long large number");
}

void test_invalid() {
  for (const std::string text : {"",
                                 " ",
                                 "01",
                                 "+1",
                                 "-",
                                 "1.",
                                 ".5",
                                 "1e",
                                 "1e+",
                                 "0x1",
                                 "1_0",
                                 "tru",
                                 "True",
                                 "nul",
                                 "nulll",
                                 "\"",
                                 "\"\\",
                                 "\"\\x\"",
                                 "\"\\u12\"",
                                 "\"\\u12g4\"",
                                 "\"\n\"",
                                 "'a'",
                                 "[",
                                 "[1",
                                 "[1,",
                                 "[1,]",
                                 "[,1]",
                                 "[1 2]",
                                 "]",
                                 "{",
                                 "{\"a\"",
                                 "{\"a\":",
                                 "{\"a\":1",
                                 "{\"a\":1,}",
                                 "{a:1}",
                                 "{1:1}",
                                 "{\"a\" 1}",
                                 "{\"a\":1]",
                                 "[1}",
                                 "1 1",
                                 "{}{}",
                                 "\xef\xbb\xbf{}",
                                 "NaN",
                                 "Infinity",
                                 "-Infinity",
                                 "1e309",
                                 "-1e309",
                                 "1e99999999999999999999",
                                 "\"\x80\"",
                                 "\"\xc3\"",
                                 "\"\xc0\xaf\"",
                                 "\"\xed\xa0\x80\"",
                                 "\"\xf4\x90\x80\x80\"",
                                 "\"\xf8\x88\x80\x80\"",
                                 "\"\xe2\x82\"",
                                 "\xc3\xa4",
                                 "// a\n1"}) {
    context = text;
    expect(!problem(text).empty(), "refused");
  }
  context = "a zero byte";
  expect(!problem(std::string("1\0", 2)).empty() && !problem(std::string("\"\0\"", 3)).empty(), "");
  context = "too much";
  expect(problem(std::string(4301, '9')).find("too many digits") != std::string::npos,
         "4,301 digits");
  expect(problem(repeated("[", 203)).find("too deeply") != std::string::npos, "203 levels");
  expect(problem(repeated("{\"a\":", 300)).find("too deeply") != std::string::npos, "objects");
  expect(problem("[" + repeated("1,", 1 << 20)).find("too many values") != std::string::npos, "");
  expect(problem("1" + std::string(400, '0') + ".0").find("finite") != std::string::npos, "1e400");
}

void test_keys() {
  for (const std::string text :
       {"{\"a\":1,\"a\":1}", "{\"b\":0,\"a\":1,\"c\":2,\"a\":3}", "{\"a\":1,\"\\u0061\":1}",
        "[{\"x\":{\"\":1,\"\":2}}]", "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}",
        "{\"\\n\":1,\"\\u000a\":1}", "{\"\\/\":1,\"/\":2}"}) {
    context = text;
    expect(problem(text).find("a key appears twice in one object") == 0, problem(text));
  }
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "\"k" + std::to_string(i * 7919 % 20000) + "\":0,";
  context = "many keys";
  expect(problem("{" + many + "\"k\":0}").empty(), "different");
  expect(!problem("{" + many + "\"k77\":0}").empty(), "one twice");
}

void test_values() {
  context = "values";
  const std::string text =
      " {\"a\" : [1, -2.5 ,\"x]\\\"\\u00e4\"],\"b\":{\"c\":[{}]} , \"d\":null,\"e\":true} ";
  const JsonValue value(text);
  expect(value.is_object() && value.size() == 4, "members");
  const JsonValue list = value.member("a").value();
  std::vector<JsonValue> items;
  list.items([&](const JsonValue& item) { items.push_back(item); });
  expect(items.size() == 3 && items[0].integer() == 1 && items[1].number() == -2.5, "numbers");
  expect(items[2].string() == "x]\"\xc3\xa4", "string");
  expect(value.member("b")->text() == "{\"c\":[{}]}" && value.member("d")->is_null(), "texts");
  expect(value.member("e")->boolean() == true && !value.member("d")->boolean(), "booleans");
  expect(!value.member("f") && !value.member("c"), "no members");
}

void test_numbers() {
  context = "numbers";
  const auto integer = [](const char* text) { return JsonValue(text).integer(); };
  expect(
      integer("9223372036854775807") == INT64_MAX && integer("-9223372036854775808") == INT64_MIN,
      "the ends");
  for (const char* other : {"9223372036854775808", "1.0", "1e2", "\"1\"", "true", "null", "[1]"}) {
    expect(!integer(other), other);
  }
  expect(JsonValue("1e-999").number() == 0 && JsonValue("0.1").number() == 0.1, "small");
  expect(JsonValue("9223372036854775808").number() == 0x1p63, "large");
  for (const char* other : {"\"1\"", "true", "null", "[1]"}) {
    expect(!JsonValue(other).number(), other);
  }
}

}  // namespace

int main() {
  test_valid();
  test_invalid();
  test_keys();
  test_values();
  test_numbers();
  return finish();
}
