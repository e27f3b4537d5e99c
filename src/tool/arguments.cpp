#include "tool/arguments.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace joey {
namespace {

using simdjson::dom::element;

constexpr std::size_t value_shown_max = 80;  // bytes of a wrong value in a message

std::optional<std::int64_t> as_integer(element value) {
  std::int64_t integer = 0;
  if (value.get(integer) == simdjson::SUCCESS) return integer;
  double number = 0;
  if (value.is_double() && value.get(number) == simdjson::SUCCESS) {
    constexpr double exact_max = 9007199254740992.0;  // 2^53
    if (std::trunc(number) != number || std::abs(number) > exact_max) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return std::nullopt;
  text = trim(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), integer);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return integer;
}

}  // namespace

Arguments::Arguments(std::string_view json) : shared_(std::make_shared<Shared>()) {
  simdjson::dom::object object;
  if (shared_->parser.parse(json.data(), json.size()).get(object) == simdjson::SUCCESS) {
    object_ = object;
  } else {
    note("the arguments are not a JSON object");
  }
}

void Arguments::note(std::string problem) {
  if (ok()) shared_->problem = std::move(problem);
}

std::optional<element> Arguments::find(std::string_view name) const {
  element value;
  if (!object_ || object_->at_key(name).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

void Arguments::reject(std::string_view name, std::string_view must_be) {
  const auto value = find(name);
  const std::string json = value ? simdjson::minify(*value) : "null";
  const std::string_view shown = utf8_prefix(json, value_shown_max);
  note(fmt::format("argument \"{}{}\" must be {}, not {}{}", prefix_, name, must_be, shown,
                   shown.size() < json.size() ? "..." : ""));
}

std::string_view Arguments::string(std::string_view name) {
  if (!find(name)) note(fmt::format("argument \"{}{}\" is missing: it must be a string", prefix_, name));
  return optional_string(name).value_or(std::string_view());
}

std::optional<std::string_view> Arguments::optional_string(std::string_view name) {
  const auto value = find(name);
  if (!value) return std::nullopt;
  std::string_view text;
  if (value->get(text) == simdjson::SUCCESS) return text;
  reject(name, "a string");
  return std::nullopt;
}

std::optional<std::int64_t> Arguments::optional_integer(std::string_view name, std::int64_t min, std::int64_t max) {
  const auto value = find(name);
  if (!value) return std::nullopt;
  const auto integer = as_integer(*value);
  if (integer && *integer >= min && *integer <= max) return integer;
  const bool has_min = min != std::numeric_limits<std::int64_t>::min();
  const bool has_max = max != std::numeric_limits<std::int64_t>::max();
  reject(name, has_min && has_max ? fmt::format("an integer from {} to {}", min, max)
               : has_min          ? fmt::format("an integer of at least {}", min)
               : has_max          ? fmt::format("an integer of at most {}", max)
                                  : "an integer");
  return std::nullopt;
}

std::optional<bool> Arguments::optional_boolean(std::string_view name) {
  const auto value = find(name);
  if (!value) return std::nullopt;
  bool boolean = false;
  if (value->get(boolean) == simdjson::SUCCESS) return boolean;
  std::string_view text;
  if (value->get(text) == simdjson::SUCCESS) {
    if (text == "true" || text == "True") return true;
    if (text == "false" || text == "False") return false;
  }
  reject(name, "true or false");
  return std::nullopt;
}

std::optional<Arguments> Arguments::optional_object(std::string_view name) {
  const auto value = find(name);
  if (!value) return std::nullopt;
  simdjson::dom::object object;
  if (value->get(object) == simdjson::SUCCESS) return Arguments(shared_, object, fmt::format("{}{}.", prefix_, name));
  reject(name, "an object");
  return std::nullopt;
}

std::optional<std::vector<Arguments>> Arguments::optional_objects(std::string_view name) {
  const auto value = find(name);
  if (!value) return std::nullopt;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) {
    reject(name, "an array of objects");
    return std::nullopt;
  }
  std::vector<Arguments> objects;
  for (const element item : array) {
    simdjson::dom::object object;
    if (item.get(object) != simdjson::SUCCESS) {
      reject(name, "an array of objects");
      return std::nullopt;
    }
    objects.push_back(Arguments(shared_, object, fmt::format("{}{}[{}].", prefix_, name, objects.size())));
  }
  return objects;
}

}  // namespace joey
