// Keys that can be told by their shape.
#pragma once

#include <cstdint>
#include <vector>

#include "redact/window.hpp"

namespace joey {

// Looks for well-known keys. What is obviously made up, as sk-your-key-here or one of nothing but x, is none.
//
// Time: linear in the text. A key begins where the character before is none of its own, so each is looked at by each kind
// once or twice at most.
class KeyShapeScan {
 public:
  void advance(const TextWindow& window, std::vector<SecretSpan>& found);
  [[nodiscard]] std::uint64_t settled() const { return at_; }

  // A run that reaches the end of what is there, so that it is not gone through again and again.
  struct Run {
    std::uint64_t begin{0};
    std::uint64_t end{0};
    const void* of{nullptr};  // the kind of key
  };

 private:
  std::uint64_t at_{0};
  Run run_;
};

}  // namespace joey
