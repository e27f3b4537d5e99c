#include "runtime/journal.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/conversation.hpp"
#include "core/prompt.hpp"

namespace joey {
namespace {

// Reads page after page, then blob after blob; keeps itself alive by being in its own completions.
class Loader : public std::enable_shared_from_this<Loader> {
 public:
  Loader(Store& store, std::string task, Completion<std::shared_ptr<Journal>> done)
      : store_(store), done_(std::move(done)) {
    journal_->task = std::move(task);
  }

  void read() {
    ReadQuery query;
    query.stream = journal_->task;
    query.from = journal_->events.size() + 1;
    query.entries_max = 10'000;
    query.bytes_max = 16U << 20;
    store_.read(std::move(query), [self = shared_from_this()](Result<std::vector<StoredEntry>> entries) {
      self->took(std::move(entries));
    });
  }

 private:
  void took(Result<std::vector<StoredEntry>> entries) {
    if (!entries) return done_(tl::unexpected(std::move(entries.error())));
    if (entries->empty()) return journal_->events.empty() ? none() : load_blobs();
    for (const StoredEntry& entry : *entries) {
      auto event = event_from_json(*entry.bytes);
      if (!event || entry.seq != journal_->events.size() + 1 || event->seq != entry.seq) {
        const auto code = event ? ErrorCode::corrupt : event.error().code;
        return done_(failure(code, fmt::format("{}: event {}: {}", journal_->task, entry.seq,
                                               event ? "out of sequence" : event.error().message)));
      }
      if (const auto* prompt = std::get_if<event::PromptSet>(&event->body)) {
        journal_->blobs[prompt->system];
        journal_->blobs[prompt->tools];
      }
      journal_->events.push_back(*std::move(event));
    }
    read();
  }

  void none() { done_(failure(ErrorCode::not_found, fmt::format("there is no task \"{}\" in this store", journal_->task))); }

  void load_blobs() {
    for (auto& [name, bytes] : journal_->blobs) {
      if (bytes) continue;
      store_.get_blob(name, [self = shared_from_this(), name = name](Result<std::shared_ptr<const std::string>> blob) {
        if (!blob) {
          // The journal is there: not_found would say that the task is not.
          const bool missing = blob.error().code == ErrorCode::not_found;
          return self->done_(failure(missing ? ErrorCode::corrupt : blob.error().code,
                                     fmt::format("{}: {}", self->journal_->task, blob.error().message)));
        }
        self->journal_->blobs[name] = *std::move(blob);
        self->load_blobs();
      });
      return;
    }
    done_(std::move(journal_));
  }

  Store& store_;
  Completion<std::shared_ptr<Journal>> done_;
  std::shared_ptr<Journal> journal_ = std::make_shared<Journal>();
};

}  // namespace

void load_journal(Store& store, std::string task, Completion<std::shared_ptr<Journal>> done) {
  std::make_shared<Loader>(store, std::move(task), std::move(done))->read();
}

RequestHead make_head(const Provider& provider, const TaskConfig& config, std::string system,
                      std::vector<ToolSpec> tools) {
  const Prompt prompt{std::move(system), std::move(tools)};
  const ModelParams params{config.model, config.output_tokens_max, config.temperature, config.reasoning_effort, config.context_window};
  return std::make_shared<const std::string>(provider.encode_head(prompt, params));
}

Result<RequestHead> make_head(const Provider& provider, const TaskConfig& config, const event::PromptSet& prompt,
                              const Journal& journal) {
  const auto system = journal.blobs.find(prompt.system);
  const auto tools_json = journal.blobs.find(prompt.tools);
  if (system == journal.blobs.end() || tools_json == journal.blobs.end() || !system->second || !tools_json->second) {
    return failure(ErrorCode::corrupt, fmt::format("{}: the text of a prompt is missing", journal.task));
  }
  auto tools = tools_from_json(*tools_json->second);
  if (!tools) return tl::unexpected(std::move(tools.error()));
  return make_head(provider, config, *system->second, *std::move(tools));
}

Result<ReplayReport> replay(const Journal& journal) {
  const auto* created = journal.events.empty() ? nullptr : std::get_if<event::TaskCreated>(&journal.events[0].body);
  if (created == nullptr) return failure(ErrorCode::corrupt, fmt::format("{}: does not begin with task.created", journal.task));
  TaskConfig config = created->config;
  const auto provider_of_config = [&]() -> Result<std::shared_ptr<const Provider>> {
    auto provider = make_provider(config.wire);
    if (provider) return provider;
    return failure(ErrorCode::unsupported,
                   fmt::format("{}: requests of \"{}\" are not encoded by this library", journal.task, config.wire));
  };
  auto provider = provider_of_config();
  if (!provider) return tl::unexpected(std::move(provider.error()));
  ReplayReport report;
  Conversation conversation;
  RequestRope rope(*provider, config.images);
  for (const Event& event : journal.events) {
    if (const auto* changed = std::get_if<event::ModelChanged>(&event.body)) {
      take_model(config, changed->model);
      provider = provider_of_config();
      if (!provider) return tl::unexpected(std::move(provider.error()));
      rope = RequestRope(*provider, config.images);
      rope.restart(conversation.window());
    }
    if (const auto* prompt = std::get_if<event::PromptSet>(&event.body)) {
      auto head = make_head(**provider, config, *prompt, journal);
      if (!head) return tl::unexpected(std::move(head.error()));
      rope.set_head(*std::move(head));
    }
    conversation.apply(event.body, rope);
    const auto* request = std::get_if<event::ModelRequested>(&event.body);
    if (request == nullptr) continue;
    if (!rope.head()) return failure(ErrorCode::corrupt, fmt::format("{}: a request before any prompt", journal.task));
    ++report.requests;
    Digest actual = rope.request().digest;
    if (actual != request->digest) {
      report.mismatches.push_back({event.seq, request->turn, request->attempt, request->digest, std::move(actual)});
    }
  }
  return report;
}

}  // namespace joey
