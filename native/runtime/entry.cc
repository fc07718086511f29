#include "runtime/entry.h"

#include <algorithm>

namespace bcq::runtime {

void Entry::fail(Piece text) const { refuse("weight ", quoted(name_), ": ", text); }

void Entry::fail_entry() const {
  refuse("weight ", quoted(name_), " has an entry that breaks the format");
}

void Entry::fail_rule(Piece name, Piece rule, Piece received) const {
  refuse("weight ", quoted(name_), ": `", name, "` must ", rule, ". Received: ", received);
}

void Entry::fail_memory(int64_t bytes) const {
  runtime::fail(BCQ_NO_MEMORY, {"weight ", quoted(name_), " would take ", bytes,
                                " bytes of memory, far more than the file has"});
}

void Entry::check_keys(std::initializer_list<std::string_view> keys) const {
  const bool all = std::all_of(keys.begin(), keys.end(), [&](auto key) { return has(key); });
  if (!all || value_.size() != keys.size()) fail_entry();
}

JsonValue Entry::get(std::string_view key) const {
  return value_.member(key).value_or(JsonValue());
}

int64_t Entry::integer(const char* key, int64_t least, int64_t most) const {
  const JsonValue value = get(key);
  const std::optional<int64_t> number = value.integer();
  if (number && *number >= least && *number <= most) return *number;
  fail_rule(key, joined({"be an integer from ", least, " to ", most}),
            joined({key, "=", shown(value.text())}));
}

Presence Entry::presence(std::string_view key) const {
  const JsonValue value = get(key);
  if (value.is_string() && value.string() == "compact") return Presence::kCompact;
  const std::optional<bool> is_there = value.boolean();
  if (!is_there) fail_entry();
  return *is_there ? Presence::kPresent : Presence::kAbsent;
}

const Tensor& Entry::take(const char* part) const { return tensors_->take(name_ + "/" + part); }

const Tensor& Entry::take(const char* part, bcq_dtype dtype, int64_t rank) const {
  const Tensor& tensor = take(part);
  if (tensor.dtype != dtype || tensor.rank() != rank) {
    fail_rule(part, joined({"be of dtype ", name_of(dtype), " and have ", rank, " axes"}),
              joined({name_of(tensor.dtype), " ", shown(tensor.shape.data(), tensor.rank())}));
  }
  return tensor;
}

void Entry::check_shape(const char* part, const Tensor& tensor,
                        std::initializer_list<int64_t> shape) const {
  if (std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end())) return;
  fail_rule(part, joined({"be ", shown(shape.begin(), static_cast<int64_t>(shape.size()))}),
            shown(tensor.shape.data(), tensor.rank()));
}

}  // namespace bcq::runtime
