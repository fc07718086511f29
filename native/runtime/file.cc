#include "runtime/file.h"

#include <algorithm>
#include <numeric>

#include "runtime/container.h"
#include "runtime/failure.h"
#include "runtime/json.h"
#include "runtime/json_string.h"
#include "runtime/weight.h"

using namespace bcq::runtime;

namespace {

/* What tables may take: so much more than the tensors that no codes that are worth it are refused,
 * and so little that a small file cannot take all memory. */
constexpr int64_t kTimes = 4, kFree = 16 << 20;

int64_t most_bytes(int64_t data_bytes) { return data_bytes * kTimes + kFree; }

/* The name as C has it: UTF-8 that ends at the first 0. */
std::string checked_name(const JsonValue& key) {
  std::string name = key.string();
  std::string_view rest = name;
  while (!rest.empty() && rest.front() != '\0' && utf8_length(rest) > 0) {
    rest.remove_prefix(utf8_length(rest));
  }
  if (rest.empty()) return name;
  refuse("weight ", shown(key.text()), " has a name that is not text of Unicode");
}

}  // namespace

bcq_file::bcq_file(const char* path) : mapped_(std::in_place, path) {
  read(mapped_->data(), mapped_->size());
}

bcq_file::bcq_file(const uint8_t* data, size_t size) { read(data, size); }

void bcq_file::read(const uint8_t* data, size_t size) {
  Contents contents = decode(data, size);
  tensors_ = std::move(contents.tensors);
  tables_ = Tables(most_bytes(contents.data_bytes));
  read_document(contents.document);
  tensors_.check_all_taken();
  sort_names();
}

void bcq_file::read_document(const std::string& text) {
  const JsonValue document{text};
  const JsonValue weights = document.member("weights").value_or(JsonValue());
  const JsonValue metadata = document.member("metadata").value_or(JsonValue());
  if (!weights.is_object() || !metadata.is_object()) {
    refuse("the document lacks weights or metadata");
  }
  // Each takes a tensor: where they are more, one is missing before there is no room.
  const size_t most = std::min(weights.size(), tensors_.size() + 1);
  names_.reserve(most);
  weights_.reserve(most);
  weights.members([&](const JsonValue& key, const JsonValue& entry) {
    names_.push_back(checked_name(key));
    weights_.push_back(read_weight(names_.back(), entry, &tensors_, &tables_));
  });
  metadata_ = metadata.text();
}

void bcq_file::sort_names() {
  by_name_.resize(names_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [this](uint32_t a, uint32_t b) { return names_[a] < names_[b]; });
}

const bcq_weight* bcq_file::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [this](uint32_t i, std::string_view wanted) { return names_[i] < wanted; });
  if (found == by_name_.end() || names_[*found] != name) return nullptr;
  return &weights_[*found];
}
