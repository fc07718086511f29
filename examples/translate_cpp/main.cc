/* Translates lines of standard input with a file that `python -m examples.translator.export` wrote.
 *
 *   translate_cpp translator.bcq.npy [--beam] [--threads N] < sentences.txt
 *
 * One translation a line, in the order of the sentences; by greedy decoding, or by beam search.
 */
#include <bcq.h>
#include <bcq_graph.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "vocabulary.h"

namespace {

constexpr int32_t kPad = 0, kEnd = 3;

template <auto close>
struct Closes {
  template <class T>
  void operator()(T* opened) const {
    close(opened);
  }
};

using File = std::unique_ptr<bcq_file, Closes<bcq_close>>;
using Model = std::unique_ptr<bcq_model, Closes<bcq_unload>>;

struct Options {
  const char* path = nullptr;
  const char* function = "greedy";
  int threads = 1;
};

Options read_options(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--beam") {
      options.function = "beam";
    } else if (argument == "--threads" && i + 1 < count) {
      options.threads = std::atoi(arguments[++i]);
    } else if (options.path == nullptr && argument[0] != '-') {
      options.path = arguments[i];
    } else {
      throw std::runtime_error("unknown argument " + argument);
    }
  }
  if (options.path == nullptr || options.threads < 1) {
    throw std::runtime_error("usage: translate_cpp FILE [--beam] [--threads N] < sentences.txt");
  }
  return options;
}

class Translator {
 public:
  explicit Translator(const Options& options)
      : file_(open(options.path)),
        model_(load(file_.get())),
        threads_(bcq_threads(options.threads)),
        source_(content("assets/source.spm")),
        target_(content("assets/target.spm")),
        function_(options.function) {}

  std::string operator()(const std::string& sentence) {
    std::vector<int32_t> ids = source_.encode(sentence);
    ids.push_back(kEnd);
    const int64_t shape[] = {1, static_cast<int64_t>(ids.size())};
    const auto bytes = static_cast<int64_t>(ids.size() * sizeof(int32_t));
    const bcq_array source = {BCQ_I32, 2, shape, ids.data(), bytes};
    bcq_array found;
    char message[500];
    const bcq_status status =
        bcq_run(model_.get(), function_, &source, 1, &found, 1, threads_, message, sizeof message);
    if (status != BCQ_OK) throw std::runtime_error(message);
    return text(static_cast<const int32_t*>(found.data), found.shape[1]);
  }

 private:
  static File open(const char* path) {
    char message[500];
    bcq_file* file;
    if (bcq_open(path, &file, message, sizeof message) != BCQ_OK) throw std::runtime_error(message);
    return File(file);
  }

  static Model load(const bcq_file* file) {
    char message[500];
    bcq_model* model;
    if (bcq_load(file, &model, message, sizeof message) != BCQ_OK) {
      throw std::runtime_error(message);
    }
    return Model(model);
  }

  std::string_view content(const char* name) const {
    const bcq_weight* weight = bcq_find(file_.get(), name);
    if (weight == nullptr || weight->kind != BCQ_ARRAY) {
      throw std::runtime_error(std::string("the file has no ") + name);
    }
    return {static_cast<const char*>(weight->array.data), static_cast<size_t>(weight->array.bytes)};
  }

  std::string text(const int32_t* ids, int64_t count) const {
    std::vector<int32_t> until_end;
    for (int64_t i = 0; i < count && ids[i] != kPad && ids[i] != kEnd; ++i) {
      until_end.push_back(ids[i]);
    }
    return target_.decode(until_end);
  }

  File file_;
  Model model_;
  const bcq_parallel threads_;
  Vocabulary source_, target_;
  const char* function_;
};

}  // namespace

int main(int count, char** arguments) {
  try {
    Translator translate(read_options(count, arguments));
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << translate(line) << '\n' << std::flush;
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
