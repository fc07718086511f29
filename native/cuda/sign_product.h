/* y = x W^T from signs alone: int8 tensor-core products of sign planes (+-64) with the digits of x.
 *
 * A block takes 32 or 64 rows. Its work is cut into units: one bit plane, every n-th step. A warp
 * adds up a unit in int32, which is exact, and at the end of each group and chunk brings the sums to
 * float32: sum * scale * peak. The units' results are then added in order. This order depends on the
 * matrix alone, so a row of x gives the same bits in any batch. An offset is one more plane, whose
 * bits are all 1.
 */
#ifndef BCQ_CUDA_SIGN_PRODUCT_H_
#define BCQ_CUDA_SIGN_PRODUCT_H_

#include "fixed_point.h"
#include "weights.h"

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

/* Sizes of a kernel. kPacked: batch 1 or 2, whose digits the block makes itself in shared memory. */
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
  static constexpr int kAhead = kPacked ? 4 : 2; /* steps of codes on their way from memory */
  static constexpr int kStepDigitWords = kPacked ? kFragmentWords : kDigits * kFragmentWords;
  static constexpr int kPartialWords = kUnits * kBatch * (kRows + 1);
  static constexpr int kDigitWords = kPacked ? kChunkSteps * kFragmentWords : 0;
  static constexpr int kPeakWords = kPacked ? kUnits * kBatch : 0;
  static constexpr int kSharedBytes = 4 * (kDigitWords + kPeakWords + kPartialWords);
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

/* Sums of a warp: fragments of [16 rows, 8 columns]. */
template <class S>
struct Sums {
  int whole[S::kPairs][S::kProducts][4]; /* since the last change of group or chunk */
  float total[S::kPairs][S::kBatchTiles][4];
};

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

/* total += whole * scale * peak, whole = 0. */
template <class S>
BCQ_DEVICE void flush(const Matrix& m, int64_t first_row, int plane, int planes, int group,
                      const float (&peaks)[S::kBatchTiles][2], Sums<S>& sums) {
  const float unit = -1.0f / (64.0f * digit_limit(S::kDigits));
  BCQ_UNROLL
  for (int pair = 0; pair < S::kPairs; ++pair) {
    BCQ_UNROLL
    for (int e = 0; e < 4; ++e) {
      const int64_t row = first_row + fragment_row(pair, e >> 1, lane_index() >> 2);
      float scale = 0.0f;
      if (row < m.rows) {
        scale = plane < planes ? scale_of(m, group, plane, row) : offset_of(m, group, row);
      }
      BCQ_UNROLL
      for (int t = 0; t < S::kBatchTiles; ++t) {
        const float value = multiply(joined<S>(sums.whole[pair], t, e), unit);
        sums.total[pair][t][e] =
            multiply_add(value, multiply(scale, peaks[t][e & 1]), sums.total[pair][t][e]);
      }
    }
    BCQ_UNROLL
    for (int n = 0; n < S::kProducts; ++n) {
      BCQ_UNROLL
      for (int e = 0; e < 4; ++e) sums.whole[pair][n][e] = 0;
    }
  }
}

/* What does not change while a warp works on a unit. */
struct UnitPlace {
  const uint32_t* rows; /* the tile, from the block's first row on */
  int64_t first_row;
  Units units;
  int plane, slice;
};

/* The steps of one chunk, those of the unit's slice. The codes of kAhead steps are under way. */
template <class S>
BCQ_DEVICE void add_chunk(const Matrix& m, const UnitPlace& at, int chunk, Codes<S> (&ahead)[S::kAhead],
                          const uint32_t* digits, int64_t batch_tile_words,
                          const float (&peaks)[S::kBatchTiles][2], Sums<S>& sums) {
  const int start = chunk * kChunkSteps, count = chunk_steps(m, chunk);
  const Stride stride = stride_of(m, at.units.slices);
  Step step = step_at(m, start + at.slice);
  Step next = step_at(m, start + at.slice + S::kAhead * at.units.slices);
  int group = step.group;
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
          flush<S>(m, at.first_row, at.plane, at.units.planes, group, peaks, sums);
          group = step.group;
        }
        add_step<S>(codes, digits + int64_t{number} * S::kStepDigitWords, batch_tile_words, sums);
        step = advanced(m, step, stride);
        next = advanced(m, next, stride);
      }
    }
  }
  if (at.slice < count) {
    flush<S>(m, at.first_row, at.plane, at.units.planes, group, peaks, sums);
  }
}

