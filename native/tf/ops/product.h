/* y = x W^T for a matrix of binary codes, and its gradients. */
#ifndef BCQ_TF_OPS_PRODUCT_H_
#define BCQ_TF_OPS_PRODUCT_H_

#include "core/gradients/gradients.h"
#include "core/product/product.h"
#include "cuda/product.h"
#include "tf/ops/codes.h"

namespace bcq {

struct Product : CodesOp {
  static constexpr char kName[] = "BcqProduct";
  static constexpr char kSignature[] = "x: T, " BCQ_CODES " -> y: T";

  bcq_precision precision = BCQ_EXACT;

  template <class Visit>
  void attributes(Visit& visit) {
    CodesOp::attributes(visit);
    visit("precision: {'exact', 'fast'} = 'exact'", precision);
  }

  absl::Status outputs(const Shapes& in, Shapes* out) const {
    out->resize(1);
    TF_RETURN_IF_ERROR(check_planes(in));
    return replace_last("x", in[0], columns, rows, &out->front());
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_matrix w = matrix(in);
    const Input& x = in[0];
    return codes_status(
        bcq_product(&w, precision, x.type, x.data, x.count / columns, out[0].data, cpu.threads), w);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_matrix w = matrix(in);
    const Input& x = in[0];
    const int64_t batch = x.count / columns;
    const int64_t bytes = bcq_cuda_product_workspace(&w, precision, batch);
    return cuda.with_workspace(bytes, [&](void* workspace) {
      return bcq_cuda_product(&w, precision, x.type, x.data, batch, out[0].data, workspace,
                              cuda.stream);
    });
  }
};

struct ProductTransposed : CodesOp {
  static constexpr char kName[] = "BcqProductTransposed";
  static constexpr char kSignature[] = "dy: T, " BCQ_CODES " -> dx: T";

  absl::Status outputs(const Shapes& in, Shapes* out) const {
    out->resize(1);
    TF_RETURN_IF_ERROR(check_planes(in));
    return replace_last("dy", in[0], rows, columns, &out->front());
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_matrix w = matrix(in);
    const Input& dy = in[0];
    return codes_status(
        bcq_product_transposed(&w, dy.type, dy.data, dy.count / rows, out[0].data, cpu.threads), w);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_matrix w = matrix(in);
    const Input& dy = in[0];
    return core_status(bcq_cuda_product_transposed(&w, dy.type, dy.data, dy.count / rows,
                                                   out[0].data, cuda.stream));
  }
};

struct ProductScaleGradient : CodesOp {
  static constexpr char kName[] = "BcqProductScaleGradient";
  static constexpr char kSignature[] =
      "x: T, dy: T, " BCQ_CODES " -> dscales: float, doffset: float";

  absl::Status outputs(const Shapes& in, Shapes* out) const { return gradients(in, out); }

  absl::Status check(const Shapes& in) const {
    Shape y;
    TF_RETURN_IF_ERROR(CodesOp::check(in));
    TF_RETURN_IF_ERROR(replace_last("x", in[0], columns, rows, &y));
    return check_shape("dy", in[1], y);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_matrix w = matrix(in);
    const Input &x = in[0], &dy = in[1];
    return codes_status(
        bcq_product_scale_gradient(&w, x.type, x.data, dy.data, x.count / columns,
                                   out[0].as<float>(), out[1].as<float>(), cpu.threads),
        w);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_matrix w = matrix(in);
    const Input &x = in[0], &dy = in[1];
    const int64_t bytes = bcq_cuda_product_scale_gradient_workspace(&w);
    return cuda.with_workspace(bytes, [&](void* workspace) {
      return bcq_cuda_product_scale_gradient(&w, x.type, x.data, dy.data, x.count / columns,
                                             out[0].as<float>(), out[1].as<float>(), workspace,
                                             cuda.stream);
    });
  }
};

}  // namespace bcq

#endif
