/* Random matrices of codes as files have them. */
#ifndef BCQ_TESTS_FILE_FORMS_H_
#define BCQ_TESTS_FILE_FORMS_H_

#include "tests/files.h"

namespace bcq_test {

/* How the parts of binary codes stand in a file. */
struct Stored {
  bool short_scales = false, compact_order = false, double_scales = false;
  std::string order_type = "I64";
};

inline std::string shape_of(int64_t rows, int64_t columns) {
  return "[" + std::to_string(rows) + "," + std::to_string(columns) + "]";
}

/* The numbers [n][groups] of what is [groups][rows] from `first` on in steps of a group. */
inline void append(const Numbers& numbers, int64_t first, int64_t rows, int64_t groups,
                   int64_t step, Numbers* to, int64_t* at) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      uint32_t bits = 0;
      memcpy(&bits, numbers.at(first + g * step + r), static_cast<size_t>(numbers.size()));
      to->set_bits((*at)++, bits);
    }
  }
}

inline Part float_part(const std::string& name, const Numbers& numbers, const std::string& shape,
                       bool as_doubles) {
  if (!as_doubles) {
    return {name, numbers.type == BCQ_FLOAT32 ? "F32" : "F16", shape,
            std::string(numbers.bytes.begin(), numbers.bytes.end())};
  }
  std::vector<double> doubles;
  for (int64_t i = 0; i < numbers.count(); ++i) doubles.push_back(numbers[i]);
  return {name, "F64", shape, octets(doubles)};
}

inline Numbers stored_scales(const RandomMatrix& w, int64_t stored) {
  Numbers scales(w.scales.type, stored * w.groups);
  int64_t at = 0;
  for (int64_t i = 0; i < w.plane_count(); ++i) {
    append(w.scales, i * w.form.rows, w.form.plane_rows[i], w.groups, w.plane_count() * w.form.rows,
           &scales, &at);
  }
  return scales;
}

/* Makes scales numbers of 9 bits. */
inline void shorten(RandomMatrix* w) {
  for (int64_t i = 0; i < w->scales.count(); ++i) {
    uint16_t bits;
    memcpy(&bits, w->scales.at(i), 2);
    w->scales.set_bits(i, bits & 0x7fc0);
  }
  w->refresh();
}

/* Puts rows of as many bits in their own order: row r has as many as it had. */
inline void sort_order(RandomMatrix* w) {
  size_t begin = 0;
  for (int64_t i = w->plane_count(); i-- > 0;) {
    const auto end = static_cast<size_t>(w->form.plane_rows[i]);
    std::sort(w->order.begin() + static_cast<ptrdiff_t>(begin),
              w->order.begin() + static_cast<ptrdiff_t>(end));
    begin = end;
  }
  for (size_t k = 0; k < w->order.size(); ++k) w->place[w->order[k]] = static_cast<int32_t>(k);
  w->refresh();
}

inline Part order_part(const RandomMatrix& w, const Stored& stored, const std::string& name) {
  const std::string rows = "[" + std::to_string(w.form.rows) + "]";
  if (!stored.compact_order) {
    if (stored.order_type == "I32") return {name, "I32", rows, octets(w.order)};
    if (stored.order_type == "U16") {
      return {name, "U16", rows, octets(std::vector<uint16_t>(w.order.begin(), w.order.end()))};
    }
    return {name, "I64", rows, octets(std::vector<int64_t>(w.order.begin(), w.order.end()))};
  }
  std::vector<uint32_t> less_one(w.order.size());
  for (int64_t k = 0; k < w.form.rows; ++k) {
    for (int64_t i = 1; i < w.plane_count(); ++i) {
      less_one[static_cast<size_t>(w.order[k])] += k < w.form.plane_rows[i];
    }
  }
  const int width = w.plane_count() <= 2 ? 1 : w.plane_count() <= 4 ? 2 : 3;
  const std::string packed = pack(less_one, width);
  return {name, "U8", "[" + std::to_string(packed.size()) + "]", packed};
}

/* Puts longer numbers first, as files have them. */
inline void align(std::vector<Part>* parts) {
  const auto bytes = [](const Part& part) {
    const std::string& t = part.dtype;
    return t == "F64" || t == "I64" || t == "U64"                  ? 8
           : t == "F32" || t == "I32" || t == "U32"                ? 4
           : t == "F16" || t == "BF16" || t == "I16" || t == "U16" ? 2
                                                                   : 1;
  };
  std::stable_sort(parts->begin(), parts->end(),
                   [&](const Part& a, const Part& b) { return bytes(a) > bytes(b); });
}

/* The entry of binary codes; their tensors go to `parts`. */
inline std::string add_binary(const RandomMatrix& w, const Stored& stored, const std::string& name,
                              std::vector<Part>* parts) {
  std::vector<uint32_t> planes;
  std::string rows;
  int64_t count = 0;
  for (int64_t i = 0; i < w.plane_count(); ++i) {
    planes.insert(planes.end(), w.planes[i].begin(), w.planes[i].end());
    rows += (i ? "," : "") + std::to_string(w.form.plane_rows[i]);
    count += w.form.plane_rows[i];
  }
  const Numbers scales = stored_scales(w, count);
  if (!stored.short_scales) {
    parts->push_back(
        float_part(name + "/scales", scales, shape_of(count, w.groups), stored.double_scales));
  }
  if (w.form.order && !stored.compact_order) {
    parts->push_back(order_part(w, stored, name + "/row_order"));
  }
  parts->push_back({name + "/planes", "U32", shape_of(count, w.words), octets(planes)});
  if (w.form.offset) {
    Numbers offset(w.offset.type, w.form.rows * w.groups);
    int64_t at = 0;
    append(w.offset, 0, w.form.rows, w.groups, w.form.rows, &offset, &at);
    parts->push_back(float_part(name + "/offset", offset, shape_of(w.form.rows, w.groups), false));
  }
  if (w.form.order && stored.compact_order) {
    parts->push_back(order_part(w, stored, name + "/row_order"));
  }
  if (stored.short_scales) {
    std::vector<uint32_t> fields;
    for (int64_t i = 0; i < scales.count(); ++i) {
      uint16_t bits;
      memcpy(&bits, scales.at(i), 2);
      fields.push_back(bits >> 6);
    }
    const std::string packed = pack(fields, 9);
    parts->push_back({name + "/scales", "U8", "[" + std::to_string(packed.size()) + "]", packed});
  }
  const std::string order = !w.form.order ? "false" : stored.compact_order ? "\"compact\"" : "true";
  return "{\"kind\":\"codes\",\"columns\":" + std::to_string(w.form.columns) +
         ",\"group_size\":" + (w.groups == 1 ? "null" : std::to_string(w.form.group_size)) +
         ",\"rows\":[" + rows + "],\"offset\":" + (w.form.offset ? "true" : "false") +
         ",\"row_order\":" + order + (stored.short_scales ? ",\"scales\":\"compact\"}" : "}");
}

/* Rows of random fields below `limit`. */
inline std::string random_fields(int64_t rows, int64_t columns, int bits, uint32_t limit) {
  std::string packed;
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<uint32_t> fields;
    for (int64_t c = 0; c < columns; ++c) fields.push_back(random_bits() % limit);
    packed += pack(fields, bits);
  }
  return packed;
}

}  // namespace bcq_test

#endif
