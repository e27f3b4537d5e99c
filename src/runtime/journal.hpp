// Reading a task's journal back: its events, and the texts they name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/event.hpp"
#include "provider/provider.hpp"
#include "runtime/request_rope.hpp"
#include "store/store.hpp"

namespace joey {

struct Journal {
  std::string task;
  std::vector<Event> events;
  std::map<Digest, std::shared_ptr<const std::string>> blobs;  // the prompts' system texts and tools
};

// The whole journal. `not_found` when there is no such task; `corrupt` and `unsupported` name the task and the event.
void load_journal(Store& store, std::string task, Completion<std::shared_ptr<Journal>> done);

[[nodiscard]] RequestHead make_head(const Provider& provider, const TaskConfig& config, std::string system,
                                    std::vector<ToolSpec> tools);

// The same from a journal's blobs. `corrupt` when one is missing.
[[nodiscard]] Result<RequestHead> make_head(const Provider& provider, const TaskConfig& config,
                                            const event::PromptSet& prompt, const Journal& journal);

struct ReplayMismatch {
  Seq seq{0};
  std::int64_t turn{0};
  std::int64_t attempt{0};
  Digest expected;
  Digest actual;
};
struct ReplayReport {
  std::int64_t requests{0};
  std::vector<ReplayMismatch> mismatches;
};

// Rebuilds every request of a journal and compares digests. `unsupported` when its wire is none of ours.
[[nodiscard]] Result<ReplayReport> replay(const Journal& journal);

}  // namespace joey
