#include <string.h>

#include "core/solver/row.h"

namespace bcq::solver::portable {

#include "core/solver/vectors.inl"
#include "core/isa/portable/searches.inl"
#include "core/solver/solve.inl"

}  // namespace bcq::solver::portable
