// What the model last saw of each file, to tell when somebody else has changed one since.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/digest.hpp"

namespace joey {

// Of one task, for as long as it is in memory: after that every file is `unknown` again, which forbids nothing.
//
// Threads: any.
class FileLedger {
 public:
  // The model has seen, or written, all of `bytes`. `path` is relative to the workspace, in its shortest form.
  void saw(std::string_view path, std::string_view bytes);
  void forget(std::string_view path);  // it is gone

  enum class Knowledge : std::uint8_t { unknown, current, outdated };
  // What the model knows of a file that now holds `bytes`.
  [[nodiscard]] Knowledge knowledge(std::string_view path, std::string_view bytes) const;

 private:
  static constexpr std::size_t files_max = 10'000;  // then those seen first are forgotten

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Digest> seen_;
  std::deque<std::string> order_;  // of the first time each was seen
};

}  // namespace joey
