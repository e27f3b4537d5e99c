// Writing JSON. Reading is simdjson's, in the files that read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace joey {

// Appends `text` as the inside of a JSON string: quotes, backslashes and control characters escaped, bytes that are
// not UTF-8 replaced by U+FFFD, everything else as it is.
void append_json_escaped(std::string& out, std::string_view text);
// The same, between quotes.
void append_json_string(std::string& out, std::string_view text);

// Writes one JSON value, compactly and in the order of the calls, at the end of a string it does not own.
//
//   JsonWriter json(out);
//   json.begin_object().key("seq").value(7).key("tags").begin_array().value("a").end_array().end_object();
//
// Commas are placed by looking at the last byte written since construction, so there is no stack and no allocation.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out), start_(out.size()) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool boolean);
  JsonWriter& value(double number);  // the shortest text that reads back equal; not-a-number and infinities are null
  template <class Integer>
    requires(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>)
  JsonWriter& value(Integer number) {
    if constexpr (std::is_signed_v<Integer>) {
      return integer(static_cast<std::int64_t>(number));
    } else {
      return integer(static_cast<std::uint64_t>(number));
    }
  }
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a value that is JSON already

  template <class T>
  JsonWriter& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& integer(std::int64_t number);
  JsonWriter& integer(std::uint64_t number);
  void separate();

  std::string& out_;
  std::size_t start_;
};

// `json`, which must be valid, without insignificant white space and with the keys of every object sorted: equal values
// give equal bytes. Text that is not valid JSON comes back unchanged.
[[nodiscard]] std::string canonical_json(std::string_view json);

// `text` without insignificant white space, when it is one valid JSON object; empty when it is not. Done to its own
// result it changes nothing.
[[nodiscard]] std::string minified_json_object(std::string_view text);

}  // namespace joey
