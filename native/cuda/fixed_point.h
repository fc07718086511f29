/* x in fixed point, as digits of eight bits for the int8 product.
 *
 * Within a chunk (32 steps, up to 4,096 columns) a row of x is rounded to integers v, x = v peak /
 * limit, where `peak` is its largest magnitude there. v = sum_d digit_d 256^d with digits from -128
 * to 127. Three digits are 24 bits, as fine as float32; two are 16 bits.
 */
#ifndef BCQ_CUDA_FIXED_POINT_H_
#define BCQ_CUDA_FIXED_POINT_H_

#include "cuda/device.h"

namespace bcq_cuda {

/* The largest |v|, a little below what the digits can hold, as the quotient is rounded. */
BCQ_HD float digit_limit(int digits) { return digits == 3 ? 8355000.0f : 32600.0f; }

/* What x is multiplied with, in two factors since one could overflow. */
struct Unit {
  float first, second;
};

BCQ_DEVICE Unit unit_of(float peak, int digits) {
  Unit unit;
  unit.first = peak < 5.4210109e-20f ? 1.8446744e19f : 1.0f; /* 2^-64, 2^64 */
  unit.second = is_finite(peak) && peak > 0 ? digit_limit(digits) / (peak * unit.first) : 0.0f;
  return unit;
}

/* Four integers, a byte each of every digit. */
template <int kDigits>
BCQ_DEVICE void digit_words(const int (&v)[4], uint32_t (&words)[kDigits]) {
  BCQ_UNROLL
  for (int d = 0; d < kDigits; ++d) words[d] = 0;
  BCQ_UNROLL
  for (int t = 0; t < 4; ++t) {
    int rest = v[t];
    BCQ_UNROLL
    for (int d = 0; d < kDigits; ++d) {
      const int digit = ((rest + 128) & 255) - 128;
      words[d] |= static_cast<uint32_t>(digit & 255) << (8 * t);
      rest = (rest - digit) >> 8;
    }
  }
}

/* Four columns that go into one register. Outside the matrix x counts as 0. */
struct Quad {
  int64_t start; /* column of byte 0; the others stand 8 apart */
  int count;     /* of them within the row */
};

/* Of a step's 32 quads the one of word j, register k. */
BCQ_HD Quad step_quad(const Matrix& m, Step step, int j, int k) {
  Quad quad;
  quad.start = (int64_t{first_word(m, step)} + j) * kWordBits + byte_column(k, 0);
  const int64_t left = m.columns - quad.start;
  quad.count = j >= word_count(m, step) || left <= 0
                   ? 0
                   : static_cast<int>(least<int64_t>(4, (left + 7) / 8));
  return quad;
}

/* Quad q of a chunk, and its place in the digits of that chunk for column n of the product, where
 * every step has one fragment. */
BCQ_HD Quad chunk_quad(const Matrix& m, int chunk, int q) {
  return step_quad(m, step_at(m, chunk * kChunkSteps + q / 32), (q >> 3) & 3, q & 7);
}
BCQ_HD int quad_place(int q, int n) {
  return (q / 32) * kFragmentWords + digit_place(n, (q >> 3) & 3, q & 7);
}

BCQ_DEVICE void load_quad(const void* x, int type, int64_t row_start, Quad quad, float (&v)[4]) {
  BCQ_UNROLL
  for (int t = 0; t < 4; ++t) {
    v[t] = t < quad.count ? load_as_float(x, type, row_start + quad.start + 8 * t) : 0.0f;
  }
}

/* The bits of the largest magnitude; NaN counts as larger than Inf. */
BCQ_DEVICE uint32_t peak_bits(const float (&v)[4]) {
  uint32_t peak = 0;
  BCQ_UNROLL
  for (int t = 0; t < 4; ++t) {
    const uint32_t magnitude = bits_of(v[t]) & 0x7fffffffu;
    peak = magnitude > peak ? magnitude : peak;
  }
  return peak;
}

template <int kDigits>
BCQ_DEVICE void quad_digits(const float (&x)[4], Unit unit, uint32_t (&words)[kDigits]) {
  int v[4];
  BCQ_UNROLL
  for (int t = 0; t < 4; ++t) {
    v[t] = unit.second > 0 ? rounded(multiply(multiply(x[t], unit.first), unit.second)) : 0;
  }
  digit_words<kDigits>(v, words);
}

/* What the product takes for the peak: NaN where x is not finite, which makes the result NaN, which
 * makes it be computed anew by plain_product(). */
BCQ_DEVICE float usable_peak(uint32_t bits) {
  return bits < 0x7f800000u ? float_of(bits) : float_of(0x7fc00000u);
}

/* The largest of all the block's values. `scratch`: one word a warp. */
BCQ_DEVICE uint32_t block_max(uint32_t value, uint32_t* scratch) {
  value = reduce_max(value);
  if (lane_index() == 0) scratch[warp_index()] = value;
  sync_block();
  for (int w = 0; w < thread_count() / 32; ++w) value = scratch[w] > value ? scratch[w] : value;
  return value;
}

constexpr int kDigitsShared = 4 * 8; /* a word for each of 8 warps */

struct DigitArguments {
  Matrix matrix;
  const void* x;
  int type;
  int64_t batch;
  uint32_t* digits; /* [batch / 8][steps][kDigits][kFragmentWords] */
  float* peaks;     /* [batch / 8][chunks][8] */
};

/* A block: one chunk of one batch row, of which those past the batch are 0. 256 threads. */
template <int kDigits>
BCQ_KERNEL(256) digits_kernel(BCQ_ARGUMENTS(DigitArguments) a) {
  const Matrix& m = a.matrix;
  const int chunks = chunk_count(m), chunk = static_cast<int>(block_index() % chunks);
  const int64_t b = block_index() / chunks;
  const int quads = chunk_steps(m, chunk) * 32;
  uint32_t peak = 0;
  float v[4] = {0, 0, 0, 0};
  for (int q = thread_index(); b < a.batch && q < quads; q += thread_count()) {
    load_quad(a.x, a.type, b * m.columns, chunk_quad(m, chunk, q), v);
    const uint32_t here = peak_bits(v);
    peak = here > peak ? here : peak;
  }
  peak = block_max(peak, static_cast<uint32_t*>(shared_memory()));
  const Unit unit = unit_of(float_of(peak), kDigits);
  const int64_t first = (b / 8) * m.steps + chunk * kChunkSteps;
  for (int q = thread_index(); q < quads; q += thread_count()) {
    if (b < a.batch) load_quad(a.x, a.type, b * m.columns, chunk_quad(m, chunk, q), v);
    uint32_t words[kDigits];
    quad_digits<kDigits>(v, unit, words);
    uint32_t* step = a.digits + (first + q / 32) * (kDigits * kFragmentWords);
    BCQ_UNROLL
    for (int d = 0; d < kDigits; ++d) {
      step[d * kFragmentWords + quad_place(q % 32, static_cast<int>(b % 8))] = words[d];
    }
  }
  if (thread_index() == 0) a.peaks[((b / 8) * chunks + chunk) * 8 + b % 8] = usable_peak(peak);
}

}  // namespace bcq_cuda

#endif
