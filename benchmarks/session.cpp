#include "session.hpp"

#include <chrono>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace bench {

joey::SessionOptions session_options(const ScriptedModel& model, const std::string& workspace) {
  joey::SessionOptions options;
  options.workspace = workspace;
  options.provider = "anthropic";
  options.model = "scripted-1";
  options.base_url = model.url();
  options.api_key = "none";
  options.allow = "all";
  return options;
}

void wait_for_end(const joey::Engine& engine, const joey::Task& task) {
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    try {
      const joey::Text summary = engine.get_task(task.id());
      const std::string_view json = summary;
      if (json.find("\"status\":\"completed\"") != std::string_view::npos) return;
      if (json.find("\"status\":\"running\"") == std::string_view::npos) throw std::runtime_error(std::string(json));
    } catch (const joey::Error& error) {
      if (error.code() != JOEY_ERR_NOT_FOUND) throw;  // not durable yet
    }
  }
}

}  // namespace bench
