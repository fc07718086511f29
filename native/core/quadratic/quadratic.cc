#include "core/quadratic/quadratic.h"

#include <algorithm>
#include <atomic>

#include "core/arrays.h"
#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace bcq {
namespace {

constexpr int64_t kMostLevels = int64_t{1} << BCQ_MAX_BITS;
constexpr double kNanosecondsPerPair = .1;  // of columns of a row, roughly

bool is_size(int64_t a, int64_t b, int64_t c = 1) {
  int64_t size;
  return !__builtin_mul_overflow(a, b, &size) && !__builtin_mul_overflow(size, c, &size) &&
         size <= BCQ_MOST_ELEMENTS;
}

bool is_block(const bcq_block* b) {
  return b != nullptr && b->rows >= 0 && b->columns > 0 && b->groups > 0 && b->levels > 0 &&
         b->levels <= kMostLevels && is_size(b->columns, b->columns) &&
         is_size(b->rows, b->columns) && is_size(b->rows, b->groups, b->levels) && b->group_of &&
         b->matrix && (b->rows == 0 || (b->values && b->codes_of && b->weights)) &&
         std::all_of(b->group_of, b->group_of + b->columns,
                     [b](int32_t group) { return group >= 0 && group < b->groups; });
}

/* The levels of row `row` become lane `lane`. */
void set_levels(const bcq_block& block, int64_t row, int64_t lane, const Panel& panel) {
  const int64_t count = block.groups * block.levels;
  const float* values = block.values + row * count;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t at = k * kPanelRows + lane;
    panel.values[at] = values[k];
    panel.codes_of[at] = block.codes_of[row * count + k];
    panel.middles[at] = k == 0 ? 0 : .5f * (values[k - 1] + values[k]);
  }
}

template <class From, class To>
void to_lane(const From* row, int64_t columns, int64_t lane, To* lanes) {
  for (int64_t c = 0; c < columns; ++c) lanes[c * kPanelRows + lane] = row[c];
}

template <class From, class To>
void from_lane(const From* lanes, int64_t columns, int64_t lane, To* row) {
  for (int64_t c = 0; c < columns; ++c) row[c] = lanes[c * kPanelRows + lane];
}

/* Memory for the arrays of a panel. */
Memory<char> make_panel(const bcq_block& block, Panel* panel) {
  panel->columns = block.columns;
  panel->levels = block.levels;
  panel->group_of = block.group_of;
  panel->matrix = block.matrix;
  const int64_t tables = block.groups * block.levels;
  const int64_t lines = 3 * tables + 4 * block.columns;
  char* memory = static_cast<char*>(std::calloc(lines * kPanelRows, sizeof(float)));
  char* next = memory;
  const auto take = [&](auto** array, int64_t count) {
    *array = reinterpret_cast<std::decay_t<decltype(**array)>*>(next);
    if (memory != nullptr) next += count * kPanelRows * sizeof(float);
  };
  take(&panel->values, tables);
  take(&panel->middles, tables);
  take(&panel->codes_of, tables);
  take(&panel->weights, block.columns);
  take(&panel->targets, block.columns);
  take(&panel->errors, block.columns);
  take(&panel->codes, block.columns);
  return Memory<char>(memory);
}

/* Calls a kernel on the rows, 16 at a time. */
template <class Kernel>
bcq_status for_panels(const bcq_block& block, const float* targets, uint8_t* codes, float* errors,
                      const bcq_parallel& parallel, Kernel kernel) {
  if (block.rows == 0) return BCQ_OK;
  if (!targets || !codes || !errors) return BCQ_BAD_ARGUMENT;
  const int64_t columns = block.columns;
  const double pairs = static_cast<double>(columns) * static_cast<double>(columns);
  std::atomic<bool> failed{false};
  run(parallel, divide_up(block.rows, kPanelRows), kNanosecondsPerPair * kPanelRows * pairs,
      [&](int64_t begin, int64_t end) {
        Panel panel;
        const Memory<char> memory = make_panel(block, &panel);
        if (memory == nullptr) {
          failed = true;
          return;
        }
        for (int64_t first = begin * kPanelRows; first < end * kPanelRows; first += kPanelRows) {
          const int64_t count = smaller(kPanelRows, block.rows - first);
          for (int64_t lane = 0; lane < count; ++lane) {
            const int64_t row = first + lane;
            set_levels(block, row, lane, panel);
            to_lane(block.weights + row * columns, columns, lane, panel.weights);
            to_lane(targets + row * columns, columns, lane, panel.targets);
            to_lane(errors + row * columns, columns, lane, panel.errors);
          }
          kernel(panel);
          for (int64_t lane = 0; lane < count; ++lane) {
            const int64_t row = first + lane;
            from_lane(panel.codes, columns, lane, codes + row * columns);
            from_lane(panel.errors, columns, lane, errors + row * columns);
          }
        }
      });
  return failed ? BCQ_NO_MEMORY : BCQ_OK;
}

}  // namespace
}  // namespace bcq

bcq_status bcq_feed_back(const bcq_block* block, const float* targets, uint8_t* codes,
                         float* errors, bcq_parallel parallel) {
  if (!bcq::is_block(block)) return BCQ_BAD_ARGUMENT;
  return bcq::for_panels(*block, targets, codes, errors, parallel, bcq::isa().quadratic->feed_back);
}

bcq_status bcq_descend(const bcq_block* block, const float* pull, uint8_t* codes, float* errors,
                       bcq_parallel parallel) {
  if (!bcq::is_block(block)) return BCQ_BAD_ARGUMENT;
  return bcq::for_panels(*block, pull, codes, errors, parallel, bcq::isa().quadratic->descend);
}
