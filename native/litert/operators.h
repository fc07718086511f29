/* The operators as LiteRT calls them. */
#ifndef BCQ_LITERT_OPERATORS_H_
#define BCQ_LITERT_OPERATORS_H_

#include "litert/interface.h"

namespace bcq::litert {

/* The operator of a name; NULL: none is so called. */
Registration* find_operator(const char* name);

/* The same operator for nodes that a delegate takes, see node.h. */
Registration delegated(const Registration& of);

}  // namespace bcq::litert

#endif
