/* An open file: its bytes, and its weights as the core takes them. */
#ifndef BCQ_RUNTIME_FILE_H_
#define BCQ_RUNTIME_FILE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/bcq.h"
#include "runtime/mapped_file.h"
#include "runtime/tables.h"
#include "runtime/tensors.h"

struct bcq_file {
 public:
  /* Of a path, or of bytes that stay as they are. Throws Failure or std::bad_alloc. */
  explicit bcq_file(const char* path);
  bcq_file(const uint8_t* data, size_t size);
  bcq_file(const bcq_file&) = delete;

  const std::vector<bcq_weight>& weights() const { return weights_; }
  const std::string& metadata() const { return metadata_; }

  /* NULL: none is so called. */
  const bcq_weight* find(std::string_view name) const;

 private:
  void read(const uint8_t* data, size_t size);
  void read_document(const std::string& document);
  void sort_names();

  std::optional<bcq::runtime::MappedFile> mapped_;
  bcq::runtime::Tensors tensors_;
  bcq::runtime::Tables tables_{0};
  std::vector<std::string> names_; /* of the weights */
  std::vector<bcq_weight> weights_;
  std::vector<uint32_t> by_name_;
  std::string metadata_;
};

#endif
