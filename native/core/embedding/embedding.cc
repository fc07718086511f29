#include "core/embedding/embedding.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace {

using namespace bcq;

constexpr int64_t kBlock = 128;          // rows of the batch that are worked on together
constexpr int64_t kChunk = 1 << 14;      // numbers that are filled or rounded together
constexpr double kWorthAThread = 50000;  // nanoseconds
constexpr double kPerId = 1, kPerColumn = .15, kPerNumber = .1;  // nanoseconds, roughly

/* A table: where it begins in the array, and among the columns of the result. */
struct Table {
  int64_t size, columns, first, column;
};

struct Job {
  std::vector<Table> tables;
  int64_t columns = 0, elements = 0; /* of all tables */
  bcq_type type;
  bcq_ids ids;
  int64_t batch;
  const void* from; /* the tables, or the gradient of the result */
  void* to;
  float* sums;               /* the gradient: `to`, or memory of its own */
  std::vector<int64_t> cuts; /* columns at which the gradient's work is cut */
  int64_t row_parts;         /* and the number of ranges that each table's rows are cut into */
  FirstBad bad{};
};

bool set_job(Job& job, const bcq_tables* tables, bcq_type type, bcq_ids ids, int64_t batch,
             const void* from, void* to) {
  if (tables == nullptr || tables->count < 1 || !tables->sizes || !tables->dims) return false;
  if (!is_type(type)) return false;
  if ((ids.bytes != 4 && ids.bytes != 8) || batch < 0 || (batch > 0 && !ids.data)) return false;
  for (int64_t t = 0; t < tables->count; ++t) {
    const int64_t size = tables->sizes[t], dim = tables->dims[t];
    int64_t elements;
    if (size < 0 || dim < 1 || __builtin_mul_overflow(size, dim, &elements)) return false;
    job.tables.push_back({size, dim, job.elements, job.columns});
    if (__builtin_add_overflow(job.elements, elements, &job.elements)) return false;
    if (__builtin_add_overflow(job.columns, dim, &job.columns)) return false;
  }
  if (std::max(job.elements, job.columns) > BCQ_MOST_ELEMENTS) return false;
  job.type = type;
  job.ids = ids;
  job.batch = batch;
  job.from = from;
  job.to = to;
  return true;
}

struct Rows {
  int64_t begin, end;
};

/* The places of rows `first` to `last` - 1 of the batch in table `t`, where the id is one of
 * `part`; 0 is row `first`. */
int64_t find_places(Job& job, size_t t, Rows part, int64_t first, int64_t last, Place* places) {
  const Table& table = job.tables[t];
  const int64_t count = static_cast<int64_t>(job.tables.size());
  int64_t found = 0;
  for (int64_t row = first; row < last; ++row) {
    const int64_t index = row * count + static_cast<int64_t>(t), id = id_at(job.ids, index);
    if (static_cast<uint64_t>(id) >= static_cast<uint64_t>(table.size)) {
      job.bad.report(index);
      continue;
    }
    places[found] = {table.first + id * table.columns, row - first};
    found += id >= part.begin && id < part.end;
  }
  return found;
}

void gather(Job& job, int64_t begin, int64_t end) {
  const int64_t width = type_bytes(job.type);
  Place places[kBlock];
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t last = smaller(first + kBlock, end);
    for (size_t t = 0; t < job.tables.size(); ++t) {
      const Table& table = job.tables[t];
      const int64_t found = find_places(job, t, {0, table.size}, first, last, places);
      for (int64_t i = 0; i < found; ++i) places[i].element *= width;
      char* out = static_cast<char*>(element(job.to, job.type, first * job.columns + table.column));
      isa().embedding->copy(places, found, static_cast<const char*>(job.from), out,
                            job.columns * width, table.columns * width);
    }
  }
}

/* Adds to the sums of columns `begin` to `end` - 1 of the result, and of range `k` of the rows. */
void add_part(Job& job, int64_t begin, int64_t end, int64_t k) {
  Place places[kBlock];
  for (int64_t first = 0; first < job.batch; first += kBlock) {
    const int64_t last = smaller(first + kBlock, job.batch);
    for (size_t t = 0; t < job.tables.size(); ++t) {
      const Table& table = job.tables[t];
      const int64_t from = std::max(begin, table.column);
      const int64_t to = smaller(end, table.column + table.columns);
      if (from >= to) continue;
      const int64_t step = divide_up(table.size, job.row_parts);
      const int64_t found = find_places(job, t, {k * step, (k + 1) * step}, first, last, places);
      isa().embedding->add(places, found, job.type,
                           element(job.from, job.type, first * job.columns + from), job.columns,
                           to - from, job.sums + (from - table.column));
    }
  }
}

void add(Job& job, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t part = item / job.row_parts;
    add_part(job, job.cuts[part], job.cuts[part + 1], item % job.row_parts);
  }
}

/* Runs part(first element, elements) on chunks of all the elements of the tables. */
template <class Part>
void for_chunks(const Job& job, const bcq_parallel& parallel, const Part& part) {
  run(parallel, divide_up(job.elements, kChunk), kPerNumber * kChunk,
      [&](int64_t begin, int64_t end) {
        const int64_t first = begin * kChunk;
        part(first, smaller(end * kChunk, job.elements) - first);
      });
}

/* Cuts the columns of the result into about `parts` ranges of about the same size. Rows of a table
 * are cut at multiples of 16 only. */
