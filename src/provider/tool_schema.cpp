#include "provider/tool_schema.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/json.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t depth_max = 128;    // of nested JSON
constexpr std::size_t branches_max = 64;  // of a root's alternatives, through references too
constexpr std::string_view no_parameters = R"({"type":"object","properties":{}})";

// What the vendors of a dialect refuse, below the root.
struct Rules {
  SchemaDialect dialect;
  bool arrays_of_known;  // an array that does not say of what
  bool open_objects;     // "additionalProperties": false
  bool plain_patterns;   // regular expressions that look around, or at the properties of characters
  bool plain_names;      // of the root's properties: other than [A-Za-z0-9_.-]{1,64}
};

constexpr std::array<Rules, 3> rules_of{{
    {SchemaDialect::openai, true, false, true, false},
    {SchemaDialect::xai, true, true, true, false},
    {SchemaDialect::anthropic, false, false, false, true},
}};

template <std::size_t N>
bool is_one_of(std::string_view key, const std::array<std::string_view, N>& keys) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// Keywords by what they hold; all others hold no schema.
constexpr std::array<std::string_view, 10> schema_keys{
    "items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames",
    "unevaluatedProperties"};
constexpr std::array<std::string_view, 4> list_keys{"allOf", "anyOf", "oneOf", "prefixItems"};
constexpr std::array<std::string_view, 5> map_keys{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"};
// What no vendor takes at the root, which is an object with properties.
constexpr std::array<std::string_view, 9> root_keys_refused{"oneOf", "anyOf", "allOf", "not",  "enum",
                                                            "const", "if",    "then",  "else"};

std::optional<dom::object> as_object(dom::element value) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return std::nullopt;
  return object;
}

