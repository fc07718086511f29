/* Where things are in the CUDA kernels: every word, bit, lane and byte has one place. */
#include <algorithm>
#include <set>

#include "cuda/sign_product.h"
#include "tests/cuda_case.h"

using namespace bcq_test;

namespace {

/* Every column of a row stands in exactly one step, word, register and byte, the same for the signs
 * as for x; every place of a fragment is taken once. */
void test_columns(int64_t columns, int64_t group_size) {
  context = std::to_string(columns) + " columns, groups of " + std::to_string(group_size);
  bcq_cuda::Matrix m = {};
  bcq_cuda::set_columns(m, columns, group_size);
  std::vector<int> seen(static_cast<size_t>(columns));
  int steps = 0;
  for (int chunk = 0; chunk < bcq_cuda::chunk_count(m); ++chunk) {
    steps += bcq_cuda::chunk_steps(m, chunk);
    std::set<int> places;
    for (int q = 0; q < bcq_cuda::chunk_steps(m, chunk) * 32; ++q) {
      const bcq_cuda::Quad quad = bcq_cuda::chunk_quad(m, chunk, q);
      const bcq_cuda::Step step = bcq_cuda::step_at(m, chunk * bcq_cuda::kChunkSteps + q / 32);
      for (int n = 0; n < 8; ++n) places.insert(bcq_cuda::quad_place(q, n));
      for (int t = 0; t < quad.count; ++t) {
        const int64_t column = quad.start + 8 * t;
        ++seen[column];
        expect(column / group_size == step.group, "a step straddles groups");
        const uint32_t signs = bcq_cuda::sign_bytes(1u << (column % 32), q & 7);
        expect(signs >> (8 * t) % 32 << 24 == 0xc0000000u, "the signs' byte");
      }
    }
    expect(static_cast<int>(places.size()) ==
                   bcq_cuda::chunk_steps(m, chunk) * bcq_cuda::kFragmentWords &&
               *places.rbegin() == static_cast<int>(places.size()) - 1,
           "places");
  }
  expect(steps == m.steps, "steps");
  expect(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }), "columns");
}

void test_steps(int64_t columns, int64_t group_size) {
  context = std::to_string(columns) + " columns, groups of " + std::to_string(group_size);
  bcq_cuda::Matrix m = {};
  bcq_cuda::set_columns(m, columns, group_size);
  for (int stride = 1; stride <= bcq_cuda::kUnits; ++stride) {
    bcq_cuda::Step step = bcq_cuda::step_at(m, 0);
    for (int s = 0; s < m.steps; s += stride) {
      const bcq_cuda::Step expected = bcq_cuda::step_at(m, s);
      expect(step.group == expected.group && step.within == expected.within, "advanced");
      step = bcq_cuda::advanced(m, step, bcq_cuda::stride_of(m, stride));
    }
  }
}

void test_fragments() {
  context = "fragments";
  for (int pairs : {2, 4}) {
    std::set<int> rows;
    for (int i = 0; i < 16 * pairs; ++i) {
      rows.insert(bcq_cuda::fragment_row(i / 16, i / 8 % 2, i % 8));
    }
    expect(static_cast<int>(rows.size()) == 16 * pairs && *rows.rbegin() == 16 * pairs - 1, "rows");
  }
  for (int p = 0; p < 16; ++p) {
    expect(bcq_cuda::sign_halves(1u << p, p) == 0x8000u, "low half");
    expect(bcq_cuda::sign_halves(1u << (p + 16), p) == 0x80000000u, "high half");
  }
  for (int row = 0; row < 128; row += 8) {
    for (int turn = 0; turn < 4; ++turn) {
      std::set<int> banks;
      for (int r = row; r < row + 8; ++r) {
        banks.insert(bcq_cuda::pair_place(r, bcq_cuda::quarter_at(r, turn)) / 4 % 8);
      }
      expect(banks.size() == 8, "banks");
    }
  }
}

/* All tensors of a tile's shape: offsets of tiles against a count. */
void test_tiles() {
  context = "tiles";
  for (int64_t n1 : {0, 1, 63, 64, 65, 128, 129, 200}) {
    for (int64_t n2 : {0, 1, 64, 100}) {
      bcq_cuda::Matrix m = {};
      bcq_cuda::set_columns(m, 70, 70);
      m.rows = 200;
      m.bits = 3;
      const int64_t plane_rows[] = {200, n1, std::min(n1, n2)};
      std::copy(plane_rows, plane_rows + 3, m.plane_rows);
      int64_t words = 0;
      for (int64_t tile = 0; tile < 4; ++tile) {
        expect(bcq_cuda::tile_start(m, tile) == words, "start");
        words += bcq_cuda::tile_planes(m, tile) * int64_t{3} * 64;
      }
      expect(words == bcq_tile_words(200, 70, 3, plane_rows), "all");
    }
  }
}

void test_digits() {
  context = "digits";
  for (int64_t v = -8355002; v <= 8355002; v += 37) {
    const int four[4] = {static_cast<int>(v), static_cast<int>(-v), 0, 1};
    uint32_t words[3];
    bcq_cuda::digit_words<3>(four, words);
    for (int t = 0; t < 4; ++t) {
      int sum = 0;
      for (int d = 2; d >= 0; --d) sum = sum * 256 + static_cast<int8_t>(words[d] >> (8 * t));
      if (sum != four[t]) return expect(false, std::to_string(four[t]));
    }
  }
}

}  // namespace

int main() {
  test_fragments();
  test_tiles();
  test_digits();
  for (int64_t columns : {1, 7, 31, 32, 33, 100, 128, 129, 257, 1000, 4096, 4097, 5000}) {
    for (int64_t group_size : {int64_t{32}, int64_t{64}, int64_t{96}, int64_t{128}, int64_t{160},
                               int64_t{1024}, columns}) {
      test_columns(columns, group_size);
      test_steps(columns, group_size);
    }
  }
  return finish();
}
