/* Einstein's summation, factor by factor, each as products of matrices. */
#include <algorithm>

#include "runtime/graph/copy.h"
#include "runtime/graph/equation.h"
#include "runtime/graph/gemm.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Numbers whose axes have labels, none of them 1 long. */
struct Term {
  Array numbers; /* [count] */
  Labels labels;
};

class Summation {
 public:
  Summation(Context& context, const Equation& equation, const Array* in, int64_t count)
      : context_(context), equation_(equation), count_(count) {
    std::fill_n(lengths_, kLabels, 1);
    for (int64_t i = 0; i < count; ++i) {
      const Labels labels = equation.of_factor(i, in[i].shape);
      for (int j = 0; j < labels.count; ++j) set_length(labels[j], in[i].shape[j], in[i].shape);
      for (int j = 0; j < labels.count; ++j) last_use_[labels[j]] = i;
    }
    for (int i = 0; i < equation.result().count; ++i) last_use_[equation.result()[i]] = count;
  }

  Array run(const Array* in) {
    Term all = term(in[0], equation_.of_factor(0, in[0].shape));
    sum(&all, 0);
    for (int64_t i = 1; i < count_; ++i) {
      Term next = term(in[i], equation_.of_factor(i, in[i].shape));
      sum_alone(&next, all.labels, i);
      all = product(all, next, i);
      sum(&all, i); /* what a factor of length 1 was to be multiplied with */
    }
    Labels left;
    Shape shape;
    for (int i = 0; i < equation_.result().count; ++i) {
      const int label = equation_.result()[i];
      shape.add(lengths_[label]);
      if (lengths_[label] != 1) left.add(label);
    }
    return arranged(all, left).with_shape(shape);
  }

 private:
  void set_length(int label, int64_t length, const Shape& shape) {
    int64_t& known = lengths_[label];
    if (known != 1 && length != 1 && known != length) {
      fail("an axis of ", shape, " does not match the others of its letter");
    }
    if (known == 1) known = length;
  }

  int64_t count(const Labels& labels) const {
    Shape shape;
    int64_t product = 1;
    for (int i = 0; i < labels.count; ++i) {
      shape = Shape{product, lengths_[labels[i]]};
      product = checked_count(shape);
    }
    return product;
  }

  /* Without axes of 1; an axis that has a letter twice becomes its diagonal. */
  Term term(const Array& x, const Labels& labels) {
    int64_t own[kMostAxes], strides[kLabels] = {};
    strides_of(x.shape, own);
    Term result;
    bool is_same = true;
    for (int i = 0; i < labels.count; ++i) {
      if (x.shape[i] == 1) continue;
      if (result.labels.has(labels[i])) {
        is_same = false;
      } else {
        result.labels.add(labels[i]);
      }
      strides[labels[i]] += own[i];
    }
    if (is_same) {
      result.numbers = x.with_shape({x.count});
    } else {
      result.numbers = copied(x, result.labels, strides);
    }
    return result;
  }

  Array copied(const Array& x, const Labels& order, const int64_t* strides) {
    int64_t to[Labels::kMost], step = 1;
    for (int i = order.count - 1; i >= 0; --i) {
      to[i] = step;
      step *= lengths_[order[i]];
    }
    CopyAxes axes;
    for (int i = 0; i < order.count; ++i) axes.add(lengths_[order[i]], strides[order[i]], to[i]);
    Array result = context_.make(x.dtype, {count(order)});
    if (result.count > 0) copy(x.item_bytes(), axes, x.data, result.data);
    return result;
  }

  /* The numbers with their axes in another order. */
  Array arranged(const Term& x, const Labels& order) {
    if (order == x.labels) return x.numbers;
    int64_t strides[kLabels] = {}, step = 1;
    for (int i = x.labels.count - 1; i >= 0; --i) {
      strides[x.labels[i]] = step;
      step *= lengths_[x.labels[i]];
    }
    return copied(x.numbers, order, strides);
  }

  /* Sums over the axes that nothing has after the factor `now`. */
  void sum(Term* x, int64_t now) { sum_alone(x, Labels(), now); }

