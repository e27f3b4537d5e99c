// joey.hpp is all that a C++20 program includes. Every member is instantiated; nothing here is run.
#include <joey/joey.hpp>

void hpp_alone();
void hpp_alone() {
  joey::Engine engine({.database = "x", .durability = joey::Durability::process, .loop = joey::Loop::host});
  engine.add_provider("mine", [](joey::ModelCall call) {
    if (!call.cancelled() && !call.request().empty()) call.text("x");
    call.reasoning("x");
    call.tool("note", "{}");
    call.finish({.input = 1, .output = 1, .cache_read = 0, .cache_write = 0, .cost_usd = 0});
  });
  engine.add_provider("bad", [](joey::ModelCall call) { call.fail(joey::ModelError::auth, "no"); });
  engine.step(engine.poll_timeout());
  joey::Session session(engine, {.workspace = ".", .provider = "mine", .idle_timeout = std::chrono::seconds(1)});
  session.add_tool({.name = "now"}, [](std::string_view) { return joey::ToolResult::failure("never"); });
  session.add_tool({.name = "later", .read_only = true}, [](joey::ToolCall call) {
    call.output(call.arguments());
    if (call.cancelled()) call.fail(call.task());
  });
  joey::Subscription events(engine, {.task = "x", .from_seq = 1, .deltas = false});
  joey::Task task = session.start("x");
  task = session.open(task.id());
  task.say("x");
  task.approve("c");
  task.deny("c", "x");
  task.answer("c", "x", "ask");
  task.set_mode("ask");
  task.pause();
  task.resume();
  task.cancel();
  for (const joey::Event& event : events) {
    if (event.durable() && event.seq() + event.delta() > 0 && !event.json().empty() && !event.text().empty()) break;
    if (event.at() == joey::Event::Clock::time_point() || event.call() == event.name()) break;
  }
  if (events.poll_fd() != engine.poll_fd() && events.next(std::chrono::milliseconds(1))) return;
  const auto use = [](const joey::Text& text) {
    if (text.view().empty() || text.c_str() == nullptr) throw joey::Error(JOEY_ERR_INTERNAL, "x");
  };
  use(engine.list_tasks());
  use(engine.get_task("x"));
  use(engine.read_events("x"));
  use(engine.replay("x"));
  use(session.tools());
  use(session.run_tool("now", "{}"));
}
