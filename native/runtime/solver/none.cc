/* In place of the solver, half of the core, in the library that opens files: instruction sets name
 * these, and nothing there calls them. */
#include "core/solver/row.h"

namespace bcq::solver {

namespace portable {
Worker choose_worker(int, bool) { return nullptr; }
}  // namespace portable

namespace avx2 {
Worker choose_worker(int, bool) { return nullptr; }
}  // namespace avx2

namespace avx512 {
Worker choose_worker(int, bool) { return nullptr; }
}  // namespace avx512

}  // namespace bcq::solver
