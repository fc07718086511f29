/* The `.npy` header that numpy.save writes for a vector of bytes. */
#ifndef BCQ_RUNTIME_NPY_HEADER_H_
#define BCQ_RUNTIME_NPY_HEADER_H_

#include <cstddef>
#include <cstdint>

namespace bcq::runtime {

/* Its length; throws Failure unless the bytes begin with it and are as many as it says. */
size_t check_npy_header(const uint8_t* bytes, size_t size);

}  // namespace bcq::runtime

#endif
