#define BCQ_NAMESPACE avx512
#include "solve.inl"
