/* Planes, whose sums are multiplied with their scales. Included inside the namespace of a set,
 * after exact.inl. */

/* One plane of 16 rows of the matrix from `lane` on: its sums, times scales, to the segment's
 * total; with the last plane to that of the K tile. */
static inline void add_plane(Exact* w, const Part& part, const RowBlock& block, int64_t plane,
                             int64_t lane, const int32_t* sums) {
  const __m512d low = _mm512_load_pd(w->scale[plane] + lane);
  const __m512d high = _mm512_load_pd(w->scale[plane] + lane + 8);
  const bool last = plane == w->scaled.tile.planes - 1;
  const bool first_of_tile = part.segment == 0, last_of_tile = last_of_k_tile(*w, part);
  for (int64_t i = 0; i < block.rows; ++i) {
    __m512i sum = joined(sums, block, i);
    int32_t* before = w->plane_sums[plane][block.first - w->row + i] + lane;
    if (!part.first) sum = _mm512_add_epi32(sum, _mm512_load_si512(before));
    if (!part.last) {
      _mm512_store_si512(before, sum);
      continue;
    }
    double* const before_it = w->segment_total[i] + lane;
    __m512d total[2] = {low * _mm512_cvtepi32_pd(_mm512_castsi512_si256(sum)),
                        high * _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(sum, 1))};
    for (int half = 0; half < 2 && plane > 0; ++half) {
      total[half] = _mm512_load_pd(before_it + 8 * half) + total[half];
    }
    if (last) {
      add_to_total(w, part, block.first + i, lane, total, first_of_tile, last_of_tile);
    } else {
      _mm512_store_pd(before_it, total[0]);
      _mm512_store_pd(before_it + 8, total[1]);
    }
  }
}

/* A part for kStrips times 16 rows of the matrix from `lane` on, by planes. */
template <int kA, int kStrips>
static void add_planes(Exact* w, const Part& part, const RowBlock& block, int64_t lane) {
  const Tile& tile = w->scaled.tile;
  for (int64_t p = 0; p < tile.planes; ++p) {
    const MakeSigns<kStrips> make = {tile.words + p * kTileRows + lane, tile.planes * kTileRows,
                                     w->steps.step + part.step};
    make_and_multiply<kA, kStrips, kRing>(part.steps, a_of(block, part), w->b, make, w->sums);
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
