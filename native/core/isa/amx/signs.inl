/* Bit planes -> B: +1 and -1. Included inside the namespace of a set.
 *
 * A register of 16 words is 16 rows, 4 bytes each. Bit k of byte t of a word is column 8 t + k, so
 * that all bits k of a register are one row of B. One affine transformation of its bytes picks
 * them: its upper seven output bits are bit k inverted, the lowest is 1. */

enum { kWordsAhead = 16 }; /* that memory is asked for words before they are used */

/* Makes B of one plane of a part for kStrips times 16 rows from `words` on; the words of a row are
 * `stride` apart. */
template <int kStrips>
struct MakeSigns {
  static constexpr int kRows = kStrips * 16;
  const uint32_t* words;
  int64_t stride, count;

  struct Made {
    __m512i bits[2 * kStrips];

    template <int kRow>
    ALWAYS_INLINE void store_row(int8_t* to) const {
      const __m512i matrix = _mm512_set1_epi64(0x0001010101010101ll << kRow % 8);
      _mm512_store_si512(to + 64 * kRow,
                         _mm512_gf2p8affine_epi64_epi8(bits[kRow / 8], matrix, 0xff));
    }
  };

  ALWAYS_INLINE Made operator()(int64_t index) const {
    const uint32_t* first = words + index * kStepWords * stride;
    // Where there is no second word, digits are zeros.
    const uint32_t* second = index * kStepWords + 1 < count ? first + stride : first;
    Made made;
    for (int i = 0; i < kStrips; ++i) {
      _mm_prefetch((const char*)(first + 16 * i + kWordsAhead * stride), _MM_HINT_T0);
      _mm_prefetch((const char*)(second + 16 * i + kWordsAhead * stride), _MM_HINT_T0);
      made.bits[2 * i] = _mm512_loadu_si512(first + 16 * i);
      made.bits[2 * i + 1] = _mm512_loadu_si512(second + 16 * i);
    }
    return made;
  }
};

/* The sums of 16 rows for row `row` of a block, from those of its digits. */
static inline __m512i joined(const int32_t* sums, const RowBlock& block, int64_t row) {
  const auto digit = [&](int d) { return _mm512_load_si512(sums + block.places[d][row] * 16); };
  const __m512i upper = _mm512_add_epi32(_mm512_slli_epi32(digit(2), 8), digit(1));
  return _mm512_add_epi32(_mm512_slli_epi32(upper, 8), digit(0));
}
