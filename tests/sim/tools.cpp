#include "sim/tools.hpp"

#include <algorithm>

#include "core/control.hpp"
#include "sim/wire.hpp"
#include "tool/common.hpp"

namespace joey::sim {
namespace {

struct Habits {
  std::int64_t slow_ms{50};      // at most, most of the time
  std::int64_t very_slow_ms{0};  // at most, now and then
  double fails{0};
  bool stubborn{false};          // obeys a cancel late
};

// From the end of a task to the cancel of its tools, on a slow disk.
constexpr milliseconds told_within{10'000};

struct Tracked {
  Setting& setting;
  std::shared_ptr<Process> process;
};

class FakeTool final : public Tool {
 public:
  FakeTool(Tracked tracked, ToolSpec spec, Habits habits) : tracked_(std::move(tracked)), spec_(std::move(spec)), habits_(habits) {}

  const ToolSpec& spec() const override { return spec_; }

  void run(std::string arguments, std::shared_ptr<ToolContext> context, UniqueFunction<void(ToolOutcome)> done) const override {
    Setting& setting = tracked_.setting;
    if (!tracked_.process->survives("tool")) return;
    if (setting.sabotage == Sabotage::other_arguments) arguments.insert(1, R"("more":1,)");
    setting.auditor.tool_begins(context->task, spec_.name, arguments, spec_.read_only);
    setting.trace("{}: {} runs {}", context->task, spec_.name, arguments);
    if (!spec_.read_only) {
      have_effect(context->task, arguments);
      if (setting.sabotage == Sabotage::tool_twice) have_effect(context->task, arguments);
      if (!tracked_.process->survives("tool effect")) return;
    }
    if (setting.sabotage == Sabotage::stuck_tool) return;

    auto run = std::make_shared<Run>(tracked_, habits_, std::move(context), std::move(done));
    run->outcome.ok = !setting.random.chance(habits_.fails);
    run->outcome.text = fmt::format("{} {}{}", spec_.name, arguments, setting.random.chance(0.02) ? std::string(20'000, 'r') : "");
    if (spec_.read_only && setting.random.chance(0.03)) run->outcome.images.push_back({"image/png", std::string(image_in_base64)});
    const bool very_slow = habits_.very_slow_ms > 0 && !setting.calm && setting.random.chance(0.4);
    run->end_in(milliseconds(setting.random.between(0, very_slow ? habits_.very_slow_ms : habits_.slow_ms)));
    run->context->cancel.on_cancel([weak = std::weak_ptr(run)] {
      if (const auto r = weak.lock()) r->stop();
    });
  }

 private:
  struct Run : std::enable_shared_from_this<Run> {
    Run(Tracked t, Habits h, std::shared_ptr<ToolContext> c, UniqueFunction<void(ToolOutcome)> d)
        : tracked(std::move(t)), habits(h), context(std::move(c)), done(std::move(d)) {}

    // The plan keeps the run alive.
    void end_in(milliseconds delay) {
      timer = tracked.setting.scheduler.after(delay, [self = shared_from_this()] { self->end(); });
    }
    void stop() {
      if (ended) return;
      outcome = {false, "stopped", {}, {}};
      const auto self = shared_from_this();
      tracked.setting.scheduler.cancel(timer);
      end_in(milliseconds(habits.stubborn ? tracked.setting.random.between(0, obey_within.count()) : 0));
    }
    void end() {
      ended = true;
      if (!tracked.process->alive()) return;
      check_obedience();
      if (context->on_output) context->on_output("output\n");
      done(std::move(outcome));
    }

    void check_obedience() const {
      const Chronicle* chronicle = tracked.setting.auditor.find(context->task);
      if (chronicle == nullptr || chronicle->task.phase != Phase::ended || context->cancel.cancelled()) return;
      const Timestamp since = chronicle->task.updated_at;
      if (tracked.setting.scheduler.now() - since < told_within.count()) return;
      tracked.setting.auditor.violate(fmt::format("{}: a tool ran on after the task's end and was not told to stop", context->task));
    }

    Tracked tracked;
    Habits habits;
    std::shared_ptr<ToolContext> context;
    UniqueFunction<void(ToolOutcome)> done;
    ToolOutcome outcome;
    TimerId timer{0};
    bool ended{false};
  };

  void have_effect(const std::string& task, const std::string& arguments) const {
    tracked_.setting.auditor.tool_has_effect(task, spec_.name, arguments);
    for (const PathUse& use : changed_path(arguments)) tracked_.setting.files[use.path] += "x";
  }

  Tracked tracked_;
  ToolSpec spec_;
  Habits habits_;
};

// On a worker, as the real tools on files.
class FakeBlockingTool final : public BlockingTool {
 public:
  FakeBlockingTool(Tracked tracked, ToolSpec spec) : tracked_(std::move(tracked)), spec_(std::move(spec)) {}
  const ToolSpec& spec() const override { return spec_; }

 protected:
  ToolOutcome work(std::string_view arguments, ToolContext& context) const override {
    if (!tracked_.process->survives("blocking tool")) return {};
    tracked_.setting.auditor.tool_begins(context.task, spec_.name, std::string(arguments), spec_.read_only);
    tracked_.setting.trace("{}: {} works {}", context.task, spec_.name, arguments);
    return {true, fmt::format("listed {}", arguments), {}, {}};
  }

 private:
  Tracked tracked_;
  ToolSpec spec_;
};

}  // namespace

std::vector<std::shared_ptr<const Tool>> make_tools(Setting& setting, std::shared_ptr<Process> process) {
  const Tracked tracked{setting, std::move(process)};
  const std::string schema = R"({"type":"object","properties":{"path":{"type":"string"}}})";
  const auto fake = [&](const char* name, ToolGroup group, bool read_only, Habits habits) {
    return std::make_shared<FakeTool>(tracked, ToolSpec{name, fmt::format("The tool {}.", name), schema, group, read_only}, habits);
  };
  return {
      fake("read_file", ToolGroup::read, true, {.slow_ms = 20, .very_slow_ms = 20'000, .fails = 0.1}),
      std::make_shared<FakeBlockingTool>(tracked, ToolSpec{"list_files", "Lists.", schema, ToolGroup::read, true}),
      fake("peek", ToolGroup::custom, true, {.slow_ms = 300}),
      fake("write_to_file", ToolGroup::edit, false, {.slow_ms = 30}),
      fake("execute_command", ToolGroup::command, false, {.slow_ms = 3'000, .very_slow_ms = 120'000, .fails = 0.2, .stubborn = true}),
      fake("deploy", ToolGroup::custom, false, {.slow_ms = 0, .fails = 0.5}),
  };
}

}  // namespace joey::sim
