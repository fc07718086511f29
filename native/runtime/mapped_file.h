/* A file mapped into memory, read-only. */
#ifndef BCQ_RUNTIME_MAPPED_FILE_H_
#define BCQ_RUNTIME_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>

namespace bcq::runtime {

class MappedFile {
 public:
  /* Throws Failure unless it is a file that can be read and is not empty. */
  explicit MappedFile(const char* path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const uint8_t* data_;
  size_t size_;
};

}  // namespace bcq::runtime

#endif
