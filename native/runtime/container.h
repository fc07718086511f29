/* The bytes of a `.bcq.npy` file: `.npy` header, safetensors header, tensors, checksums.
 * docs/file-format.md has the layout, bcq_tf/files/container.py the same rules. */
#ifndef BCQ_RUNTIME_CONTAINER_H_
#define BCQ_RUNTIME_CONTAINER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/tensors.h"

namespace bcq::runtime {

struct Contents {
  std::string document; /* a JSON object, checked */
  Tensors tensors;      /* views of the bytes */
  int64_t data_bytes;   /* of all tensors */
};

/* Takes the bytes of a file apart. Throws Failure where they break a rule. */
Contents decode(const uint8_t* bytes, size_t size);

}  // namespace bcq::runtime

#endif
