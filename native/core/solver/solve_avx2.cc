#define BCQ_NAMESPACE avx2
#include "solve.inl"