/* The first kAhead steps of a chunk's slice set out from memory. */
template <class S>
BCQ_DEVICE void start_chunk(const Matrix& m, const UnitPlace& at, int chunk,
                            Codes<S> (&ahead)[S::kAhead]) {
  BCQ_UNROLL
  for (int k = 0; k < S::kAhead; ++k) {
    const int number = at.slice + k * at.units.slices;
    if (number < chunk_steps(m, chunk)) {
      ahead[k] = load_codes<S>(m, at.rows, at.units, at.plane,
                               step_at(m, chunk * kChunkSteps + number));
    }
  }
}

template <class S>
BCQ_DEVICE void clear(Sums<S>& sums) {
  BCQ_UNROLL
  for (int pair = 0; pair < S::kPairs; ++pair) {
    BCQ_UNROLL
    for (int e = 0; e < 4; ++e) {
      BCQ_UNROLL
      for (int n = 0; n < S::kProducts; ++n) sums.whole[pair][n][e] = 0;
      BCQ_UNROLL
      for (int t = 0; t < S::kBatchTiles; ++t) sums.total[pair][t][e] = 0.0f;
    }
  }
}

/* A unit's result into shared memory: [kUnits][kBatch][kRows + 1]. */
template <class S>
BCQ_DEVICE void store_partial(const Sums<S>& sums, int unit, float* partial) {
  const int g = lane_index() >> 2, j = lane_index() & 3;
  if (S::kPacked && j > 0) return;
  BCQ_UNROLL
  for (int pair = 0; pair < S::kPairs; ++pair) {
    BCQ_UNROLL
    for (int t = 0; t < S::kBatchTiles; ++t) {
      BCQ_UNROLL
      for (int e = 0; e < 4; ++e) {
        const int b = S::kPacked ? e & 1 : 8 * t + 2 * j + (e & 1);
        partial[(unit * S::kBatch + b) * (S::kRows + 1) + fragment_row(pair, e >> 1, g)] =
            sums.total[pair][t][e];
      }
    }
  }
}

/* Adds the units in order and writes y. */
template <class S>
BCQ_DEVICE void store_results(const SignArguments& a, int64_t first_row, int64_t first_batch,
                              int units, const float* partial) {
  for (int i = thread_index(); i < S::kBatch * S::kRows; i += thread_count()) {
    const int r = i % S::kRows, n = i / S::kRows;
    const int64_t row = first_row + r, b = first_batch + n;
    if (row >= a.matrix.rows || b >= a.batch) continue;
    float sum = 0.0f;
    for (int u = 0; u < units; ++u) {
      sum = add(sum, partial[(u * S::kBatch + n) * (S::kRows + 1) + r]);
    }
    if (!is_finite(sum)) sum = plain_product(a.matrix, a.x, a.type, b, row);
    store_as(a.y, a.type, b * a.matrix.rows + original_row(a.matrix, row), sum);
  }
}

/* Batch 1 or 2: the digits of a chunk into shared memory, their peaks into `peaks`. Barriers within;
 * at the end all of the block may read. */
