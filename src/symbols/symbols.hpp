// What a source file defines: functions, types, headings, with their lines. By grammars (tree-sitter); nothing is run.
//
// Values (constants, variables, fields) are not definitions here, unless they hold a function. Unlike in other outlines a
// definition may be as short as a line; only inside a function's body those of a single line are left out.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "symbols/language.hpp"

namespace joey {

struct Definition {
  std::string kind;  // a word of the language's query: function, class, heading, ...
  std::string name;
  std::size_t first_line{0};  // from 1; decorators, annotations and template parameters belong to it
  std::size_t last_line{0};
  std::string text;      // the first line as it is indented; then, if it is another, the line with the name: "@a ... def f():"
  std::size_t depth{0};  // definitions it is in

  bool operator==(const Definition&) const = default;
};

struct DefinitionLimits {
  std::size_t source_size_max{512U << 10};      // bytes
  std::chrono::milliseconds time_max{1'000};    // of parsing
  std::size_t definitions_max{5'000};
  std::size_t depth_max{16};                    // deeper ones are left out
  std::size_t text_size_max{200};               // bytes of a definition's text and of its name
};

struct Definitions {
  std::vector<Definition> list;  // by position, outer before inner; of those with the same lines the outer one
  bool truncated{false};         // there are more than definitions_max
};

class TreeFinder;

// Finds definitions, and keeps what is prepared once per language: keep it for many files.
//
// Threads: one at a time; each thread has its own.
class DefinitionFinder {
 public:
  explicit DefinitionFinder(DefinitionLimits limits = {});
  ~DefinitionFinder();
  DefinitionFinder(const DefinitionFinder&) = delete;
  DefinitionFinder& operator=(const DefinitionFinder&) = delete;

  // A source with errors gives what can be made out between them. `limit` when it is too large, `timeout` when it takes
  // too long, `invalid_argument` when it is binary, `unsupported` when the language's grammar is not built in; the message
  // says what is wrong and leaves the file's name to the caller.
  [[nodiscard]] Result<Definitions> find(std::string_view source, Language language);

 private:
  DefinitionLimits limits_;
  std::unique_ptr<TreeFinder> trees_;
};

}  // namespace joey
