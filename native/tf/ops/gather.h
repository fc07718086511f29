/* Rows of a matrix of binary codes, their gradient, and all columns. */
#ifndef BCQ_TF_OPS_GATHER_H_
#define BCQ_TF_OPS_GATHER_H_

#include "core/gather/gather.h"
#include "core/gradients/gradients.h"
#include "cuda/gather.h"
#include "tf/ops/codes.h"

namespace bcq {

struct GatherOp : CodesOp {
 protected:
  /* call(bad, threads) of the core; input 0 is the ids. */
  template <class Call>
  absl::Status with_ids(const Inputs& in, const Cpu& cpu, const bcq_matrix& w, Call call) const {
    int64_t bad = 0;
    const bcq_status status = call(&bad, cpu.threads);
    return status == BCQ_BAD_ROWS ? bad_rows(w) : ids_status(status, {rows}, bad, in[0]);
  }

  /* call(bad, stream) for CUDA. What is wrong with an id is known on the device: the op waits for
   * it. */
  template <class Call>
  absl::Status with_ids(const Inputs& in, const Cuda& cuda, const bcq_matrix&, Call call) const {
    int64_t index = 0, id = 0;
    bcq_status status = BCQ_OK;
    const absl::Status done = cuda.with_workspace(sizeof(int64_t), [&](void* workspace) {
      auto* bad = static_cast<int64_t*>(workspace);
      status = call(bad, cuda.stream);
      if (status == BCQ_OK) {
        status = bcq_cuda_check_ids(in[0].as<int64_t>(), bad, &index, &id, cuda.stream);
      }
      return status;
    });
    return status == BCQ_BAD_ID ? bad_id({rows}, index, id) : done;
  }
};

struct Gather : GatherOp {
  static constexpr char kName[] = "BcqGather";
  static constexpr char kSignature[] = "ids: int64, " BCQ_CODES " -> rows_of_ids: T";

  absl::Status outputs(const Shapes& in, Shapes* out) const {
    *out = {append(in[0], columns)};
    return check_planes(in);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_matrix w = matrix(in);
    return with_ids(in, cpu, w, [&](int64_t* bad, bcq_parallel threads) {
      return bcq_gather(&w, in[0].as<int64_t>(), in[0].count, out[0].type, out[0].data, bad,
                        threads);
    });
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_matrix w = matrix(in);
    return with_ids(in, cuda, w, [&](int64_t* bad, void* stream) {
      return bcq_cuda_gather(&w, in[0].as<int64_t>(), in[0].count, out[0].type, out[0].data, bad,
                             stream);
    });
  }
};

struct GatherScaleGradient : GatherOp {
  static constexpr char kName[] = "BcqGatherScaleGradient";
  static constexpr char kSignature[] =
      "ids: int64, dout: T, " BCQ_CODES " -> dscales: float, doffset: float";

  absl::Status outputs(const Shapes& in, Shapes* out) const { return gradients(in, out); }

  absl::Status check(const Shapes& in) const {
    TF_RETURN_IF_ERROR(CodesOp::check(in));
    return check_shape("dout", in[1], append(in[0], columns));
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_matrix w = matrix(in);
    return with_ids(in, cpu, w, [&](int64_t* bad, bcq_parallel threads) {
      return bcq_gather_scale_gradient(&w, in[0].as<int64_t>(), in[0].count, in[1].type, in[1].data,
                                       out[0].as<float>(), out[1].as<float>(), bad, threads);
    });
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_matrix w = matrix(in);
    return with_ids(in, cuda, w, [&](int64_t* bad, void* stream) {
      return bcq_cuda_gather_scale_gradient(&w, in[0].as<int64_t>(), in[0].count, in[1].type,
                                            in[1].data, out[0].as<float>(), out[1].as<float>(), bad,
                                            stream);
    });
  }
};

struct Columns : CodesOp {
  static constexpr char kName[] = "BcqColumns";
  static constexpr char kSignature[] = BCQ_CODES " -> columns_of_rows: T";

  absl::Status outputs(const Shapes& in, Shapes* out) const {
    *out = {{{columns, rows}}};
    return check_planes(in);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_matrix w = matrix(in);
    return codes_status(bcq_columns(&w, out[0].type, out[0].data, cpu.threads), w);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_matrix w = matrix(in);
    return core_status(bcq_cuda_columns(&w, out[0].type, out[0].data, cuda.stream));
  }
};

}  // namespace bcq

#endif