template <class S>
BCQ_DEVICE void make_digits(const SignArguments& a, int chunk, uint32_t* digits, uint32_t* scratch,
                            float (&peaks)[S::kBatchTiles][2]) {
  const Matrix& m = a.matrix;
  const int quads = chunk_steps(m, chunk) * 32;
  BCQ_UNROLL
  for (int b = 0; b < 2; ++b) {
    peaks[0][b] = 0.0f;
    if (b >= a.batch) continue; /* its columns of the product stand for nothing */
    float v[4];
    uint32_t peak = 0;
    for (int q = thread_index(); q < quads; q += thread_count()) {
      load_quad(a.x, a.type, b * m.columns, chunk_quad(m, chunk, q), v);
      const uint32_t here = peak_bits(v);
      peak = here > peak ? here : peak;
    }
    peak = block_max(peak, scratch + b * kUnits);
    peaks[0][b] = usable_peak(peak);
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
BCQ_KERNEL(S::kThreads) packed_product_kernel(BCQ_ARGUMENTS(SignArguments) a) {
  const Matrix& m = a.matrix;
  uint32_t* digits = static_cast<uint32_t*>(shared_memory());
  uint32_t* scratch = digits + S::kDigitWords;
  float* partial = reinterpret_cast<float*>(scratch + S::kPeakWords);
  UnitPlace at;
  at.first_row = block_index() * S::kRows;
  const int64_t tile = at.first_row / kTileRows;
  at.rows = m.tiles + tile_start(m, tile) + at.first_row % kTileRows;
  at.units = units_of(m, tile);
  at.plane = warp_index() % at.units.all;
  at.slice = warp_index() / at.units.all;
  const bool works = at.slice < at.units.slices;
  Sums<S> sums;
  clear<S>(sums);
  for (int chunk = 0; chunk < chunk_count(m); ++chunk) {
    Codes<S> ahead[S::kAhead];
    float peaks[S::kBatchTiles][2];
    if (works) start_chunk<S>(m, at, chunk, ahead);
    make_digits<S>(a, chunk, digits, scratch, peaks);
    if (works) add_chunk<S>(m, at, chunk, ahead, digits, 0, peaks, sums);
    sync_block();
  }
  if (works) store_partial<S>(sums, warp_index(), partial);
  sync_block();
  store_results<S>(a, at.first_row, 0, at.units.all * at.units.slices, partial);
}

template <class S>
BCQ_KERNEL(S::kThreads) sign_product_kernel(BCQ_ARGUMENTS(SignArguments) a) {
  const Matrix& m = a.matrix;
  float* partial = static_cast<float*>(shared_memory());
  const int64_t batch_block = block_index() % a.batch_blocks;
  const int64_t batch_tile = batch_block * S::kBatchTiles;
  UnitPlace at;
  at.first_row = block_index() / a.batch_blocks * S::kRows;
  const int64_t tile = at.first_row / kTileRows;
  at.rows = m.tiles + tile_start(m, tile) + at.first_row % kTileRows;
  at.units = units_of(m, tile);
  const int units = at.units.all * at.units.slices, chunks = chunk_count(m);
  for (int unit = warp_index(); unit < units; unit += thread_count() / 32) {
    at.plane = unit % at.units.all;
    at.slice = unit / at.units.all;
    Sums<S> sums;
    clear<S>(sums);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      Codes<S> ahead[S::kAhead];
      start_chunk<S>(m, at, chunk, ahead);
      float peaks[S::kBatchTiles][2];
      BCQ_UNROLL
      for (int t = 0; t < S::kBatchTiles; ++t) {
        const float* eight = a.peaks + ((batch_tile + t) * chunks + chunk) * 8;
        peaks[t][0] = load(eight + 2 * (lane_index() & 3));
        peaks[t][1] = load(eight + 2 * (lane_index() & 3) + 1);
      }
      const uint32_t* digits =
          a.digits + (batch_tile * m.steps + chunk * kChunkSteps) * S::kStepDigitWords;
      add_chunk<S>(m, at, chunk, ahead, digits, int64_t{m.steps} * S::kStepDigitWords, peaks,
                   sums);
    }
    store_partial<S>(sums, unit, partial);
  }
  sync_block();
  store_results<S>(a, at.first_row, batch_block * S::kBatch, units, partial);
}

}  // namespace bcq_cuda

#endif
