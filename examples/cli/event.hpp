// Events of a journal, and other JSON of joey's, for reading.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

using Object = simdjson::dom::object;
using Array = simdjson::dom::array;

// A field of an object; the default when it is missing or of another type. Texts live as long as the parser's document.
[[nodiscard]] std::string_view text_of(Object object, std::string_view name);
[[nodiscard]] std::int64_t number_of(Object object, std::string_view name);
[[nodiscard]] double real_of(Object object, std::string_view name);
[[nodiscard]] bool flag_of(Object object, std::string_view name);
[[nodiscard]] Object object_of(Object object, std::string_view name);
[[nodiscard]] Array array_of(Object object, std::string_view name);
[[nodiscard]] std::vector<std::string> texts_of(Object object, std::string_view name);

// One durable event. Its fields are lent until the reader's next call.
struct Event {
  std::string_view task;
  std::string_view type;  // "tool.finished"
  std::uint64_t seq{0};
  std::int64_t at{0};  // milliseconds since 1970
  Object fields;

  [[nodiscard]] std::string_view text(std::string_view name) const { return text_of(fields, name); }
  [[nodiscard]] std::int64_t number(std::string_view name) const { return number_of(fields, name); }
  [[nodiscard]] double real(std::string_view name) const { return real_of(fields, name); }
  [[nodiscard]] Object object(std::string_view name) const { return object_of(fields, name); }
  [[nodiscard]] Array array(std::string_view name) const { return array_of(fields, name); }
};

class JsonReader {
 public:
  // Throws std::runtime_error when it is not a JSON object, or not an event.
  [[nodiscard]] Object object(std::string_view json);
  [[nodiscard]] Event event(std::string_view json);
  // An object without fields when it is none.
  [[nodiscard]] Object object_or_empty(std::string_view json);

 private:
  simdjson::dom::parser parser_;
};

}  // namespace cli
