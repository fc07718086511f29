#include <immintrin.h>
#include <string.h>

#include "core/solver/row.h"

namespace bcq::solver::avx512 {

#include "core/solver/vectors.inl"
#include "core/isa/avx512/searches.inl"
#include "core/solver/solve.inl"

}  // namespace bcq::solver::avx512
