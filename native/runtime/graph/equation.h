/* What the equation of an einsum says: "...ab,bc->...ac". */
#ifndef BCQ_RUNTIME_GRAPH_EQUATION_H_
#define BCQ_RUNTIME_GRAPH_EQUATION_H_

#include <string>

#include "runtime/graph/array.h"

namespace bcq::graph {

/* The letters, and then the axes that "..." stands for, counted from the last one. */
constexpr int kLetters = 52, kLabels = kLetters + kMostAxes;

/* Labels of the axes of something. */
struct Labels {
  static constexpr int kMost = 2 * kMostAxes;

  int count = 0;
  int all[kMost];

  int operator[](int i) const { return all[i]; }
  void add(int label); /* throws Failure where they are too many */
  bool has(int label) const;
};

bool operator==(const Labels& a, const Labels& b);

class Equation {
 public:
  /* `text` stays where it is. Throws Failure where it is no equation of so many factors. */
  Equation(const std::string& text, const Array* factors, int64_t count);

  /* The labels of a factor of the given shape. */
  Labels of_factor(int64_t factor, const Shape& shape) const;
  const Labels& result() const { return result_; }

 private:
  const char* term(int64_t factor) const; /* where it begins */
  Labels read(const char* text, int dots) const;
  void read_result(const Array* factors);

  const std::string& text_;
  const char* arrow_; /* NULL: there is none */
  int64_t count_;
  int dots_ = 0; /* the most axes that "..." stands for */
  Labels result_;
};

}  // namespace bcq::graph

#endif
