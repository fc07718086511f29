#include "runtime/graph/equation.h"

#include <algorithm>
#include <cstring>

namespace bcq::graph {

namespace {

/* In the order in which NumPy sorts letters; -1: none. */
int letter(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  return -1;
}

bool ends(char c) { return c == '\0' || c == ',' || c == '-'; }

bool has_dots(const char* term) {
  for (; !ends(*term); ++term) {
    if (*term == '.') return true;
  }
  return false;
}

int letters_of(const char* term) {
  int count = 0;
  for (; !ends(*term); ++term) count += letter(*term) >= 0 ? 1 : 0;
  return count;
}

[[noreturn]] void fail_equation(const std::string& text) {
  fail("its equation is not one of its factors: ", text.substr(0, 60));
}

}  // namespace

void Labels::add(int label) {
  if (count == kMost) fail("an equation has more than 16 axes");
  all[count++] = label;
}

bool Labels::has(int label) const { return std::find(all, all + count, label) != all + count; }

bool operator==(const Labels& a, const Labels& b) {
  return a.count == b.count && std::equal(a.all, a.all + a.count, b.all);
}

Equation::Equation(const std::string& text, const Array* factors, int64_t count)
    : text_(text), arrow_(std::strstr(text.c_str(), "->")), count_(count) {
  const char* const end = arrow_ == nullptr ? text.c_str() + text.size() : arrow_;
  if (std::count(text.c_str(), end, ',') + 1 != count || std::strlen(text.c_str()) != text.size()) {
    fail_equation(text);
  }
  for (int64_t i = 0; i < count; ++i) {
    const char* const begin = term(i);
    if (has_dots(begin)) dots_ = std::max(dots_, factors[i].rank() - letters_of(begin));
  }
  read_result(factors);
}

const char* Equation::term(int64_t factor) const {
  const char* at = text_.c_str();
  for (; factor > 0; --factor) at = std::strchr(at, ',') + 1;
  return at;
}

Labels Equation::read(const char* text, int dots) const {
  Labels labels;
  bool has = false;
  for (; !ends(*text); ++text) {
    if (*text == ' ') continue;
    if (std::strncmp(text, "...", 3) == 0 && !has) {
      for (int i = dots - 1; i >= 0; --i) labels.add(kLetters + i);
      has = true;
      text += 2;
    } else if (letter(*text) >= 0) {
      labels.add(letter(*text));
    } else {
      fail_equation(text_);
    }
  }
  return labels;
}

Labels Equation::of_factor(int64_t factor, const Shape& shape) const {
  const char* const begin = term(factor);
  const int dots = shape.rank - letters_of(begin);
  const Labels labels = read(begin, std::max(dots, 0));
  if (labels.count != shape.rank) fail_equation(text_);
  return labels;
}

void Equation::read_result(const Array* factors) {
  int uses[kLabels] = {};
  for (int64_t i = 0; i < count_; ++i) {
    const Labels labels = of_factor(i, factors[i].shape);
    for (int j = 0; j < labels.count; ++j) ++uses[labels[j]];
  }
  if (arrow_ == nullptr) {
    for (int i = dots_ - 1; i >= 0; --i) result_.add(kLetters + i);
    for (int label = 0; label < kLetters; ++label) {
      if (uses[label] == 1) result_.add(label);
    }
    return;
  }
  result_ = read(arrow_ + 2, dots_);
  const bool has_all = dots_ == 0 || has_dots(arrow_ + 2);
  if (!has_all || arrow_[2 + std::strcspn(arrow_ + 2, ",-")] != '\0') fail_equation(text_);
  for (int i = 0; i < result_.count; ++i) {
    if (uses[result_[i]]++ == 0) fail_equation(text_);
    for (int j = 0; j < i; ++j) {
      if (result_[i] == result_[j]) fail_equation(text_);
    }
  }
}

}  // namespace bcq::graph
