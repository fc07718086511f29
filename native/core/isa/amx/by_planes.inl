/* Planes, whose sums are multiplied with their scales. Included inside the namespace of a set,
 * after exact.inl. */

/* The sums of a plane so far, for row `row` of a block and 16 rows of the matrix from `lane` on. */
static inline int32_t* sums_of_plane(Exact* w, const RowBlock& block, int64_t row, int64_t plane,
                                     int64_t lane) {
  return w->plane_sums[plane][block.first - w->row + row] + lane;
}

static inline __m512i sum_of_plane(Exact* w, const Part& part, const RowBlock& block, int64_t row,
                                   int64_t plane, int64_t lane, const int32_t* sums) {
  const __m512i sum = joined(sums, block, row);
  if (part.first) return sum;
  return _mm512_add_epi32(sum, _mm512_load_si512(sums_of_plane(w, block, row, plane, lane)));
}

/* A part that is not the last of its segment. */
static inline void keep_plane(Exact* w, const Part& part, const RowBlock& block, int64_t plane,
                              int64_t lane, const int32_t* sums) {
  for (int64_t i = 0; i < block.rows; ++i) {
    _mm512_store_si512(sums_of_plane(w, block, i, plane, lane),
                       sum_of_plane(w, part, block, i, plane, lane, sums));
  }
}

/* The last part: the plane's sums, times scales, to the segment's total; with the last plane to
 * that of the K tile. */
template <bool kFirst, bool kLast>
static inline void finish_plane(Exact* w, const Part& part, const RowBlock& block, int64_t plane,
                                int64_t lane, const int32_t* sums) {
  const __m512d low = _mm512_load_pd(w->scale[plane] + lane);
  const __m512d high = _mm512_load_pd(w->scale[plane] + lane + 8);
  const bool last = plane == w->scaled.tile.planes - 1;
  for (int64_t i = 0; i < block.rows; ++i) {
    const __m512i sum = sum_of_plane(w, part, block, i, plane, lane, sums);
    double* const before = w->segment_total[i] + lane;
    __m512d total[2] = {low * _mm512_cvtepi32_pd(_mm512_castsi512_si256(sum)),
                        high * _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(sum, 1))};
    for (int half = 0; half < 2 && plane > 0; ++half) {
      total[half] = _mm512_load_pd(before + 8 * half) + total[half];
    }
    if (last) {
      add_to_total<kFirst, kLast>(w, block.first + i, lane, total);
    } else {
      _mm512_store_pd(before, total[0]);
      _mm512_store_pd(before + 8, total[1]);
    }
  }
}

static inline void add_plane(Exact* w, const Part& part, const RowBlock& block, int64_t plane,
                             int64_t lane, const int32_t* sums) {
  if (!part.last) return keep_plane(w, part, block, plane, lane, sums);
  const bool first = part.segment == 0, last = last_of_k_tile(*w, part);
  const auto finish = first  ? last ? finish_plane<true, true> : finish_plane<true, false>
                       : last ? finish_plane<false, true>
                             : finish_plane<false, false>;
  finish(w, part, block, plane, lane, sums);
}

/* A part for kStrips times 16 rows of the matrix from `lane` on, by planes. */
template <int kA, int kStrips>
static void add_planes(Exact* w, const Part& part, const RowBlock& block, int64_t lane) {
  const Tile& tile = w->scaled.tile;
  for (int64_t p = 0; p < tile.planes; ++p) {
    const uint32_t* words = tile.words + (part.word * tile.planes + p) * kTileRows + lane;
    const MakeSigns<kStrips> make = {words, tile.planes * kTileRows, part.words};
    make_and_multiply<kA, kStrips, kRing>(part.steps, a_of(*w, block, part), w->b, make, w->sums);
    for (int i = 0; i < kStrips; ++i) {
      add_plane(w, part, block, p, lane + 16 * i, w->sums + i * kA * 256);
    }
  }
}

static constexpr Add kAddStrip[] = {add_planes<1, 1>, add_planes<2, 1>, add_planes<3, 1>};
static constexpr Add kAddStrips[] = {add_planes<1, 4>, add_planes<2, 2>, add_planes<3, 2>};
static constexpr int64_t kStripLanes[] = {64, 32, 32};

/* The scales of a group as double. */
static void choose_group(Exact* w, int64_t group) {
  if (w->group == group) return;
  w->group = group;
  w->scaled.choose_group(w->m, group);
  for (int64_t p = 0; p < w->scaled.tile.planes; ++p) {
    const float* const from = w->scaled.scale[p];
    for (int r = 0; r < kTileRows; r += 8) store(w->scale[p] + r, load_doubles(from + r));
  }
}

static void add_by_planes(Exact* w, const Part& part) {
  choose_group(w, w->segments.segment[part.segment].group);
  for (int64_t i = 0; i < w->block_count; ++i) {
    const int64_t tiles = w->blocks[i].tiles, lanes = kStripLanes[tiles - 1];
    for (int64_t lane = 0; lane < w->scaled.tile.rows; lane += lanes) {
      kAddStrips[tiles - 1](w, part, w->blocks[i], lane);
    }
  }
}

static void add_strip_by_planes(Exact* w, const Part& part, int64_t lane) {
  choose_group(w, w->segments.segment[part.segment].group);
  for (int64_t i = 0; i < w->block_count; ++i) {
    kAddStrip[w->blocks[i].tiles - 1](w, part, w->blocks[i], lane);
  }
}
