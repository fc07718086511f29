/* y = x W^T from signs alone: int8 tensor-core products of sign planes (+-64) with the digits of x.
 *
 * A block takes 32 or 64 rows. Its work is cut into units: one bit plane, every n-th step. A warp
 * adds up a unit in int32, which is exact, and at the end of each group and chunk brings the sums
 * to float32: sum * scale * peak. The units' results are then added in order. This order depends on
 * the matrix alone, so a row of x gives the same bits in any batch. An offset is a plane of ones.
 */
#ifndef BCQ_CUDA_SIGN_PRODUCT_H_
#define BCQ_CUDA_SIGN_PRODUCT_H_

#include "cuda/fixed_point.h"
#include "cuda/weights.h"

namespace bcq_cuda {

constexpr int kUnits = 16; /* at most, of a block */

/* The planes of a tile, and how its work is cut into units. */
struct Units {
  int planes; /* in memory */
  int all;    /* with the offset */
  int slices; /* of the steps, for each plane */
};

BCQ_HD Units units_of(const Matrix& m, int64_t tile) {
  Units units;
  units.planes = tile_planes(m, tile);
  units.all = units.planes + (m.offset ? 1 : 0);
  units.slices = kUnits / units.all;
  return units;
}

/* Sizes of a kernel. kPacked: batch 1 or 2, whose digits the block makes itself in shared memory.
 */
template <int kRowsOf, int kBatchTilesOf, int kDigitsOf, bool kPackedOf, int kWarpsOf>
struct SignShape {
  static constexpr int kRows = kRowsOf;
  static constexpr int kBatchTiles = kBatchTilesOf; /* of 8 batch rows */
  static constexpr int kDigits = kDigitsOf;
  static constexpr bool kPacked = kPackedOf;
  static constexpr int kThreads = 32 * kWarpsOf;
  static constexpr int kPairs = kRows / 16;
  static constexpr int kProducts = kPacked ? 1 : kBatchTiles * kDigits;
  static constexpr int kBatch = kPacked ? 2 : 8 * kBatchTiles;
  static constexpr int kBlocks = kPacked ? 2 : 1;         /* on a multiprocessor, at least */
  static constexpr int kAhead = kBatchTiles == 1 ? 4 : 1; /* steps of codes on their way */
  static constexpr int kStepDigitWords = kPacked ? kFragmentWords : kDigits * kFragmentWords;
  static constexpr int kLanes = kPacked ? 8 : 32; /* that hold results */
  static constexpr int kUnitWords = kPairs * kBatchTiles * 4 * kLanes;
  static constexpr int kDigitWords = kPacked ? kChunkSteps * kFragmentWords : 0;
  static constexpr int kPeakWords = kPacked ? (kUnits + 1) * kBatch : 0;
  static constexpr int kSharedBytes = 4 * (kDigitWords + kPeakWords + kUnits * kUnitWords);
};

using PackedShape = SignShape<32, 1, 3, true, kUnits>;
template <int kDigits>
using NarrowShape = SignShape<32, 1, kDigits, false, kUnits>;
template <int kDigits>
using WideShape = SignShape<64, 2, kDigits, false, kUnits / 2>;

struct SignArguments {
  Matrix matrix;
  const void* x;
  void* y;
  int type;
  int64_t batch;
  int64_t batch_blocks;
  const uint32_t* digits; /* unless packed: of digits_kernel, for batch_blocks * kBatch rows */
  const float* peaks;
};

/* Codes of 32 or 64 rows at one word. */
template <class S>
struct Codes {
  Words4 words[S::kPairs / 2];
};

template <class S>
BCQ_DEVICE Codes<S> load_codes(const Matrix& m, const uint32_t* rows, const Units& units, int plane,
                               Step step) {
  const int g = lane_index() >> 2, j = lane_index() & 3;
  Codes<S> codes;
  BCQ_UNROLL
  for (int h = 0; h < S::kPairs / 2; ++h) codes.words[h] = {~0u, ~0u, ~0u, ~0u};
  if (plane < units.planes && j < word_count(m, step)) {
    const uint32_t* place =
        rows + word_place(first_word(m, step) + j, units.planes, plane, fragment_row(0, 0, g));
    BCQ_UNROLL
    for (int h = 0; h < S::kPairs / 2; ++h) codes.words[h] = load4(place + 32 * h);
  }
  return codes;
}

/* Registers 4 half to 4 half + 3 of every product's x. Only the first six columns of a packed
 * product stand for something. */
template <class S>
BCQ_DEVICE void load_digits(const uint32_t* digits, int64_t batch_tile_words, int half,
                            uint32_t (&b)[S::kProducts][4]) {
  const int lane = lane_index();
  BCQ_UNROLL
  for (int n = 0; n < S::kProducts; ++n) {
    const uint32_t* place = digits + (n / S::kDigits) * batch_tile_words +
                            (n % S::kDigits) * kFragmentWords + half * 128 + lane * 4;
    Words4 four = {0, 0, 0, 0};
    if (!S::kPacked) {
      four = load4(place);
    } else if (lane < 4 * packed_column(S::kDigits, 0)) {
      four = *reinterpret_cast<const Words4*>(place);
    }
    b[n][0] = four.x, b[n][1] = four.y, b[n][2] = four.z, b[n][3] = four.w;
  }
}

/* Sums of a warp since the last change of group or chunk: fragments of [16 rows, 8 columns]. */
template <class S>
struct Sums {
  int whole[S::kPairs][S::kProducts][4];
};

/* Where the result of a unit stands in shared memory: [kPairs][kBatchTiles][4][kLanes]. */
template <class S>
BCQ_HD int result_place(int pair, int batch_tile, int e, int lane) {
  return ((pair * S::kBatchTiles + batch_tile) * 4 + e) * S::kLanes + lane;
}

/* The same by row and batch row of the block: see fragment_row(). */
template <class S>
BCQ_HD int result_place_of(int row, int b) {
  const int pair = row / 32 * 2 + row % 4 / 2, half = row % 2, g = row % 32 / 4;
  if (S::kPacked) return result_place<S>(pair, 0, 2 * half + b, g);
  return result_place<S>(pair, b / 8, 2 * half + b % 2, 4 * g + b % 8 / 2);
}

template <class S>
BCQ_DEVICE void add_step(const Codes<S>& codes, const uint32_t* digits, int64_t batch_tile_words,
                         Sums<S>& sums) {
  BCQ_UNROLL
  for (int half = 0; half < 2; ++half) {
    uint32_t b[S::kProducts][4];
    load_digits<S>(digits, batch_tile_words, half, b);
    BCQ_UNROLL
    for (int pair = 0; pair < S::kPairs; ++pair) {
      const Words4 four = codes.words[pair / 2];
      const uint32_t low = pair & 1 ? four.z : four.x, high = pair & 1 ? four.w : four.y;
      BCQ_UNROLL
      for (int r = 0; r < 4; r += 2) {
        const int k = 4 * half + r;
        const uint32_t a[4] = {sign_bytes(low, k), sign_bytes(high, k), sign_bytes(low, k + 1),
                               sign_bytes(high, k + 1)};
        BCQ_UNROLL
        for (int n = 0; n < S::kProducts; ++n) {
          multiply_int8(sums.whole[pair][n], a, b[n][r], b[n][r + 1]);
        }
      }
    }
  }
}

/* The digits' sums as one number. Powers of two are exact: one rounding a line. */
template <class S>
BCQ_DEVICE float joined(const int (&whole)[S::kProducts][4], int batch_tile, int e) {
  if (S::kPacked) { /* column 2 j + batch row: lane j of four has digit j */
    const int j = lane_index() & 3;
    float value = multiply(static_cast<float>(whole[0][e]), j == 0   ? 1.0f
                                                            : j == 1 ? 256.0f
                                                                     : 65536.0f);
    value = add(value, shuffle_xor(value, 1));
    return add(value, shuffle_xor(value, 2));
  }
  const int first = batch_tile * S::kDigits;
  float value = multiply_add(static_cast<float>(whole[first + 1][e]), 256.0f,
                             static_cast<float>(whole[first][e]));
  if (S::kDigits == 3) {
    value = multiply_add(static_cast<float>(whole[first + S::kDigits - 1][e]), 65536.0f, value);
  }
  return value;
}

/* What does not change while a warp works on a unit. */
struct UnitPlace {
  const uint32_t* rows; /* the tile, from the block's first row on */
  int64_t first_row;
  Units units;
  int plane, slice;
  float* result; /* in shared memory */
};

/* The factors of a chunk, for each tile of 8 batch rows `..._stride` apart. */
struct ChunkOfX {
  const uint32_t* digits;
  const float* peaks;
  int64_t digit_stride, peak_stride;
};

/* Scales of the lane's four rows from `row` on, of a plane or, as the last plane, of the offset. */
BCQ_DEVICE void load_scales(const Matrix& m, int group, int plane, int planes, int64_t row,
                            float (&scales)[4]) {
  const int count = static_cast<int>(least<int64_t>(4, m.rows - row));
  if (plane < planes) {
    load_four(m.scales, m.scale_type, scale_place(m, group, plane, row), count, scales);
  } else {
    load_four(m.offset, m.scale_type, offset_place(m, group, row), count, scales);
  }
}

/* result += whole * scale * peak, whole = 0. */
template <class S>
BCQ_DEVICE void flush(const Matrix& m, const UnitPlace& at, int group, const ChunkOfX& x,
                      Sums<S>& sums) {
  const float unit = -1.0f / (64.0f * digit_limit(S::kDigits));
  const int lane = lane_index();
  BCQ_UNROLL
  for (int h = 0; h < S::kPairs / 2; ++h) {
    float scales[4];
    load_scales(m, group, at.plane, at.units.planes,
                at.first_row + fragment_row(2 * h, 0, lane >> 2), scales);
    BCQ_UNROLL
    for (int i = 0; i < S::kBatchTiles * 8; ++i) {
      const int t = i / 8, pair = 2 * h + i / 4 % 2, e = i % 4;
      const float value = multiply(joined<S>(sums.whole[pair], t, e), unit);
      const float scale = scales[i / 4 % 2 * 2 + e / 2];
      const float factor = multiply(scale, x.peaks[t * x.peak_stride + e % 2]);
      if (S::kPacked && (lane & 3)) continue; /* the four lanes of a row have the same */
      float& total = at.result[result_place<S>(pair, t, e, S::kPacked ? lane >> 2 : lane)];
      total = multiply_add(value, factor, total);
    }
  }
  sums = {};
}

/* The steps of one chunk, those of the unit's slice. The codes of kAhead steps are under way. */
template <class S>
BCQ_DEVICE void add_chunk(const Matrix& m, const UnitPlace& at, int chunk,
                          Codes<S> (&ahead)[S::kAhead], const ChunkOfX& x) {
  const int start = chunk * kChunkSteps, count = chunk_steps(m, chunk);
  const Stride stride = stride_of(m, at.units.slices);
  Step step = step_at(m, start + at.slice);
  Step next = step_at(m, start + at.slice + S::kAhead * at.units.slices);
  int group = step.group;
  Sums<S> sums = {};
  for (int base = at.slice; base < count; base += S::kAhead * at.units.slices) {
    BCQ_UNROLL
    for (int k = 0; k < S::kAhead; ++k) {
      const int number = base + k * at.units.slices;
      if (number < count) {
        const Codes<S> codes = ahead[k];
        if (number + S::kAhead * at.units.slices < count) {
          ahead[k] = load_codes<S>(m, at.rows, at.units, at.plane, next);
        }
        if (step.group != group) {
          flush<S>(m, at, group, x, sums);
          group = step.group;
        }
        add_step<S>(codes, x.digits + int64_t{number} * S::kStepDigitWords, x.digit_stride, sums);
        step = advanced(m, step, stride);
        next = advanced(m, next, stride);
      }
    }
  }
  if (at.slice < count) flush<S>(m, at, group, x, sums);
}

/* The first kAhead steps of a chunk's slice set out from memory. */
template <class S>
BCQ_DEVICE void start_chunk(const Matrix& m, const UnitPlace& at, int chunk,
                            Codes<S> (&ahead)[S::kAhead]) {
  BCQ_UNROLL
  for (int k = 0; k < S::kAhead; ++k) {
    const int number = at.slice + k * at.units.slices;
    if (number < chunk_steps(m, chunk)) {
      ahead[k] =
          load_codes<S>(m, at.rows, at.units, at.plane, step_at(m, chunk * kChunkSteps + number));
    }
  }
}

/* The results of all units become 0. */
template <class S>
BCQ_DEVICE void clear_results(float* results) {
  for (int i = thread_index(); i < kUnits * S::kUnitWords; i += thread_count()) results[i] = 0.0f;
  sync_block();
}

/* Adds the units in order and writes y. */
template <class S>
BCQ_DEVICE void store_results(const SignArguments& a, int64_t first_row, int64_t first_batch,
                              int units, const float* results) {
  for (int i = thread_index(); i < S::kBatch * S::kRows; i += thread_count()) {
    const int r = i % S::kRows, n = i / S::kRows;
    const int64_t row = first_row + r, b = first_batch + n;
    if (row >= a.matrix.rows || b >= a.batch) continue;
    float sum = 0.0f;
    for (int u = 0; u < units; ++u) {
      sum = add(sum, results[u * S::kUnitWords + result_place_of<S>(r, n)]);
    }
    if (!is_finite(sum)) sum = plain_product(a.matrix, a.x, a.type, b, row);
    store_as(a.y, a.type, b * a.matrix.rows + original_row(a.matrix, row), sum);
  }
}

/* Batch 1 or 2: the digits of a chunk into shared memory, and their two peaks. Barriers within; at
 * the end all of the block may read. */
template <class S>
BCQ_DEVICE void make_digits(const SignArguments& a, int chunk, uint32_t* digits, uint32_t* scratch,
                            float* peaks) {
  const Matrix& m = a.matrix;
  const int quads = chunk_steps(m, chunk) * 32;
  BCQ_UNROLL
  for (int b = 0; b < 2; ++b) {
    if (b >= a.batch) continue; /* its columns of the product stand for nothing */
    float v[4];
    uint32_t peak = 0;
    for (int q = thread_index(); q < quads; q += thread_count()) {
      load_quad(a.x, a.type, b * m.columns, chunk_quad(m, chunk, q), v);
      const uint32_t here = peak_bits(v);
      peak = here > peak ? here : peak;
    }
    peak = block_max(peak, scratch + b * kUnits);
    if (thread_index() == 0) peaks[b] = usable_peak(peak);
    const Unit unit = unit_of(float_of(peak), S::kDigits);
    for (int q = thread_index(); q < quads; q += thread_count()) {
      load_quad(a.x, a.type, b * m.columns, chunk_quad(m, chunk, q), v);
      uint32_t words[S::kDigits];
      quad_digits<S::kDigits>(v, unit, words);
      BCQ_UNROLL
      for (int d = 0; d < S::kDigits; ++d) {
        digits[quad_place(q, packed_column(d, b))] = words[d];
      }
    }
  }
  sync_block();
}

template <class S>
BCQ_DEVICE UnitPlace unit_place(const Matrix& m, int64_t row_block) {
  UnitPlace at = {};
  at.first_row = row_block * S::kRows;
  const int64_t tile = at.first_row / kTileRows;
  at.rows = m.tiles + tile_start(m, tile) + at.first_row % kTileRows;
  at.units = units_of(m, tile);
  return at;
}

template <class S>
BCQ_DEVICE void set_unit(int unit, float* results, UnitPlace& at) {
  at.plane = unit % at.units.all;
  at.slice = unit / at.units.all;
  at.result = results + unit * S::kUnitWords;
}

template <class S>
BCQ_KERNEL(S::kThreads, S::kBlocks) packed_product_kernel(BCQ_ARGUMENTS(SignArguments) a) {
  const Matrix& m = a.matrix;
  uint32_t* digits = static_cast<uint32_t*>(shared_memory());
  uint32_t* scratch = digits + S::kDigitWords;
  float* peaks = reinterpret_cast<float*>(scratch + kUnits * S::kBatch);
  float* results = peaks + S::kBatch;
  UnitPlace at = unit_place<S>(m, block_index());
  set_unit<S>(warp_index(), results, at);
  const bool works = at.slice < at.units.slices;
  clear_results<S>(results);
  for (int chunk = 0; chunk < chunk_count(m); ++chunk) {
    Codes<S> ahead[S::kAhead];
    if (works) start_chunk<S>(m, at, chunk, ahead);
    make_digits<S>(a, chunk, digits, scratch, peaks);
    if (works) add_chunk<S>(m, at, chunk, ahead, {digits, peaks, 0, 0});
    sync_block();
  }
  store_results<S>(a, at.first_row, 0, at.units.all * at.units.slices, results);
}

template <class S>
BCQ_KERNEL(S::kThreads, S::kBlocks) sign_product_kernel(BCQ_ARGUMENTS(SignArguments) a) {
  const Matrix& m = a.matrix;
  float* results = static_cast<float*>(shared_memory());
  const int64_t batch_block = block_index() % a.batch_blocks;
  const int64_t batch_tile = batch_block * S::kBatchTiles;
  UnitPlace at = unit_place<S>(m, block_index() / a.batch_blocks);
  const int units = at.units.all * at.units.slices, chunks = chunk_count(m);
  clear_results<S>(results);
  for (int unit = warp_index(); unit < units; unit += thread_count() / 32) {
    set_unit<S>(unit, results, at);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      Codes<S> ahead[S::kAhead];
      start_chunk<S>(m, at, chunk, ahead);
      ChunkOfX x;
      x.digits = a.digits + (batch_tile * m.steps + chunk * kChunkSteps) * S::kStepDigitWords;
      x.peaks = a.peaks + (batch_tile * chunks + chunk) * 8 + 2 * (lane_index() & 3);
      x.digit_stride = int64_t{m.steps} * S::kStepDigitWords;
      x.peak_stride = int64_t{chunks} * 8;
      add_chunk<S>(m, at, chunk, ahead, x);
    }
  }
  sync_block();
  store_results<S>(a, at.first_row, batch_block * S::kBatch, units, results);
}

}  // namespace bcq_cuda

#endif
