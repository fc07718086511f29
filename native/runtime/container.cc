#include "runtime/container.h"

#include <algorithm>
#include <cstring>

#include "runtime/crc32.h"
#include "runtime/failure.h"
#include "runtime/json.h"
#include "runtime/npy_header.h"
#include "runtime/tensor_entry.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Numbers are used as they stand in the file: the processor must be little-endian."
#endif

namespace bcq::runtime {

namespace {

constexpr size_t kAlignment = 64, kLengthBytes = 8;
constexpr size_t kMostHeader = 16 << 20;
constexpr size_t kMostTensors = 1 << 15;
constexpr int64_t kVersion = 1;

/* The header begins like this; eight hexadecimal digits follow: the CRC-32 of the length bytes and
 * all of it, with zeros in their place. */
constexpr std::string_view kStart = "{\"__metadata__\":{\"crc32\":\"";
constexpr size_t kDigits = kLengthBytes + kStart.size(), kDigitCount = 8;

/* What follows the `.npy` header. */
struct Body {
  const uint8_t* bytes;
  size_t size;

  std::string_view text(size_t begin, size_t end) const {
    return {reinterpret_cast<const char*>(bytes) + begin, end - begin};
  }
};

/* The length of the header and its length bytes; throws unless it may be that long. */
size_t header_size(const Body& body) {
  uint64_t length = 0;
  std::memcpy(&length, body.bytes, std::min(body.size, kLengthBytes));
  const bool fits = body.size >= kLengthBytes && length <= kMostHeader &&
                    length <= body.size - kLengthBytes && (length + kLengthBytes) % kAlignment == 0;
  if (!fits) refuse("the header cannot be ", length, " bytes long");
  return length + kLengthBytes;
}

void check_header_crc(const Body& body, size_t size) {
  const size_t after = kDigits + kDigitCount;
  if (size < after || body.text(kLengthBytes, kDigits) != kStart) {
    refuse("the header does not begin as that of a bcq_tf file");
  }
  uint32_t crc = crc32(0, body.bytes, kDigits);
  crc = crc32(crc, reinterpret_cast<const uint8_t*>("00000000"), kDigitCount);
  crc = crc32(crc, body.bytes + after, size - after);
  char digits[kDigitCount + 1];
  std::snprintf(digits, sizeof(digits), "%08x", crc);
  if (body.text(kDigits, after) != digits) refuse("the header fails its checksum");
}

JsonValue parse(const char* what, std::string_view text, size_t length) {
  try {
    check_json(text, length);
  } catch (const JsonError& error) {
    refuse("the ", what, " is not valid JSON: ", error.text);
  }
  const JsonValue value(text);
  if (!value.is_object()) refuse("the ", what, " is not a JSON object");
  return value;
}

size_t characters(std::string_view text) {
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins));
}

/* The text of the document, out of the header's metadata. */
std::string document_of(const JsonValue& header) {
  const JsonValue metadata = header.member("__metadata__").value();
  const std::optional<JsonValue> document = metadata.member("bcq_tf");
  if (metadata.size() != 2 || !document || !document->is_string()) {
    refuse("the header's metadata are not those of bcq_tf");
  }
  return document->string();
}

void check_version(const JsonValue& document) {
  const JsonValue version = document.member("version").value_or(JsonValue());
  const std::optional<int64_t> number = version.integer();
  if (!number || *number < 1) refuse("the format version is ", shown(version.text()));
  if (*number == kVersion) return;
  refuse("its format version is ", *number, " and this library reads up to ", kVersion,
         ": a newer one is needed");
}

/* The checksums of so many tensors. */
std::vector<int64_t> checksums_of(const JsonValue& document, size_t tensors) {
  const JsonValue list = document.member("crc32").value_or(JsonValue());
  std::vector<int64_t> checksums;
  bool are_counts = list.is_array() && list.size() == tensors;
  if (are_counts) {
    checksums.reserve(tensors);
    list.items([&](const JsonValue& item) {
      checksums.push_back(item.integer().value_or(-1));
      are_counts = are_counts && checksums.back() >= 0;
    });
  }
  if (!are_counts) {
    refuse("the document does not have checksums of ", tensors, " tensors");
  }
  return checksums;
}

Tensors tensors_of(const JsonValue& header, const std::vector<int64_t>& checksums,
                   const uint8_t* data, int64_t bytes) {
  Tensors tensors;
  tensors.reserve(checksums.size());
  int64_t end = 0;
  header.members([&](const JsonValue& key, const JsonValue& entry) {
    std::string name = key.string();
    if (name == "__metadata__") return;
    Tensor tensor = read_entry(std::move(name), entry, data, end, bytes);
    check_data(tensor, checksums[tensors.size()], end);
    end += tensor.bytes;
    tensors.add(std::move(tensor));
  });
  if (end != bytes) {
    refuse("the tensors take ", end, " of ", bytes, " bytes of data");
  }
  tensors.sort_names();
  return tensors;
}

}  // namespace

Contents decode(const uint8_t* bytes, size_t size) {
  const size_t begin = check_npy_header(bytes, size);
  const Body body{bytes + begin, size - begin};
  const size_t header_end = header_size(body);
  check_header_crc(body, header_end);
  const std::string_view text = body.text(kLengthBytes, header_end);
  const JsonValue header = parse("header", text, text.size());
  const size_t count = header.size() - 1;
  if (count > kMostTensors) {
    refuse("it has more than ", kMostTensors, " tensors");
  }
  Contents contents;
  contents.document = document_of(header);
  const JsonValue document = parse("document", contents.document, characters(contents.document));
  check_version(document);
  const std::vector<int64_t> checksums = checksums_of(document, count);
  contents.data_bytes = static_cast<int64_t>(body.size - header_end);
  contents.tensors = tensors_of(header, checksums, body.bytes + header_end, contents.data_bytes);
  return contents;
}

}  // namespace bcq::runtime
