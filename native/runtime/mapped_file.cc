#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/failure.h"

namespace bcq::runtime {

namespace {

[[noreturn]] void fail_with(int error) {
  const bcq_status status = error == ENOMEM ? BCQ_NO_MEMORY : BCQ_NO_FILE;
  fail(status, {std::generic_category().message(error)});
}

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

size_t checked_size(int descriptor) {
  struct stat facts;
  if (fstat(descriptor, &facts) != 0) fail_with(errno);
  if (!S_ISREG(facts.st_mode)) refuse("it is not a regular file");
  if (facts.st_size == 0) refuse("it is empty");
  if (static_cast<uint64_t>(facts.st_size) > SIZE_MAX) fail_with(ENOMEM);
  return static_cast<size_t>(facts.st_size);
}

}  // namespace

MappedFile::MappedFile(const char* path) {
  // Opening a pipe would wait for a writer.
  const Descriptor file{open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) fail_with(errno);
  size_ = checked_size(file.number);
  void* const mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (mapped == MAP_FAILED) fail_with(errno);
  data_ = static_cast<const uint8_t*>(mapped);
}

MappedFile::~MappedFile() { munmap(const_cast<uint8_t*>(data_), size_); }

}  // namespace bcq::runtime
