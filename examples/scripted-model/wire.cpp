#include "wire.hpp"

#include <fmt/format.h>

#include "text.hpp"

namespace scripted {

void EventStream::clear() {
  bytes.clear();
  ends.clear();
  text_open = 0;
  text_index = 0;
}

const WireFormat& wire_format(Wire wire) { return wire == Wire::anthropic ? anthropic_format() : openai_format(); }

std::string reasoning_signature(std::string_view reasoning) {
  return fmt::format("scripted{:016x}", fnv64(reasoning));
}

void append_id(std::string& out, std::string_view prefix, std::uint64_t seed, std::uint64_t salt) {
  static constexpr std::string_view letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  out += prefix;
  std::uint64_t state = mix(seed ^ mix(salt + 1));
  for (int i = 0; i < 24; ++i) {
    if (i % 8 == 0) state = mix(state + 0x9e3779b97f4a7c15);
    out += letters[(state >> (8 * (i % 8)) & 0xff) % letters.size()];
  }
}

bool append_tool_id(std::string& out, const Reply& reply, std::string_view prefix, std::size_t index) {
  if (reply.ids == Reply::Ids::missing) return false;
  if (reply.ids == Reply::Ids::duplicate) index = 0;
  const ToolCall& tool = reply.turn.tools[index];
  switch (tool.id_kind) {
    case ToolCall::Id::omitted: return false;
    case ToolCall::Id::generated: append_id(out, prefix, reply.seed, index + 1); return true;
    case ToolCall::Id::given: break;
  }
  std::string scratch;
  append_escaped(out, tool.id.at(reply.number, scratch));
  return true;
}

}  // namespace scripted
