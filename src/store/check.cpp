#include "store/check.hpp"

#include <charconv>

namespace joey {

Result<ListCursor> parse_cursor(std::string_view text) {
  ListCursor cursor;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, cursor.created_at);
  if (error != std::errc{} || rest == end || *rest != ':') {
    return failure(ErrorCode::invalid_argument, "list: not a cursor of an earlier page: \"" + std::string(text) + "\"");
  }
  cursor.task.assign(rest + 1, end);
  return cursor;
}

}  // namespace joey
