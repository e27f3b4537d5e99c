// The arguments of a tool call, read with their types.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace joey {

// Reads arguments by name and keeps the first problem, as one line for the model, so that a tool reads them all and asks
// once:
//
//   Arguments arguments(json);
//   const std::string_view path = arguments.string("path");
//   const std::int64_t limit = arguments.optional_integer("limit", 1).value_or(2000);
//   if (!arguments.ok()) return tool_failure(arguments.problem());
//
// null is absent. Numbers and booleans may come as strings, as some models send them. What has a problem reads as absent,
// or as the empty value when it is required.
//
// Copies share one document and one problem; the views live as long as any copy.
class Arguments {
 public:
  explicit Arguments(std::string_view json);

  [[nodiscard]] bool ok() const { return shared_->problem.empty(); }
  [[nodiscard]] const std::string& problem() const { return shared_->problem; }

  [[nodiscard]] std::string_view string(std::string_view name);
  [[nodiscard]] std::optional<std::string_view> optional_string(std::string_view name);
  [[nodiscard]] std::optional<std::int64_t> optional_integer(
      std::string_view name, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
      std::int64_t max = std::numeric_limits<std::int64_t>::max());
  [[nodiscard]] std::optional<bool> optional_boolean(std::string_view name);
  [[nodiscard]] std::optional<Arguments> optional_object(std::string_view name);
  [[nodiscard]] std::optional<std::vector<Arguments>> optional_objects(std::string_view name);

  // The value itself, for what has a shape of its own.
  [[nodiscard]] std::optional<simdjson::dom::element> find(std::string_view name) const;
  // Notes the problem of an argument that is there: `must be ..., not <its value>`.
  void reject(std::string_view name, std::string_view must_be);

 private:
  struct Shared {
    simdjson::dom::parser parser;
    std::string problem;
  };
  Arguments(std::shared_ptr<Shared> shared, simdjson::dom::object object, std::string prefix)
      : shared_(std::move(shared)), object_(object), prefix_(std::move(prefix)) {}

  void note(std::string problem);

  std::shared_ptr<Shared> shared_;
  std::optional<simdjson::dom::object> object_;
  std::string prefix_;  // of names in messages: "indentation."
};

}  // namespace joey
