/* One group of weights on its way through the solver. Shared by files of different instruction
 * sets, so it holds plain data and declarations only. */
#ifndef BCQ_CORE_SOLVER_ROW_H_
#define BCQ_CORE_SOLVER_ROW_H_

#include "core/solver/solver.h"

namespace bcq::solver {

constexpr int kTreeFan = 8, kTreeRoot = 16, kTreeMost = 11;

/* Weights scaled by a power of two to magnitudes of at most 1. "Size" is the magnitude of a value,
 * or the value itself where there is an offset. */
struct Row {
  int64_t length;
  int exponent;    /* what the scaled weights are to be multiplied with is 2^exponent */
  double* values;  /* [length], then NaN up to a multiple of 8 */
  double* weights; /* importances likewise, then 0; NULL: all are 1 */

  /* Set by sort_row. `sorted`: sizes in ascending order; running sums over them, the last one 8
   * times more; and a tree to search in: level 0 is `sorted`, an entry of level l + 1 is the last
   * one of 8 in level l, up to the root, which has at most 16. Each level is filled up with
   * infinity to whole lines of 8, and one line more. */
  double* sorted;
  double* sums;   /* of weight times size */
  double* masses; /* of weights; NULL where `weights` is */
  const double* tree[kTreeMost];
  int tree_levels;

  uint64_t* keys; /* [2 * length], scratch */
};

/* Memory for rows of up to `length`; false if there is none. free_row is due in either case. */
bool allocate_row(int64_t length, bool weighted, Row* row);
void free_row(Row* row);

/* Fills in columns begin to end - 1 of a row. */
void load_row(const bcq_problem& problem, int64_t row, int64_t begin, int64_t end, Row* out);
void sort_row(bool offset, Row* row);

/* A scaled param after a trip through the type that it is stored in. */
double round_param(double param, int exponent, int32_t scale_type);

/* What the files of the instruction sets share out among threads. */
struct Job {
  const bcq_problem* problem;
  const bcq_search* search; /* or NULL */
  const double* start;      /* or NULL */
  double* params;
  uint32_t* const* planes;
};

/* Solves groups begin to end - 1, counted through all rows, in the memory of `row`. */
typedef void (*Worker)(const Job& job, int64_t begin, int64_t end, Row* row);

}  // namespace bcq::solver

#endif