void cut_columns(Job& job, int64_t parts) {
  job.cuts.assign(1, 0);
  for (const Table& table : job.tables) {
    for (int64_t c = 0; c < table.columns; c += 16) {
      const int64_t here = table.column + c, part = static_cast<int64_t>(job.cuts.size());
      if (here >= job.columns * part / parts && here > job.cuts.back()) job.cuts.push_back(here);
    }
  }
  job.cuts.push_back(job.columns);
}

/* Who adds what: each element's sum is one part's, so it is the same however many there are. */
void cut_work(Job& job, const bcq_parallel& parallel, double nanoseconds) {
  const int64_t threads = parallel.run == nullptr ? 1 : parallel.threads;
  const int64_t worth = 1 + static_cast<int64_t>(nanoseconds / kWorthAThread);
  const int64_t wanted = std::max<int64_t>(1, smaller(threads, worth));
  cut_columns(job, wanted);
  job.row_parts = divide_up(wanted, static_cast<int64_t>(job.cuts.size()) - 1);
}

double batch_row_cost(const Job& job) {
  return kPerId * static_cast<double>(job.tables.size()) +
         kPerColumn * static_cast<double>(job.columns);
}

bcq_status finish(const Job& job, int64_t* bad) { return job.bad.tell(bad) ? BCQ_BAD_ID : BCQ_OK; }

template <typename Id>
bcq_status unique_ids(const Id* ids, int64_t count, int64_t size, Id* unique, int32_t* slots,
                      int64_t* found, int64_t* bad) {
  int shift = 60;
  while ((int64_t{1} << (64 - shift)) < 2 * count) --shift;
  const int64_t places = int64_t{1} << (64 - shift);
  const Memory<> memory(std::malloc(places * sizeof(int32_t)));
  if (memory == nullptr) return BCQ_NO_MEMORY;
  int32_t* table = static_cast<int32_t*>(memory.get()); /* slot of an id by its hash; -1: none */
  std::memset(table, 0xff, places * sizeof(int32_t));
  int32_t next = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t id = static_cast<uint64_t>(static_cast<int64_t>(ids[i]));
    if (id >= static_cast<uint64_t>(size)) {
      *bad = i;
      return BCQ_BAD_ID;
    }
    int64_t at = static_cast<int64_t>(id * 0x9e3779b97f4a7c15u >> shift);
    while (table[at] >= 0 && unique[table[at]] != ids[i]) at = (at + 1) & (places - 1);
    if (table[at] < 0) {
      unique[next] = ids[i];
      table[at] = next++;
    }
    slots[i] = table[at];
  }
  *found = next;
  return BCQ_OK;
}

}  // namespace

bcq_status bcq_tables_gather(const bcq_tables* tables, bcq_type type, const void* table,
                             bcq_ids ids, int64_t batch, void* out, int64_t* bad,
                             bcq_parallel parallel) {
  Job job;
  if (!set_job(job, tables, type, ids, batch, table, out) || !bad) return BCQ_BAD_ARGUMENT;
  if ((batch > 0 && !out) || (batch > 0 && job.elements > 0 && !table)) return BCQ_BAD_ARGUMENT;
  run(parallel, batch, batch_row_cost(job),
      [&](int64_t begin, int64_t end) { gather(job, begin, end); });
  return finish(job, bad);
}

bcq_status bcq_tables_gradient(const bcq_tables* tables, bcq_type type, bcq_ids ids, int64_t batch,
                               const void* dout, void* dtable, int64_t* bad,
                               bcq_parallel parallel) {
  Job job;
  if (!set_job(job, tables, type, ids, batch, dout, dtable) || !bad) return BCQ_BAD_ARGUMENT;
  if ((batch > 0 && !dout) || (job.elements > 0 && !dtable)) return BCQ_BAD_ARGUMENT;
  Memory<> memory;
  job.sums = static_cast<float*>(dtable);
  if (type != BCQ_FLOAT32 && job.elements > 0) {
    memory.reset(std::malloc(job.elements * sizeof(float)));
    if (memory == nullptr) return BCQ_NO_MEMORY;
    job.sums = static_cast<float*>(memory.get());
  }
  for_chunks(job, parallel, [&](int64_t first, int64_t count) {
    std::memset(job.sums + first, 0, count * sizeof(float));
  });
  if (batch > 0) {
    const double cost = batch_row_cost(job) * static_cast<double>(batch);
    cut_work(job, parallel, cost);
    const int64_t items = (static_cast<int64_t>(job.cuts.size()) - 1) * job.row_parts;
    run(parallel, items, cost / static_cast<double>(items),
        [&](int64_t begin, int64_t end) { add(job, begin, end); });
  }
  if (type != BCQ_FLOAT32) {
    for_chunks(job, parallel, [&](int64_t first, int64_t count) {
      isa().embedding->round(job.sums + first, count, type, element(dtable, type, first));
    });
  }
  return finish(job, bad);
}

bcq_status bcq_unique_ids(bcq_ids ids, int64_t count, int64_t size, void* unique, int32_t* slots,
                          int64_t* found, int64_t* bad) {
  if ((ids.bytes != 4 && ids.bytes != 8) || size < 0 || !found || !bad) return BCQ_BAD_ARGUMENT;
  if (count < 0 || count > INT32_MAX) return BCQ_BAD_ARGUMENT;
  if (count > 0 && (!ids.data || !unique || !slots)) return BCQ_BAD_ARGUMENT;
  if (ids.bytes == 4) {
    return unique_ids(static_cast<const int32_t*>(ids.data), count, size,
                      static_cast<int32_t*>(unique), slots, found, bad);
  }
  return unique_ids(static_cast<const int64_t*>(ids.data), count, size,
                    static_cast<int64_t*>(unique), slots, found, bad);
}
