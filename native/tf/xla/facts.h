/* How compile.cc hands an op's facts to calls.cc: as one list of numbers in the compiled program. */
#ifndef BCQ_TF_XLA_FACTS_H_
#define BCQ_TF_XLA_FACTS_H_

namespace bcq {

/* The places of the numbers; the last is the first of plane_rows, which ends the list. */
enum { kFactPrecision, kFactRows, kFactColumns, kFactGroupSize, kFactPlaneRows };

}  // namespace bcq

#endif