  /* The same but for those that `others` have. */
  void sum_alone(Term* x, const Labels& others, int64_t now) {
    Labels kept, gone;
    for (int i = 0; i < x->labels.count; ++i) {
      const int label = x->labels[i];
      (last_use_[label] > now || others.has(label) ? kept : gone).add(label);
    }
    if (gone.count == 0) return;
    Labels order = kept;
    for (int i = 0; i < gone.count; ++i) order.add(gone[i]);
    const Array all = arranged(*x, order);
    const int64_t length = count(gone);
    x->labels = kept;
    x->numbers = context_.make(all.dtype, {count(kept)});
    context_.charge(all.count);
    visit(Numbers(), all.dtype, [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0; i < x->numbers.count; ++i) {
        T total = 0;
        for (int64_t j = 0; j < length; ++j) total = added(total, all.numbers<T>()[i * length + j]);
        x->numbers.numbers<T>()[i] = total;
      }
    });
  }

  /* Both together, without the axes that nothing has after the factor `now`. */
  Term product(const Term& a, const Term& b, int64_t now) {
    Labels shared, summed, of_a, of_b;
    for (int i = 0; i < a.labels.count; ++i) {
      const int label = a.labels[i];
      (!b.labels.has(label) ? of_a : last_use_[label] > now ? shared : summed).add(label);
    }
    for (int i = 0; i < b.labels.count; ++i) {
      if (!a.labels.has(b.labels[i])) of_b.add(b.labels[i]);
    }
    const Matrices x = matrices(a, shared, of_a, summed), y = matrices(b, shared, of_b, summed);
    const int64_t m = count(of_a), k = count(summed), n = count(of_b), batch = count(shared);
    Term result;
    result.labels = shared;
    for (int i = 0; i < of_a.count; ++i) result.labels.add(of_a[i]);
    for (int i = 0; i < of_b.count; ++i) result.labels.add(of_b[i]);
    result.numbers = context_.make(a.numbers.dtype, {count(result.labels)});
    if (result.numbers.count == 0) return result;
    const int64_t item = result.numbers.item_bytes();
    for (int64_t i = 0; i < batch; ++i) {
      const AnyFactor left = {x.numbers.data + i * m * k * item, x.other, x.summed};
      const AnyFactor right = {y.numbers.data + i * k * n * item, y.summed, y.other};
      multiply(context_, a.numbers.dtype, m, k, n, left, right,
               result.numbers.data + i * m * n * item);
    }
    return result;
  }

  /* Strides along the axes that stay and those that are summed. */
  struct Matrices {
    Array numbers;
    int64_t other, summed;
  };

  Matrices matrices(const Term& x, const Labels& shared, const Labels& others,
                    const Labels& summed) {
    Labels order = shared, turned = shared;
    for (int i = 0; i < others.count; ++i) order.add(others[i]);
    for (int i = 0; i < summed.count; ++i) order.add(summed[i]);
    for (int i = 0; i < summed.count; ++i) turned.add(summed[i]);
    for (int i = 0; i < others.count; ++i) turned.add(others[i]);
    if (turned == x.labels) return {x.numbers, 1, count(others)};
    return {arranged(x, order), count(summed), 1};
  }

  Context& context_;
  const Equation& equation_;
  int64_t count_;
  int64_t lengths_[kLabels];
  int64_t last_use_[kLabels] = {}; /* by which factor; the result is the last one */
};

void einsum(Context& context, const Node& node, Array* in, Array* out) {
  for (int64_t i = 0; i < node.count(); ++i) {
    check_numbers(in[i]);
    check_same(in[0], in[i]);
  }
  const Equation equation(node[0].text, in, node.count());
  *out = Summation(context, equation, in, node.count()).run(in);
}

constexpr AttributeRule kEquation[] = {{"equation", AttributeType::kText}};

constexpr Operation kOperations[] = {
    {"einsum", 1, kAny, einsum, kEquation, 1, Half::kWide, kAny},
};

}  // namespace

Operations einsum_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
