/* The tiles of AMX, of up to 16 rows of 64 bytes. Included inside the namespace of a set.
 *
 * tiles[c] += A B with 8-bit integers: A [batch rows][64 columns], B [16][16 rows][4], whose row k
 * has columns 4 k to 4 k + 3 of the 16 rows; C [batch rows][16 rows] of 32 bits. Tiles 0 to 5 are
 * for sums, tile 6 for A, tile 7 for B.
 *
 * Written out, because the intrinsics of GCC 12 do not say which memory they read and write. */

/* Functions that the compiler must not leave as calls: what they share stays in registers. */
#define ALWAYS_INLINE __attribute__((always_inline))

enum { kTileBytes = 1024, kSumTiles = 6, kATile = 6, kBTile = 7 };

struct TileConfig {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

/* The thread's tiles, with `rows` rows in A and C; given back by release_tiles(). */
static inline void configure_tiles(int rows) {
  TileConfig config = {};
  config.palette = 1;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = i == kBTile ? 16 : rows;
  }
  asm volatile("ldtilecfg %0" ::"m"(config));
}

static inline void release_tiles() { asm volatile("tilerelease"); }

template <int kTile>
ALWAYS_INLINE static inline void load_tile(const int8_t* from) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(int64_t{64}), "i"(kTile),
               "m"(*(const int8_t(*)[kTileBytes])from));
}

template <int kTile>
ALWAYS_INLINE static inline void store_tile(int32_t* to) {
  asm volatile("tilestored %%tmm%c3, (%1,%2,1)"
               : "=m"(*(int32_t(*)[kTileBytes / 4]) to)
               : "r"(to), "r"(int64_t{64}), "i"(kTile));
}

template <int kTile>
ALWAYS_INLINE static inline void clear_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

/* Sums of a tile += A B. */
template <int kTile>
ALWAYS_INLINE static inline void multiply_tile() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kTile), "i"(kATile), "i"(kBTile));
}

/* action(0), .., action(count - 1), of numbers that the compiler knows. */
template <int kCount, int kFirst = 0, class Action>
ALWAYS_INLINE static inline void each(const Action& action) {
  if constexpr (kFirst < kCount) {
    action(std::integral_constant<int, kFirst>());
    each<kCount, kFirst + 1>(action);
  }
}

/* One step of 64 columns: kA tiles of A times kB tiles of B; sums of A's tile i and B's tile j are
 * tile j kA + i. between(0), between(1), .. run after one product each. */
template <int kA, int kB, class Between>
ALWAYS_INLINE static inline void multiply_step(const int8_t* a, const int8_t* b,
                                               const Between& between) {
  static_assert(kA * kB <= kSumTiles, "tiles for sums");
  each<kB>([&](auto j) ALWAYS_INLINE {
    load_tile<kBTile>(b + j * kTileBytes);
    each<kA>([&](auto n) ALWAYS_INLINE {
      constexpr int kI =
          j % 2 == 0 ? n : kA - 1 - n;  // back and forth: the last one is still there
      if constexpr (j == 0 || n > 0) load_tile<kATile>(a + kI * kTileBytes);
      multiply_tile<j * kA + kI>();
      between(std::integral_constant<int, j * kA + n>());
    });
  });
}

enum { kAhead = 2 }; /* steps that B is made ahead of its product */

/* sums [kB][kA][16][16] of `steps` steps, with B that has been made, step after step. */
template <int kA, int kB>
static inline void multiply_made(int64_t steps, const int8_t* a, const int8_t* b, int32_t* sums) {
  constexpr int kParts = kA * kB;
  each<kParts>([](auto i) ALWAYS_INLINE { clear_tile<i>(); });
  for (int64_t i = 0; i < steps; ++i, a += kA * kTileBytes, b += kB * kTileBytes) {
    multiply_step<kA, kB>(a, b, [](auto) ALWAYS_INLINE {});
  }
  each<kParts>([&](auto i) ALWAYS_INLINE { store_tile<i>(sums + i * 256); });
}

/* The same, while B is made; `b` has room for kSlots steps, a power of two. `make`, a class, makes
 * B of a step: make(step).row<i>(to) for each of its kRows rows of 64 bytes. That is done between
 * products, a few rows at a time: stores wait for the products before them, and there is room for
 * 72 that wait. */
template <int kA, int kB, int kSlots, class Make>
ALWAYS_INLINE static inline void make_and_multiply(int64_t steps, const int8_t* a, int8_t* b,
                                                   const Make& make, int32_t* sums) {
  constexpr int kParts = kA * kB;
  each<kParts>([](auto i) ALWAYS_INLINE { clear_tile<i>(); });
  const auto slot = [&](int64_t step)
                        ALWAYS_INLINE { return b + step % kSlots * (kB * kTileBytes); };
  const auto a_of = [&](int64_t step) ALWAYS_INLINE { return a + step * (kA * kTileBytes); };
  for (int64_t i = 0; i < smaller(kAhead, steps); ++i) {
    const auto next = make(i);
    each<Make::kRows>([&](auto row) ALWAYS_INLINE { next.template store_row<row>(slot(i)); });
  }
  int64_t i = 0;
  for (; i + kAhead < steps; ++i) {
    const auto next = make(i + kAhead);
    int8_t* to = slot(i + kAhead);
    multiply_step<kA, kB>(a_of(i), slot(i), [&](auto part) ALWAYS_INLINE {
      constexpr int kFirst = Make::kRows * part / kParts, kEnd = Make::kRows * (part + 1) / kParts;
      each<kEnd, kFirst>([&](auto row) ALWAYS_INLINE { next.template store_row<row>(to); });
    });
  }
  for (; i < steps; ++i) {
    multiply_step<kA, kB>(a_of(i), slot(i), [](auto) ALWAYS_INLINE {});
  }
  each<kParts>([&](auto i) ALWAYS_INLINE { store_tile<i>(sums + i * 256); });
}
