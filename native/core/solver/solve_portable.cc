#define BCQ_NAMESPACE portable
#include "solve.inl"
