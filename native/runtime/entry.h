/* What the document says of one weight that is codes. */
#ifndef BCQ_RUNTIME_ENTRY_H_
#define BCQ_RUNTIME_ENTRY_H_

#include <initializer_list>
#include <string>
#include <string_view>

#include "runtime/failure.h"
#include "runtime/json.h"
#include "runtime/tensors.h"

namespace bcq::runtime {

enum class Presence { kAbsent, kPresent, kCompact };

class Entry {
 public:
  Entry(const std::string& name, const JsonValue& value, Tensors* tensors)
      : name_(name), value_(value), tensors_(tensors) {}

  /* Throws Failure, always: which weight, and what is wrong with it. */
  [[noreturn]] void fail(Piece text) const;
  [[noreturn]] void fail_entry() const;
  /* `name` must be `rule`. Received: `received` */
  [[noreturn]] void fail_rule(Piece name, Piece rule, Piece received) const;

  /* What it needs would take far more memory than the file. */
  [[noreturn]] void fail_memory(int64_t bytes) const;

  /* All of these throw Failure where a rule is broken. Whether it has these members and no
   * others. */
  void check_keys(std::initializer_list<std::string_view> keys) const;
  bool has(std::string_view key) const { return value_.member(key).has_value(); }
  JsonValue get(std::string_view key) const;
  /* A whole number from `least` to `most`. */
  int64_t integer(const char* key, int64_t least, int64_t most) const;
  Presence presence(std::string_view key) const;

  const Tensor& take(const char* part) const;
  /* The same of one dtype and shape. */
  const Tensor& take(const char* part, bcq_dtype dtype, int64_t rank) const;
  void check_shape(const char* part, const Tensor& tensor,
                   std::initializer_list<int64_t> shape) const;

 private:
  const std::string& name_;
  JsonValue value_;
  Tensors* tensors_;
};

}  // namespace bcq::runtime

#endif
