/* The C interface: no exception leaves it. */
#include "runtime/bcq.h"

#include <cstdio>
#include <memory>
#include <new>
#include <string>

#include "runtime/failure.h"
#include "runtime/file.h"

using bcq::runtime::Failure;

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

/* As much of the message as there is room for, in whole characters, on one line. */
void write_message(const char* path, bcq_status status, const char* text, char* message,
                   size_t size) {
  if (message == nullptr || size == 0) return;
  const int wanted = std::snprintf(message, size, "'%s' %s: %s", path, problem(status), text);
  for (char* c = message; *c != '\0'; ++c) {
    if (*c == '\n' || *c == '\r') *c = ' ';
  }
  if (wanted < 0 || static_cast<size_t>(wanted) < size) return;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(message[i]); };
  size_t end = size - 1;
  while (end > 0 && byte(end - 1) >> 6 == 2) --end;
  if (end > 0 && byte(end - 1) >> 6 == 3) --end;
  message[end] = '\0';
}

/* called: in messages. source: what a bcq_file is made of. */
template <class... Source>
bcq_status open_file(const char* called, bcq_file** file, char* message, size_t message_size,
                     const Source&... source) {
  if (message != nullptr && message_size > 0) message[0] = '\0';
  if (file == nullptr) return BCQ_BAD_ARGUMENT;
  *file = nullptr;
  try {
    *file = new bcq_file(source...);
    return BCQ_OK;
  } catch (const Failure& failure) {
    write_message(called, failure.status, failure.text.c_str(), message, message_size);
    return failure.status;
  } catch (const std::exception&) {
    write_message(called, BCQ_NO_MEMORY, "the system has no more", message, message_size);
    return BCQ_NO_MEMORY;
  }
}

}  // namespace

const char* bcq_version(void) { return BCQ_VERSION; }

bcq_status bcq_open(const char* path, bcq_file** file, char* message, size_t message_size) {
  if (file != nullptr) *file = nullptr;
  if (path == nullptr) return BCQ_BAD_ARGUMENT;
  return open_file(path, file, message, message_size, path);
}

bcq_status bcq_open_memory(const void* data, size_t size, bcq_file** file, char* message,
                           size_t message_size) {
  if (file != nullptr) *file = nullptr;
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
