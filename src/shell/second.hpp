// The second reading of a script, by tree-sitter's grammar of Bash.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shell/script.hpp"

namespace joey {

// Threads: one at a time.
class SecondReader {
 public:
  SecondReader();
  ~SecondReader();
  SecondReader(const SecondReader&) = delete;
  SecondReader& operator=(const SecondReader&) = delete;

  // Why `script`, which is our complete reading of `text`, is not to be relied on; empty when the grammar finds the same.
  // Sorts the script's marks. In time linear in the text's size.
  [[nodiscard]] std::string_view objection(std::string_view text, Script& script);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace joey
