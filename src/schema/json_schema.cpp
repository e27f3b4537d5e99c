#include "schema/json_schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace joey {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

using Patterns = std::map<std::string, std::unique_ptr<RE2>, std::less<>>;
using References = std::map<std::string, element, std::less<>>;  // what each "$ref" leads to

constexpr std::size_t shown_max = 60;  // bytes of a value in a message
constexpr int depth_max = 512;         // of schemas within schemas; one that applies to itself has no end otherwise
constexpr std::size_t patterns_bytes_max = 1U << 20U;

// What asks for more than is done here, so that nothing is taken for checked that is not.
constexpr std::array<std::string_view, 6> not_understood{"$dynamicRef",       "$dynamicAnchor", "$recursiveRef",
                                                         "unevaluatedItems", "unevaluatedProperties", "$anchor"};

constexpr std::array<std::string_view, 13> with_number{
    "minimum",  "maximum",       "exclusiveMinimum", "exclusiveMaximum", "multipleOf",  "minLength",  "maxLength",
    "minItems", "maxItems",      "minProperties",    "maxProperties",    "minContains", "maxContains"};
// Where schemas stand in a schema.
constexpr std::array<std::string_view, 9> with_schema{"not",   "if",       "then",        "else",          "additionalProperties", "additionalItems",
                                                      "items", "contains", "propertyNames"};
constexpr std::array<std::string_view, 5> with_schemas{"allOf", "anyOf", "oneOf", "prefixItems", "items"};
constexpr std::array<std::string_view, 6> with_named_schemas{"properties",  "patternProperties", "$defs",
                                                             "definitions", "dependentSchemas",  "dependencies"};

std::optional<element> find(const object& in, std::string_view key) {
  element out;
  if (in.at_key(key).get(out) != simdjson::SUCCESS) return std::nullopt;
  return out;
}

bool is_number(element_type type) {
  return type == element_type::INT64 || type == element_type::UINT64 || type == element_type::DOUBLE;
}

double number_of(element value) {
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS) return 0;
  return number;
}

bool is_integer(element value) {
  if (value.type() != element_type::DOUBLE) return is_number(value.type());
  const double number = number_of(value);
  return std::isfinite(number) && number == std::floor(number);
}

// Equal values give equal texts, as in mathematics: 1 is 1.0, and the order of properties says nothing.
void append_canonical(std::string& out, element value) {
  switch (value.type()) {
    case element_type::ARRAY:
      out += '[';
      for (const element item : array(value)) {
        append_canonical(out, item);
        out += ',';
      }
      out += ']';
      return;
    case element_type::OBJECT: {
      std::map<std::string_view, element> fields;
      for (const auto& field : object(value)) fields.emplace(field.key, field.value);
      out += '{';
      for (const auto& [key, field] : fields) {
        append_json_string(out, key);
        append_canonical(out, field);
        out += ',';
      }
      out += '}';
      return;
    }
    case element_type::DOUBLE:
      if (is_integer(value)) {
        fmt::format_to(std::back_inserter(out), "{:.0f}", number_of(value));
      } else {
        fmt::format_to(std::back_inserter(out), "{}", number_of(value));
      }
      return;
    default: out += simdjson::minify(value);
  }
}

std::string canonical(element value) {
  std::string out;
  append_canonical(out, value);
  return out;
}

std::string_view type_name(element value) {
  switch (value.type()) {
    case element_type::ARRAY: return "array";
    case element_type::OBJECT: return "object";
    case element_type::STRING: return "string";
    case element_type::BOOL: return "boolean";
    case element_type::NULL_VALUE: return "null";
    default: return is_integer(value) ? "integer" : "number";
  }
}

bool has_type(element value, std::string_view type) {
  const std::string_view own = type_name(value);
  return own == type || (type == "number" && own == "integer");
}

std::string shown(element value) {
  const std::string json = simdjson::minify(value);
  return json.size() <= shown_max ? json : fmt::format("{}...", utf8_prefix(json, shown_max));
}

std::string with_article(std::string_view type) {
  if (type == "null") return "null";
  return fmt::format("{} {}", type == "array" || type == "object" || type == "integer" ? "an" : "a", type);
}

