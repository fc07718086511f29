/* The scales and offset of binary codes as files have them. */
#ifndef BCQ_RUNTIME_SCALES_H_
#define BCQ_RUNTIME_SCALES_H_

#include <optional>

#include "runtime/entry.h"
#include "runtime/numbers.h"

namespace bcq::runtime {

class Scales {
 public:
  /* matrix: its sizes. are_short: whether they are numbers of 9 bits. offset: NULL where there is
   * none. Throws Failure unless all are numbers of codes of these sizes. */
  Scales(const Entry& entry, const bcq_matrix& matrix, const Tensor& scales, bool are_short,
         const Tensor* offset);

  /* BCQ_FLOAT16 where all are that, else BCQ_FLOAT32. */
  bcq_type type() const;
  bool has_offset() const { return offset_.has_value(); }

  /* Writes [groups][bits][rows] and [groups][rows] of type() to memory that is 0. */
  void fill_scales(void* scales) const;
  void fill_offset(void* offset) const;

 private:
  int64_t stored() const; /* rows of all planes */
  void check_shape(const Entry& entry, const Tensor& scales, bool are_short) const;
  void check_sums(const Entry& entry) const;
  double largest_sum() const;

  const bcq_matrix& matrix_;
  int64_t groups_;
  Floats scales_;                /* [rows of all planes, groups] */
  std::optional<Floats> offset_; /* [rows, groups] */
};

}  // namespace bcq::runtime

#endif
