/* Row numbers of a batch, and the first of them that is no row. */
#ifndef BCQ_CORE_IDS_H_
#define BCQ_CORE_IDS_H_

#include <stdint.h>

typedef struct {
  const void* data;
  int32_t bytes; /* of an id: 4 or 8, signed */
} bcq_ids;

#ifdef __cplusplus

#include <atomic>

namespace bcq {

inline int64_t id_at(const bcq_ids& ids, int64_t index) {
  return ids.bytes == 4 ? static_cast<const int32_t*>(ids.data)[index]
                        : static_cast<const int64_t*>(ids.data)[index];
}

/* The least index that any of several threads reports. */
class FirstBad {
 public:
  void report(int64_t index) {
    int64_t first = index_;
    while (index < first && !index_.compare_exchange_weak(first, index)) {
    }
  }
  /* Whether there is one, which *index then is. */
  bool tell(int64_t* index) const {
    if (index_ == INT64_MAX) return false;
    *index = index_;
    return true;
  }

 private:
  std::atomic<int64_t> index_{INT64_MAX};
};

}  // namespace bcq
#endif

#endif