// As a JSON pointer has it.
std::string pointer_step(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// A reference is a URI: its fragment may be percent-encoded.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
    if (low) {
      out += static_cast<char>(*high * 16 + *low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

struct JsonSchema::Parsed {
  simdjson::dom::parser parser;
  element root;
  Patterns patterns;
  References references;
};

namespace {

// ---- Reading a schema: every schema in it is looked at once, so that whatever is wrong in it is known before it is used.

class Reader {
 public:
  Reader(element root, Patterns& patterns, References& references)
      : root_(root), patterns_(patterns), references_(references) {}

  // Empty: it is a schema.
  std::string problem_of(element schema, const std::string& at, int depth = 0) {
    if (schema.type() == element_type::BOOL) return {};
    if (schema.type() != element_type::OBJECT) return said(at, fmt::format("is {}, and must be a schema", with_article(type_name(schema))));
    if (depth > depth_max) return said(at, "is nested too deeply");
    for (const auto& field : object(schema)) {
      std::string problem = problem_of_keyword(field.key, field.value, at + pointer_step(field.key), depth);
      if (!problem.empty()) return problem;
    }
    return {};
  }

 private:
  static std::string said(const std::string& at, std::string_view what) { return fmt::format("{}: {}", at.empty() ? "/" : at, what); }

  std::string problem_of_keyword(std::string_view keyword, element value, const std::string& at, int depth) {
    const auto is_in = [&](const auto& list) { return std::find(list.begin(), list.end(), keyword) != list.end(); };
    if (is_in(not_understood)) return said(at, "is not understood here");
    if (keyword == "$ref") return problem_of_reference(value, at);
    if (keyword == "type") return problem_of_type(value, at);
    if (keyword == "enum" && value.type() != element_type::ARRAY) return said(at, "must be an array");
    if (keyword == "required") return problem_of_names(value, at);
    if (keyword == "pattern") return value.type() == element_type::STRING ? problem_of_pattern(std::string_view(value), at) : said(at, "must be a string");
    if (keyword == "patternProperties" && value.type() == element_type::OBJECT) {
      for (const auto& field : object(value)) {
        if (std::string problem = problem_of_pattern(field.key, at); !problem.empty()) return problem;
      }
    }
    if (is_in(with_number)) return is_number(value.type()) ? std::string() : said(at, "must be a number");
    if (is_in(with_schemas) && (keyword != "items" || value.type() == element_type::ARRAY)) return problem_of_list(value, at, depth);
    if (is_in(with_schema)) return problem_of(value, at, depth + 1);
    if (is_in(with_named_schemas)) return problem_of_map(keyword, value, at, depth);
    return {};
  }

  std::string problem_of_reference(element value, const std::string& at) {
    if (value.type() != element_type::STRING) return said(at, "must be a string");
    const std::string_view reference(value);
    if (references_.contains(reference)) return {};
    if (!reference.starts_with('#')) return said(at, fmt::format("\"{}\" leads elsewhere: references are to the schema itself", utf8_prefix(reference, 80)));
    const std::string pointer = percent_decoded(reference.substr(1));
    element target = root_;
    if (!pointer.empty() && root_.at_pointer(pointer).get(target) != simdjson::SUCCESS) {
      return said(at, fmt::format("there is no \"{}\"", utf8_prefix(reference, 80)));
    }
    references_.emplace(reference, target);
    return {};
  }

  static std::string problem_of_type(element value, const std::string& at) {
    constexpr std::array<std::string_view, 7> types{"null", "boolean", "object", "array", "number", "string", "integer"};
    const auto is_type = [&](element name) {
      return name.type() == element_type::STRING && std::find(types.begin(), types.end(), std::string_view(name)) != types.end();
    };
    const bool right = value.type() == element_type::ARRAY ? std::all_of(array(value).begin(), array(value).end(), is_type) : is_type(value);
    return right ? std::string() : said(at, fmt::format("is {}, and must be of: {}", shown(value), fmt::join(types, ", ")));
  }

  static std::string problem_of_names(element value, const std::string& at) {
    const auto is_name = [](element name) { return name.type() == element_type::STRING; };
    if (value.type() == element_type::ARRAY && std::all_of(array(value).begin(), array(value).end(), is_name)) return {};
    return said(at, "must be an array of strings");
  }

  std::string problem_of_pattern(std::string_view pattern, const std::string& at) {
    if (patterns_.contains(pattern)) return {};
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(static_cast<std::int64_t>(patterns_bytes_max));
    auto compiled = std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
    if (!compiled->ok()) return said(at, fmt::format("\"{}\" is no pattern of RE2's: {}", utf8_prefix(pattern, 80), compiled->error()));
    patterns_.emplace(pattern, std::move(compiled));
    return {};
  }

  std::string problem_of_list(element value, const std::string& at, int depth) {
    if (value.type() != element_type::ARRAY) return said(at, "must be an array of schemas");
    std::size_t i = 0;
    for (const element one : array(value)) {
      if (std::string problem = problem_of(one, fmt::format("{}/{}", at, i++), depth + 1); !problem.empty()) return problem;
    }
    return {};
  }

  std::string problem_of_map(std::string_view keyword, element value, const std::string& at, int depth) {
    if (value.type() != element_type::OBJECT) return said(at, "must be an object of schemas");
    for (const auto& field : object(value)) {
      const std::string place = at + pointer_step(field.key);
      const bool names = keyword == "dependencies" && field.value.type() == element_type::ARRAY;
      std::string problem = names ? problem_of_names(field.value, place) : problem_of(field.value, place, depth + 1);
      if (!problem.empty()) return problem;
    }
    return {};
  }

  element root_;
  Patterns& patterns_;
  References& references_;
};

// ---- Holding a value against it. ------------------------------------------------------------------------------------------

class Validator {
 public:
  Validator(const Patterns& patterns, const References& references, std::size_t most)
      : patterns_(patterns), references_(references), most_(most) {}

  void check(element schema, element value, const std::string& at) {
    if (problems_.size() >= most_) return;
    if (schema.type() == element_type::BOOL) {
      if (!bool(schema)) add(at, "must not be there");
      return;
    }
    if (depth_ >= depth_max) return add(at, "the schema applies to itself without end");
    ++depth_;
    check_any(object(schema), value, at);
    switch (value.type()) {
      case element_type::OBJECT: check_object(object(schema), value, at); break;
      case element_type::ARRAY: check_array(object(schema), array(value), at); break;
      case element_type::STRING: check_string(object(schema), std::string_view(value), at); break;
      case element_type::BOOL:
      case element_type::NULL_VALUE: break;
      default: check_number(object(schema), value, at);
    }
    --depth_;
  }

  std::vector<std::string> take() { return std::move(problems_); }

 private:
  void add(const std::string& at, std::string_view what) {
    if (problems_.size() < most_) problems_.push_back(fmt::format("{}: {}", at.empty() ? "/" : at, what));
  }

  std::vector<std::string> problems_of(element schema, element value, const std::string& at) const {
    Validator other(patterns_, references_, most_);
    other.depth_ = depth_;
    other.check(schema, value, at);
    return other.take();
  }
  bool fits(element schema, element value) const {
    Validator other(patterns_, references_, 1);
    other.depth_ = depth_;
    other.check(schema, value, {});
    return other.problems_.empty();
  }

  void check_any(const object& schema, element value, const std::string& at) {
    if (const auto reference = find(schema, "$ref")) check(references_.find(std::string_view(*reference))->second, value, at);
    if (const auto type = find(schema, "type")) check_type(*type, value, at);
    if (const auto constant = find(schema, "const"); constant && canonical(*constant) != canonical(value)) {
      add(at, fmt::format("is {}, and must be {}", shown(value), shown(*constant)));
    }
    if (const auto list = find(schema, "enum")) {
      const array values(*list);
      const std::string own = canonical(value);
      if (std::none_of(values.begin(), values.end(), [&](element one) { return canonical(one) == own; })) {
        add(at, fmt::format("is {}, and must be one of {}", shown(value), shown(*list)));
      }
    }
    if (const auto all = find(schema, "allOf")) {
      for (const element one : array(*all)) check(one, value, at);
    }
    if (const auto any = find(schema, "anyOf")) check_alternatives(array(*any), value, at, false);
    if (const auto one = find(schema, "oneOf")) check_alternatives(array(*one), value, at, true);
    if (const auto no = find(schema, "not"); no && fits(*no, value)) add(at, fmt::format("must not fit {}", shown(*no)));
    if (const auto condition = find(schema, "if")) {
      if (const auto then = find(schema, fits(*condition, value) ? "then" : "else")) check(*then, value, at);
    }
  }

  void check_type(element type, element value, const std::string& at) {
    std::vector<std::string> wanted;
    if (type.type() == element_type::ARRAY) {
      for (const element one : array(type)) {
        if (has_type(value, std::string_view(one))) return;
        wanted.push_back(with_article(std::string_view(one)));
      }
    } else if (has_type(value, std::string_view(type))) {
      return;
    } else {
      wanted.push_back(with_article(std::string_view(type)));
    }
    add(at, fmt::format("is {}, and must be {}", with_article(type_name(value)), fmt::join(wanted, " or ")));
  }

  // Of those that do not fit, the one with the fewest problems says what to do.
  void check_alternatives(const array& schemas, element value, const std::string& at, bool just_one) {
    std::size_t fitting = 0;
    std::vector<std::string> closest;
    for (const element schema : schemas) {
      std::vector<std::string> problems = problems_of(schema, value, at);
      if (problems.empty()) {
        if (++fitting == 2 || !just_one) break;
      } else if (closest.empty() || problems.size() < closest.size()) {
        closest = std::move(problems);
      }
    }
    if (fitting == 1) return;
    if (fitting > 1) return add(at, "fits more than one of the alternatives, and must fit just one");
    if (closest.empty()) return add(at, "must not be there");
    add(at, fmt::format("fits none of the {} alternatives; of the closest {}", schemas.size(), closest.front()));
  }

  void check_bound(const object& schema, const char* least, const char* most, std::size_t size, std::string_view of, const std::string& at) {
    const auto count = static_cast<double>(size);
    if (const auto min = find(schema, least); min && count < number_of(*min)) add(at, fmt::format("has {} {}, and must have at least {}", size, of, shown(*min)));
    if (const auto max = find(schema, most); max && count > number_of(*max)) add(at, fmt::format("has {} {}, and must have at most {}", size, of, shown(*max)));
  }

  void check_object(const object& schema, element whole, const std::string& at) {
    const object value(whole);
    check_bound(schema, "minProperties", "maxProperties", value.size(), "properties", at);
    if (const auto names = find(schema, "required")) check_required(array(*names), value, at);
    for (const char* keyword : {"dependencies", "dependentRequired", "dependentSchemas"}) {
      const auto dependencies = find(schema, keyword);
      if (!dependencies || dependencies->type() != element_type::OBJECT) continue;
      for (const auto& field : object(*dependencies)) {
        if (!find(value, field.key)) continue;
        if (field.value.type() == element_type::ARRAY) {
          check_required(array(field.value), value, at);
        } else {
          check(field.value, whole, at);
        }
      }
    }
    const auto names = find(schema, "propertyNames");
    for (const auto& field : value) {
      if (names) check_name(*names, field.key, at);
      check_property(schema, field.key, field.value, at);
    }
  }

  void check_required(const array& names, const object& value, const std::string& at) {
    for (const element name : names) {
      if (!find(value, std::string_view(name))) add(at, fmt::format("\"{}\" is missing", utf8_prefix(std::string_view(name), shown_max)));
    }
  }

  void check_name(element schema, std::string_view name, const std::string& at) {
    simdjson::dom::parser parser;
    std::string json;
    append_json_string(json, name);
    element value;
    if (parser.parse(json).get(value) == simdjson::SUCCESS && !fits(schema, value)) {
      add(at, fmt::format("has the property {}, whose name must fit {}", shown(value), shown(schema)));
    }
  }

  void check_property(const object& schema, std::string_view key, element value, const std::string& at) {
    const std::string place = at + pointer_step(key);
    bool known = false;
    if (const auto properties = find(schema, "properties")) {
      if (const auto own = find(object(*properties), key)) {
        known = true;
        check(*own, value, place);
      }
    }
    if (const auto patterns = find(schema, "patternProperties")) {
      for (const auto& field : object(*patterns)) {
        if (!matches(field.key, key)) continue;
        known = true;
        check(field.value, value, place);
      }
    }
    const auto rest = known ? std::nullopt : find(schema, "additionalProperties");
    if (!rest) return;
    if (rest->type() != element_type::BOOL) return check(*rest, value, place);
    if (!bool(*rest)) add(at, fmt::format("\"{}\" is no property that is allowed{}", utf8_prefix(key, shown_max), allowed_properties(schema)));
  }

  static std::string allowed_properties(const object& schema) {
    const auto properties = find(schema, "properties");
    if (!properties) return {};
    std::vector<std::string_view> names;
    for (const auto& field : object(*properties)) names.push_back(field.key);
    const std::string list = fmt::format("{}", fmt::join(names, ", "));
    return fmt::format(": there are {}{}", utf8_prefix(list, 4 * shown_max), list.size() > 4 * shown_max ? "..." : "");
  }

  void check_array(const object& schema, const array& value, const std::string& at) {
    check_bound(schema, "minItems", "maxItems", value.size(), "items", at);
    check_items(schema, value, at);
    if (const auto unique = find(schema, "uniqueItems"); unique && unique->type() == element_type::BOOL && bool(*unique)) check_unique(value, at);
    const auto contains = find(schema, "contains");
    if (!contains) return;
    const auto count = std::count_if(value.begin(), value.end(), [&](element item) { return fits(*contains, item); });
    const auto least = find(schema, "minContains");
    const auto most = find(schema, "maxContains");
    if (static_cast<double>(count) < (least ? number_of(*least) : 1)) add(at, fmt::format("too few items fit {}", shown(*contains)));
    if (most && static_cast<double>(count) > number_of(*most)) add(at, fmt::format("too many items fit {}", shown(*contains)));
  }

  // First some by their place, then the rest alike. Until 2019 both were called "items".
  void check_items(const object& schema, const array& value, const std::string& at) {
    auto items = find(schema, "items");
    auto first = find(schema, "prefixItems");
    auto rest = items;
    if (items && items->type() == element_type::ARRAY) {
      first = items;
      rest = find(schema, "additionalItems");
    }
    std::size_t i = 0;
    const std::size_t placed = first ? array(*first).size() : 0;
    for (const element item : value) {
      const std::string place = fmt::format("{}/{}", at, i);
      if (i < placed) {
        check(array(*first).at(i).value(), item, place);
      } else if (rest) {
        check(*rest, item, place);
      }
      ++i;
    }
  }

  void check_unique(const array& value, const std::string& at) {
    std::set<std::string> seen;
    std::size_t i = 0;
    for (const element item : value) {
      if (!seen.insert(canonical(item)).second) return add(fmt::format("{}/{}", at, i), "is there already: items must differ");
      ++i;
    }
  }

  void check_string(const object& schema, std::string_view value, const std::string& at) {
    const auto characters = std::count_if(value.begin(), value.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
    check_bound(schema, "minLength", "maxLength", static_cast<std::size_t>(characters), "characters", at);
    if (const auto pattern = find(schema, "pattern"); pattern && !matches(std::string_view(*pattern), value)) {
      add(at, fmt::format("must match {}", shown(*pattern)));
    }
  }

  void check_number(const object& schema, element value, const std::string& at) {
    const double number = number_of(value);
    const auto bound = [&](const char* keyword, auto breaks, std::string_view words) {
      const auto limit = find(schema, keyword);
      if (limit && is_number(limit->type()) && breaks(number_of(*limit))) add(at, fmt::format("is {}, and must be {} {}", shown(value), words, shown(*limit)));
    };
    bound("minimum", [&](double limit) { return number < limit; }, "at least");
    bound("maximum", [&](double limit) { return number > limit; }, "at most");
    bound("exclusiveMinimum", [&](double limit) { return number <= limit; }, "more than");
    bound("exclusiveMaximum", [&](double limit) { return number >= limit; }, "less than");
    bound("multipleOf", [&](double step) { return step > 0 && !is_multiple(number, step); }, "a multiple of");
  }

  static bool is_multiple(double number, double step) {
    const double quotient = number / step;
    if (!std::isfinite(quotient)) return std::fmod(number, step) == 0;
    return std::abs(quotient - std::round(quotient)) <= 1e-9 * std::max(1.0, std::abs(quotient));
  }

  bool matches(std::string_view pattern, std::string_view text) const {
    const auto found = patterns_.find(pattern);
    return found != patterns_.end() && RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *found->second);
  }

  const Patterns& patterns_;
  const References& references_;
  const std::size_t most_;
  std::vector<std::string> problems_;
  int depth_{0};
};

}  // namespace

Result<JsonSchema> JsonSchema::parse(std::string_view text) {
  if (text.empty()) return failure(ErrorCode::invalid_argument, "the schema is no JSON: it is empty");
  const auto parsed = std::make_shared<Parsed>();
  if (const auto error = parsed->parser.parse(text.data(), text.size()).get(parsed->root); error != simdjson::SUCCESS) {
    return failure(ErrorCode::invalid_argument, fmt::format("the schema is no JSON: {}", simdjson::error_message(error)));
  }
  Reader reader(parsed->root, parsed->patterns, parsed->references);
  std::string problem = reader.problem_of(parsed->root, {});
  // What a reference leads to may be where no schema is looked for.
  for (auto at = parsed->references.begin(); problem.empty() && at != parsed->references.end(); ++at) problem = reader.problem_of(at->second, at->first);
  if (!problem.empty()) return failure(ErrorCode::invalid_argument, "the schema at " + problem);
  return JsonSchema(parsed);
}

std::vector<std::string> JsonSchema::problems(std::string_view json, std::size_t most) const {
  if (json.empty()) return {"it is no JSON: it is empty"};
  simdjson::dom::parser parser;
  element value;
  if (const auto error = parser.parse(json.data(), json.size()).get(value); error != simdjson::SUCCESS) {
    return {fmt::format("it is no JSON: {}", simdjson::error_message(error))};
  }
  Validator validator(parsed_->patterns, parsed_->references, most);
  validator.check(parsed_->root, value, {});
  return validator.take();
}

}  // namespace joey
