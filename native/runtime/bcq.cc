/* The C interface: no exception leaves it. */
#include "runtime/bcq.h"

#include <string>

#include "runtime/file.h"
#include "runtime/guarded.h"

namespace {

const char* problem(bcq_status status) {
  switch (status) {
    case BCQ_NO_FILE:
      return "cannot be opened";
    case BCQ_NO_MEMORY:
      return "cannot be kept in memory";
    default:
      return "is not a whole bcq_tf file";
  }
}

/* What a caller has unless a file is opened. */
void clear(bcq_file** file, char* message, size_t size) {
  if (file != nullptr) *file = nullptr;
  if (message != nullptr && size > 0) message[0] = '\0';
}

/* called: in messages. source: what a bcq_file is made of. */
template <class... Source>
bcq_status open_file(const char* called, bcq_file** file, char* message, size_t message_size,
                     const Source&... source) {
  if (file == nullptr) return BCQ_BAD_ARGUMENT;
  const auto where = [&](bcq_status status) {
    return "'" + std::string(called) + "' " + problem(status) + ": ";
  };
  return bcq::runtime::guarded(message, message_size, where,
                               [&] { *file = new bcq_file(source...); });
}

}  // namespace

const char* bcq_version(void) { return BCQ_VERSION; }

bcq_status bcq_open(const char* path, bcq_file** file, char* message, size_t message_size) {
  clear(file, message, message_size);
  if (path == nullptr) return BCQ_BAD_ARGUMENT;
  return open_file(path, file, message, message_size, path);
}

bcq_status bcq_open_memory(const void* data, size_t size, bcq_file** file, char* message,
                           size_t message_size) {
  clear(file, message, message_size);
  if (data == nullptr || reinterpret_cast<uintptr_t>(data) % sizeof(uint64_t) != 0) {
    return BCQ_BAD_ARGUMENT;
  }
  const auto* bytes = static_cast<const uint8_t*>(data);
  return open_file("memory", file, message, message_size, bytes, size);
}

void bcq_close(bcq_file* file) { delete file; }

int64_t bcq_count(const bcq_file* file) {
  return file == nullptr ? 0 : static_cast<int64_t>(file->weights().size());
}

const bcq_weight* bcq_at(const bcq_file* file, int64_t index) {
  if (index < 0 || index >= bcq_count(file)) return nullptr;
  return &file->weights()[static_cast<size_t>(index)];
}

const bcq_weight* bcq_find(const bcq_file* file, const char* name) {
  return file == nullptr || name == nullptr ? nullptr : file->find(name);
}

const char* bcq_metadata(const bcq_file* file, size_t* size) {
  if (size != nullptr) *size = file == nullptr ? 0 : file->metadata().size();
  return file == nullptr ? nullptr : file->metadata().c_str();
}

bcq_status bcq_rows(const bcq_weight* weight, const int64_t* ids, int64_t count, float* out,
                    int64_t* bad, bcq_parallel parallel) {
  int64_t unasked;
  if (bad == nullptr) bad = &unasked;
  if (weight == nullptr) return BCQ_BAD_ARGUMENT;
  const bcq_ids wide = {ids, sizeof(int64_t)};
  switch (weight->kind) {
    case BCQ_BINARY:
      return bcq_gather(&weight->binary, ids, count, BCQ_FLOAT32, out, bad, parallel);
    case BCQ_UNIFORM:
      return bcq_uniform_rows(&weight->uniform, wide, count, out, bad, parallel);
    case BCQ_COMPOSITIONAL:
      return bcq_compositional_rows(&weight->compositional, wide, count, out, bad, parallel);
    default:
      return BCQ_BAD_ARGUMENT;
  }
}
