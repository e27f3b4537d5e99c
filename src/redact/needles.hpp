// Known values and what encodings make of them, found all at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace joey {

// A value that must not be seen, under a name that may be.
struct KnownSecret {
  std::string name;
  std::string value;
  bool operator==(const KnownSecret&) const = default;
};

// An Aho-Corasick automaton: time linear in the text, whatever the values are. Immutable: any threads at once.
class Needles {
 public:
  // Of each value: itself, its lines, and itself in base64 (at each of three places in a group, in both alphabets) and in
  // hexadecimal digits of both cases; each also without what readings leave out. Names are kept as placeholders have them.
  explicit Needles(std::span<const KnownSecret> secrets);

  using State = std::uint32_t;
  static constexpr State start = 0;

  [[nodiscard]] State next(State state, unsigned char byte) const {
    for (; state != start; state = nodes_[state].fallback) {
      if (const State child = find_child(state, byte); child != start) return child;
    }
    return first_[byte];
  }
  // How many bytes of a needle have come.
  [[nodiscard]] std::uint32_t depth(State state) const { return nodes_[state].depth; }
  // Bytes of the longest needle that ends here; 0: none does.
  [[nodiscard]] std::uint32_t match(State state) const { return nodes_[state].match; }
  [[nodiscard]] std::string_view name(State state) const { return names_[nodes_[state].secret]; }
  [[nodiscard]] bool empty() const { return nodes_.size() == 1; }

 private:
  struct Node {
    State child{start};
    State sibling{start};
    State fallback{start};
    std::uint32_t depth{0};
    std::uint32_t match{0};
    std::uint16_t secret{0};
    unsigned char byte{0};
  };

  [[nodiscard]] State find_child(State state, unsigned char byte) const {
    State child = nodes_[state].child;
    while (child != start && nodes_[child].byte != byte) child = nodes_[child].sibling;
    return child;
  }
  void add_all(std::string_view value, std::uint16_t secret);
  void add(std::string_view needle, std::uint16_t secret);
  void link();

  std::vector<Node> nodes_;
  State first_[256]{};
  std::vector<std::string> names_;
};

}  // namespace joey