std::optional<dom::object> object_in(dom::object parent, std::string_view key) {
  dom::object found;
  if (parent.at_key(key).get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

std::optional<dom::array> list_in(dom::object parent, std::string_view key) {
  dom::array found;
  if (parent.at_key(key).get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

std::vector<std::string_view> texts_of(dom::element value) {
  std::vector<std::string_view> texts;
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return texts;
  for (const dom::element element : list) {
    if (std::string_view text; element.get(text) == simdjson::SUCCESS) texts.push_back(text);
  }
  return texts;
}

bool is_array(dom::object schema) {
  dom::element type;
  if (schema.at_key("type").get(type) != simdjson::SUCCESS) return false;
  if (std::string_view name; type.get(name) == simdjson::SUCCESS) return name == "array";
  const std::vector<std::string_view> names = texts_of(type);
  return std::find(names.begin(), names.end(), "array") != names.end();
}

bool is_plain(std::string_view pattern) {
  constexpr std::array<std::string_view, 6> signs{"(?=", "(?!", "(?<=", "(?<!", "\\p{", "\\P{"};
  return std::none_of(signs.begin(), signs.end(), [&](std::string_view sign) { return pattern.find(sign) != pattern.npos; });
}

bool is_plain_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits);
}

// --- schemas below the root ------------------------------------------------------------------------------------------

class Writer {
 public:
  Writer(const Rules& rules, std::string& out) : rules_(rules), json_(out) {}

  void schema(dom::element value) {
    const auto object = as_object(value);
    if (!object) {
      json_.begin_object().end_object();  // `true`, or what is no schema: anything goes
      return;
    }
    json_.begin_object();
    for (const auto field : *object) keyword(field.key, field.value);
    dom::element items;
    if (rules_.arrays_of_known && is_array(*object) && object->at_key("items").get(items) != simdjson::SUCCESS) {
      json_.key("items").begin_object().end_object();
    }
    json_.end_object();
  }

  void keyword(std::string_view key, dom::element value) {
    if (is_one_of(key, map_keys)) {
      if (const auto named = as_object(value)) map(key, *named);
    } else if (is_one_of(key, list_keys)) {
      if (dom::array list; value.get(list) == simdjson::SUCCESS && list.size() > 0) schemas(json_.key(key), list);
    } else if (is_one_of(key, schema_keys)) {
      dom::array tuple;
      if (key == "items" && value.get(tuple) == simdjson::SUCCESS) {
        // Older schemas name an item's by its place, which newer ones call prefixItems.
        json_.key(key).begin_object();
        if (tuple.size() > 0) schemas(json_.key("anyOf"), tuple);
        json_.end_object();
      } else if (value.is_bool() && key != "items") {
        if (!rules_.open_objects || key != "additionalProperties") json_.key(key).raw(simdjson::minify(value));
      } else {
        json_.key(key);
        schema(value);
      }
    } else if (key == "required") {
      required(texts_of(value));
    } else if (key == "pattern" && rules_.plain_patterns) {
      std::string_view pattern;
      if (value.get(pattern) == simdjson::SUCCESS && is_plain(pattern)) json_.field(key, pattern);
    } else if (!(value.is_bool() && key.starts_with("exclusive"))) {  // exclusiveMinimum was a flag once, and is a number
      json_.key(key).raw(simdjson::minify(value));
    }
  }

  // Not where it would be empty, which says nothing.
  void required(const std::vector<std::string_view>& names) {
    if (names.empty()) return;
    json_.key("required").begin_array();
    for (const std::string_view name : names) json_.value(name);
    json_.end_array();
  }

  JsonWriter& json() { return json_; }

 private:
  void map(std::string_view key, dom::object named) {
    json_.key(key).begin_object();
    for (const auto field : named) {
      bool allowed = true;
      if (field.value.get(allowed) == simdjson::SUCCESS && !allowed) continue;  // may not be there
      if (key == "patternProperties" && rules_.plain_patterns && !is_plain(field.key)) continue;
      json_.key(field.key);
      schema(field.value);
    }
    json_.end_object();
  }

  void schemas(JsonWriter& at, dom::array list) {
    at.begin_array();
    for (const dom::element element : list) schema(element);
    at.end_array();
  }

  const Rules& rules_;
  JsonWriter json_;
};

// --- the root --------------------------------------------------------------------------------------------------------

// The parameters of a root and of everything it is put together from.
struct Parameters {
  struct Property {
    std::string_view name;
    std::vector<std::string> forms;  // as JSON; several when its alternatives differ in it
  };
  std::vector<Property> properties;  // in the order met
  std::vector<std::string_view> required;

  void add(std::string_view name, std::string form) {
    const auto [found, is_new] = places_.try_emplace(name, properties.size());
    if (is_new) properties.push_back({name, {}});
    std::vector<std::string>& forms = properties[found->second].forms;
    if (std::find(forms.begin(), forms.end(), form) == forms.end()) forms.push_back(std::move(form));
  }

  void require(const std::vector<std::string_view>& names) {
    for (const std::string_view name : names) {
      if (required_names_.insert(name).second) required.push_back(name);
    }
  }

 private:
  std::unordered_map<std::string_view, std::size_t> places_;  // in `properties`
  std::unordered_set<std::string_view> required_names_;
};

// Puts alternatives side by side: every property of any is there, and what all of them require is required.
class Flattener {
 public:
  Flattener(const Rules& rules, dom::object root) : rules_(rules), root_(root) {}

  Parameters flatten(dom::object schema) {
    Parameters out;
    if (++branches_ > branches_max) return out;
    if (const auto properties = object_in(schema, "properties")) {
      for (const auto field : *properties) {
        if (bool allowed = true; field.value.get(allowed) == simdjson::SUCCESS && !allowed) continue;
        if (!takes(field.key)) continue;
        std::string form;
        Writer(rules_, form).schema(field.value);
        out.add(field.key, std::move(form));
      }
    }
    if (dom::element required; schema.at_key("required").get(required) == simdjson::SUCCESS) {
      std::vector<std::string_view> names = texts_of(required);
      std::erase_if(names, [&](std::string_view name) { return !takes(name); });
      out.require(names);
    }
    if (const auto target = referred(schema)) join(out, flatten(*target));
    for (const auto& part : list_of(schema, "allOf")) join(out, flatten(part));
    for (const std::string_view key : {"anyOf", "oneOf"}) join(out, either(list_of(schema, key)));
    return out;
  }

 private:
  static void join(Parameters& out, Parameters part) {
    for (Parameters::Property& property : part.properties) {
      for (std::string& form : property.forms) out.add(property.name, std::move(form));
    }
    out.require(part.required);
  }

  bool takes(std::string_view name) const { return !rules_.plain_names || is_plain_name(name); }

  Parameters either(const std::vector<dom::object>& branches) {
    Parameters out;
    std::vector<std::string_view> in_all;
    for (const dom::object& branch : branches) {
      Parameters part = flatten(branch);
      const std::vector<std::string_view> here = std::exchange(part.required, {});
      const std::unordered_set<std::string_view> names(here.begin(), here.end());
      if (&branch == &branches.front()) {
        in_all = here;
      } else {
        std::erase_if(in_all, [&](std::string_view name) { return !names.contains(name); });
      }
      join(out, std::move(part));
    }
    out.require(in_all);
    return out;
  }

  static std::vector<dom::object> list_of(dom::object schema, std::string_view key) {
    std::vector<dom::object> objects;
    if (const auto list = list_in(schema, key)) {
      for (const dom::element element : *list) {
        if (const auto object = as_object(element)) objects.push_back(*object);
      }
    }
    return objects;
  }

  // What "$ref": "#/$defs/NAME" stands for.
  std::optional<dom::object> referred(dom::object schema) const {
    std::string_view ref;
    if (schema.at_key("$ref").get(ref) != simdjson::SUCCESS || !ref.starts_with("#/")) return std::nullopt;
    dom::object found;
    if (root_.at_pointer(ref.substr(1)).get(found) != simdjson::SUCCESS) return std::nullopt;
    return found;
  }

  const Rules& rules_;
  dom::object root_;
  std::size_t branches_{0};
};

void write_properties(JsonWriter& json, const Parameters& parameters) {
  json.key("properties").begin_object();
  for (const Parameters::Property& property : parameters.properties) {
    json.key(property.name);
    if (property.forms.size() == 1) {
      json.raw(property.forms.front());
      continue;
    }
    json.begin_object().key("anyOf").begin_array();
    for (const std::string& form : property.forms) json.raw(form);
    json.end_array().end_object();
  }
  json.end_object();
}

// In the order of the root, so that a schema which every vendor takes stays as it is.
void write_flat_root(Writer& writer, dom::object root, const Parameters& parameters) {
  JsonWriter& json = writer.json();
  bool has_type = false, has_properties = false, has_required = false;
  const auto write_once = [](bool& written, auto&& write) {
    if (!std::exchange(written, true)) write();
  };
  const auto type = [&] { json.field("type", "object"); };
  const auto properties = [&] { write_properties(json, parameters); };
  const auto required = [&] { writer.required(parameters.required); };
  json.begin_object();
  if (dom::element found; root.at_key("type").get(found) != simdjson::SUCCESS) write_once(has_type, type);
  for (const auto field : root) {
    if (field.key == "type") {
      write_once(has_type, type);
    } else if (field.key == "properties") {
      write_once(has_properties, properties);
    } else if (field.key == "required") {
      write_once(has_required, required);
    } else if (field.key != "$ref" && !is_one_of(field.key, root_keys_refused)) {
      writer.keyword(field.key, field.value);
    }
  }
  write_once(has_properties, properties);
  write_once(has_required, required);
  json.end_object();
}

}  // namespace

std::string normalised_schema(std::string_view json_schema, SchemaDialect dialect) {
  const auto is_it = [&](const Rules& rules) { return rules.dialect == dialect; };
  const Rules& rules = *std::find_if(rules_of.begin(), rules_of.end(), is_it);
  dom::parser parser;
  dom::object root;
  if (parser.allocate(std::max<std::size_t>(json_schema.size(), 1), depth_max) != simdjson::SUCCESS ||
      parser.parse(json_schema.data(), json_schema.size()).get(root) != simdjson::SUCCESS) {
    return std::string(no_parameters);
  }
  std::string out;
  Writer writer(rules, out);
  write_flat_root(writer, root, Flattener(rules, root).flatten(root));
  return out;
}

}  // namespace joey
