// A directory, a loop, and tools run in them.
#pragma once

#include <doctest/doctest.h>
#include <uv.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "base/json.hpp"
#include "base/scheduler.hpp"
#include "tool/artifacts.hpp"
#include "tool/tool.hpp"
#include "tool/workspace_tools.hpp"
#include "workspace/local.hpp"

namespace joey {

// A scheduler on one thread: what blocks runs on it as well.
class TestLoop final : public Scheduler {
 public:
  TestLoop() { uv_loop_init(&loop_); }
  ~TestLoop() override {
    run_until([this] { return uv_loop_alive(&loop_) == 0; }, std::chrono::seconds(5));
    CHECK(uv_loop_close(&loop_) == 0);
  }
  TestLoop(const TestLoop&) = delete;
  TestLoop& operator=(const TestLoop&) = delete;

  uv_loop_t* handle() { return &loop_; }

  // Whether `done` came true in time.
  template <class Done>
  bool run_until(Done done, std::chrono::milliseconds time_max = std::chrono::seconds(20)) {
    const auto end = Clock::now() + time_max;
    while (!done()) {
      if (Clock::now() > end) return false;
      if (!step()) std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    return true;
  }

  [[nodiscard]] Timestamp now() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
  }
  void post(UniqueFunction<void()> fn) override {
    const std::lock_guard lock(mutex_);
    posts_.push_back(std::move(fn));
  }
  TimerId after(std::chrono::milliseconds delay, UniqueFunction<void()> fn) override {
    timers_.emplace(++timer_, Timer{Clock::now() + delay, std::move(fn)});
    return timer_;
  }
  void cancel(TimerId timer) override { timers_.erase(timer); }
  void work(UniqueFunction<void()> blocking, UniqueFunction<void()> done) override {
    post([this, blocking = std::move(blocking), done = std::move(done)]() mutable {
      blocking();
      post(std::move(done));
    });
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Timer {
    Clock::time_point due;
    UniqueFunction<void()> fn;
  };

  bool step() {
    std::deque<UniqueFunction<void()>> posts;
    {
      const std::lock_guard lock(mutex_);
      posts.swap(posts_);
    }
    bool busy = !posts.empty();
    for (auto& fn : posts) fn();
    for (auto timer = timers_.begin(); timer != timers_.end(); ++timer) {
      if (timer->second.due > Clock::now()) continue;
      const auto fn = std::move(timer->second.fn);
      timers_.erase(timer);
      fn();
      busy = true;
      break;
    }
    uv_run(&loop_, UV_RUN_NOWAIT);
    return busy;
  }

  uv_loop_t loop_;
  std::mutex mutex_;
  std::deque<UniqueFunction<void()>> posts_;
  std::map<TimerId, Timer> timers_;
  TimerId timer_{0};
};

class ToolWorld {
 public:
  ToolWorld() {
    std::string pattern = (std::filesystem::temp_directory_path() / "joey-tool-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    root = std::filesystem::canonical(pattern).string();
    auto opened = open_local_workspace(root, {.loop = loop.handle(), .scheduler = &loop});
    REQUIRE(opened);
    workspace = *opened;
  }
  ~ToolWorld() {
    background.clear();
    workspace.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  ToolWorld(const ToolWorld&) = delete;
  ToolWorld& operator=(const ToolWorld&) = delete;

  void file(const std::string& path, std::string_view bytes) const {
    const auto full = std::filesystem::path(root) / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full, std::ios::binary) << bytes;
  }
  [[nodiscard]] std::string bytes(const std::string& path) const {
    std::ifstream in(std::filesystem::path(root) / path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

  std::shared_ptr<ToolContext> context() {
    auto result = std::make_shared<ToolContext>();
    result->workspace = workspace;
    result->scheduler = &loop;
    result->background = has_background ? &background : nullptr;
    result->artifacts = artifacts;
    result->call = call;
    result->result_bytes_max = result_bytes_max;
    result->on_output = [this](std::string_view text) { streamed += text; };
    return result;
  }

  // Runs a tool to its end, which must come once.
  ToolOutcome run(const Tool& tool, std::string arguments) { return run(tool, std::move(arguments), context()); }
  ToolOutcome run(const Tool& tool, std::string arguments, const std::shared_ptr<ToolContext>& with) {
    auto outcome = std::make_shared<std::optional<ToolOutcome>>();
    bool inside = true;
    tool.run(std::move(arguments), with, [outcome, &inside](ToolOutcome result) {
      CHECK_FALSE(inside);
      CHECK_FALSE(outcome->has_value());
      *outcome = std::move(result);
    });
    inside = false;
    REQUIRE(loop.run_until([&] { return outcome->has_value(); }));
    return **outcome;
  }
  ToolOutcome run(std::string_view name, std::string arguments) {
    for (const auto& tool : workspace_tools()) {
      if (tool->spec().name == name) return run(*tool, std::move(arguments));
    }
    FAIL("no such tool");
    return {};
  }

  TestLoop loop;
  std::string root;
  std::shared_ptr<Workspace> workspace;
  std::vector<std::shared_ptr<TaskCommands>> background;
  bool has_background{true};
  std::shared_ptr<Artifacts> artifacts;  // none
  std::string call{"c00001002"};
  std::size_t result_bytes_max{60'000};
  std::string streamed;
};

// Chunks in memory, kept when the test says so, that can fail.
class HeldChunks final : public ChunkStore {
 public:
  explicit HeldChunks(Scheduler& scheduler) : memory_(make_memory_chunks(scheduler, std::uint64_t{1} << 32)) {}

  void append(const std::string& artifact, std::uint64_t index, Chunk chunk, Completion<void> done) override {
    waiting_bytes += chunk->size();
    waiting_bytes_max = std::max(waiting_bytes_max, waiting_bytes);
    waiting.push_back([this, artifact, index, chunk, done = std::move(done)]() mutable {
      waiting_bytes -= chunk->size();
      if (fails) return done(failure(ErrorCode::io, "the disk is full"));
      memory_->append(artifact, index, std::move(chunk), std::move(done));
    });
    if (!holds) keep_all();
  }
  void read(const std::string& artifact, std::uint64_t index, std::size_t chunks_max,
            Completion<std::vector<Chunk>> done) override {
    memory_->read(artifact, index, chunks_max, std::move(done));
  }

  void keep_all() {
    for (; !waiting.empty(); waiting.pop_front()) waiting.front()();
  }
  void keep_from_now_on() {
    holds = false;
    keep_all();
  }

  std::deque<UniqueFunction<void()>> waiting;
  std::size_t waiting_bytes{0};
  std::size_t waiting_bytes_max{0};
  bool holds{true};
  bool fails{false};

 private:
  std::shared_ptr<ChunkStore> memory_;
};

// All bytes of an artifact.
inline std::string whole(ToolWorld& world, Artifacts& artifacts, const std::string& id) {
  std::optional<Result<Artifacts::Extent>> extent;
  artifacts.measure(id, [&](Result<Artifacts::Extent> result) { extent = std::move(result); });
  REQUIRE(world.loop.run_until([&] { return extent.has_value(); }));
  REQUIRE_MESSAGE(extent->has_value(), extent->error().message);
  std::optional<Result<std::string>> bytes;
  artifacts.read(id, 0, static_cast<std::size_t>((*extent)->size) + 1, [&](Result<std::string> result) { bytes = std::move(result); });
  REQUIRE(world.loop.run_until([&] { return bytes.has_value(); }));
  REQUIRE(bytes->has_value());
  CHECK((*bytes)->size() == (*extent)->size);
  return std::move(**bytes);
}

// The id that a result names.
inline std::string artifact_in(std::string_view text) {
  constexpr std::string_view label = "Artifact ID: ";
  const std::size_t at = text.find(label);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + label.size());
  return std::string(rest.substr(0, rest.find_first_of("\n ")));
}

// An object of strings, as a call's arguments.
inline std::string arguments_of(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const auto& [name, value] : fields) json.field(name, value);
  json.end_object();
  return text;
}

inline bool holds(std::string_view text, std::string_view part) {
  const bool found = text.find(part) != std::string_view::npos;
  if (!found) MESSAGE("missing \"" << std::string(part) << "\" in: " << std::string(text));
  return found;
}

inline bool is_one_line(std::string_view text) { return !text.empty() && text.find('\n') == std::string_view::npos; }

}  // namespace joey
