/* A second writer of `.bcq.npy` files, which writes what it is told, with checksums that are right.
 */
#ifndef BCQ_TESTS_FILES_H_
#define BCQ_TESTS_FILES_H_

#include <stdlib.h>
#include <unistd.h>

#include <optional>

#include "runtime/bcq.h"
#include "tests/matrices.h"

namespace bcq_test {

inline uint32_t plain_crc32(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

template <class T>
std::string octets(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/* A .npy header and what it says. */
inline std::string npy(const std::string& body, std::optional<size_t> size = {}) {
  std::string text = "{'descr': '|u1', 'fortran_order': False, 'shape': (" +
                     std::to_string(size.value_or(body.size())) + ",), }";
  text.resize(117, ' ');
  return std::string("\x93NUMPY\x01\x00v\x00", 10) + text + "\n" + body;
}

inline std::string length_bytes(uint64_t length) { return octets(std::vector<uint64_t>{length}); }

/* A file of a header, `rest` being what follows its checksum's value, and data. */
inline std::string seal(const std::string& rest, const std::string& data = "") {
  std::string text = "{\"__metadata__\":{\"crc32\":\"00000000\"" + rest;
  text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');
  std::string header = length_bytes(text.size()) + text;
  char digits[9];
  snprintf(digits, sizeof(digits), "%08x", plain_crc32(header));
  header.replace(header.find("00000000", 8), 8, digits);
  return npy(header + data);
}

inline std::string quote(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? std::string("\\n") : std::string{c};
  }
  return result + "\"";
}

/* A file of this document and this text of the tensors. */
inline std::string seal_document(const std::string& document, const std::string& tensors = "",
                                 const std::string& data = "") {
  return seal(",\"bcq_tf\":" + quote(document) + "}" + tensors + "}", data);
}

struct Part {
  std::string name, dtype, shape, data;
  std::string entry = ""; /* in place of all that these say */
};

struct Spec {
  std::vector<Part> parts;
  std::string weights = "{}", metadata = "{}", version = "1", checksums = "", more = "";
  std::optional<std::string> data = {};
};

inline std::string array_weights(const std::vector<Part>& parts) {
  std::string weights;
  for (const Part& part : parts) {
    weights += (weights.empty() ? "" : ",") + quote(part.name) + ":{\"kind\":\"array\"}";
  }
  return "{" + weights + "}";
}

inline std::string bytes_of(const Spec& spec) {
  std::string tensors, data, checksums;
  for (const Part& part : spec.parts) {
    const std::string begin = std::to_string(data.size());
    data += part.data;
    tensors += "," + quote(part.name) + ":" +
               (!part.entry.empty()
                    ? part.entry
                    : "{\"dtype\":" + quote(part.dtype) + ",\"shape\":" + part.shape +
                          ",\"data_offsets\":[" + begin + "," + std::to_string(data.size()) + "]}");
    checksums += (checksums.empty() ? "" : ",") + std::to_string(plain_crc32(part.data));
  }
  if (!spec.checksums.empty()) checksums = spec.checksums;
  const std::string document = "{\"version\":" + spec.version + ",\"crc32\":[" + checksums +
                               "],\"weights\":" + spec.weights + ",\"metadata\":" + spec.metadata +
                               spec.more + "}";
  return seal_document(document, tensors, spec.data.value_or(data));
}

/* Fields of `bits` bits, back to back. */
inline std::string pack(const std::vector<uint32_t>& values, int bits) {
  std::string packed((values.size() * static_cast<size_t>(bits) + 7) / 8, '\0');
  for (size_t i = 0; i < values.size() * static_cast<size_t>(bits); ++i) {
    const auto bit = static_cast<int>(values[i / bits] >> (i % bits) & 1);
    packed[i / 8] = static_cast<char>(packed[i / 8] | bit << (i % 8));
  }
  return packed;
}

/* A folder that is gone at the end, with one file. */
class Folder {
 public:
  Folder() {
    const char* const parent = getenv("TMPDIR");
    path_ = std::string(parent ? parent : "/tmp") + "/bcq_file_XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) abort();
  }
  ~Folder() {
    unlink(file().c_str());
    rmdir(path_.c_str());
  }
  Folder(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string file() const { return path_ + "/a.bcq.npy"; }
  void write(const std::string& bytes) const {
    unlink(file().c_str()); /* some file systems wait for the disk where one is written anew */
    FILE* const to = fopen(file().c_str(), "wb");
    if (to == nullptr || fwrite(bytes.data(), 1, bytes.size(), to) != bytes.size()) abort();
    fclose(to);
  }

 private:
  std::string path_;
};

/* A file while it is open. */
struct Opened {
  bcq_file* file = nullptr;
  char message[500];
  bcq_status status;

  explicit Opened(const std::string& path)
      : status(bcq_open(path.c_str(), &file, message, sizeof(message))) {}
  Opened(const Folder& folder, const std::string& bytes) : Opened((folder.write(bytes), folder)) {}
  explicit Opened(const Folder& folder) : Opened(folder.file()) {}
  ~Opened() { bcq_close(file); }
  Opened(const Opened&) = delete;
};

}  // namespace bcq_test

#endif
