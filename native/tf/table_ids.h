/* The ids of embedding tables, and what is said of one that is no row. */
#ifndef BCQ_TF_TABLE_IDS_H_
#define BCQ_TF_TABLE_IDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/embedding/embedding.h"

namespace bcq {

/* The id at `index`, of all ids, is no row of its table. */
inline std::string BadTableId(const std::vector<int64_t>& sizes, int64_t index, bcq_ids ids) {
  const int64_t tables = static_cast<int64_t>(sizes.size()), table = index % tables;
  const std::string of = tables == 1 ? "" : absl::StrCat(" of table ", table);
  const std::string place =
      tables == 1 ? absl::StrCat(index) : absl::StrCat(index / tables, ", ", table);
  return absl::StrCat("`ids`", of, " must be from 0 to ", sizes[table] - 1, ". Received: ids[",
                      place, "]=", id_at(ids, index));
}

}  // namespace bcq

#endif
