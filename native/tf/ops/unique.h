/* The different ones among ids, and the place of each id among them. */
#ifndef BCQ_TF_OPS_UNIQUE_H_
#define BCQ_TF_OPS_UNIQUE_H_

#include "core/embedding/embedding.h"
#include "tf/op.h"

namespace bcq {

struct UniqueIds : OpDefaults {
  static constexpr char kName[] = "BcqUniqueIds";
  static constexpr char kSignature[] = "ids: I -> unique: I, slots: int32";
  static constexpr bool kShortens = true;

  int64_t size = 0;

  template <class Visit>
  void attributes(Visit& visit) {
    visit("I: {int32, int64}");
    visit("size: int >= 1", size);
  }

  absl::Status outputs(const Shapes& in, Shapes* out) const {
    *out = {Shape{{in[0].elements()}}, in[0]};
    return absl::OkStatus();
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu&) const {
    const Input& ids = in[0];
    int64_t bad = 0;
    const bcq_status status = bcq_unique_ids(ids_of(ids), ids.count, size, out[0].data,
                                             out[1].as<int32_t>(), &out[0].count, &bad);
    return ids_status(status, {size}, bad, ids);
  }
};

}  // namespace bcq

#endif
