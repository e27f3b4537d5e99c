#include "core/audit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace joey;

namespace {

std::vector<Event> journal() {
  event::TaskCreated created;
  created.config.user = "ann";
  created.config.policy.allow = {"read"};
  event::ModelFinished answer;
  answer.blocks = {ToolCall{"c1", "execute_command", R"({"command":"make"})", ""}, ToolCall{"c2", "write_to_file", R"({"path":"a"})", ""}};
  const std::vector<EventBody> bodies{created,
                                      event::UserMessage{"Go.", {}, Actor::person, ""},
                                      answer,
                                      event::ApprovalRequested{"c1", "execute_command", "default", ""},
                                      event::Approval{"c1", "execute_command", "d", true, Actor::person, "", "fine", R"({"command":"make -n"})"},
                                      event::ToolStarted{"c1", "execute_command", false},
                                      event::ToolFinished{"c1", "execute_command", ToolStatus::ok, "text", {}, {}},
                                      event::Approval{"c2", "write_to_file", "d", true, Actor::policy, "allow:edit", "", ""},
                                      event::ToolStarted{"c2", "write_to_file", false},
                                      event::ToolFinished{"c2", "write_to_file", ToolStatus::ok, "text", {}, {"a", "b"}},
                                      event::TaskEnded{ExitReason::completed, "r", ""}};
  std::vector<Event> events;
  for (const EventBody& body : bodies) events.push_back({events.size() + 1, 1'000, body});
  return events;
}

// Lines of two tasks and the end, each with its line end.
std::vector<std::string> exported() {
  std::vector<std::string> lines;
  AuditEnd end;
  for (const char* task : {"task_1", "task_2"}) {
    AuditTrail trail(task);
    for (const Event& event : journal()) {
      if (std::string line = trail.line(event); !line.empty()) lines.push_back(line + "\n");
    }
    end.add(trail);
  }
  lines.push_back(end.line() + "\n");
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line;
  return out;
}

}  // namespace

TEST_CASE("an audit says what was decided, run and changed, by whose word") {
  const std::string text = joined(exported());
  for (const char* part : {R"("kind":"task","user":"ann")", R"("allow":["read"])", R"("kind":"asked","call":"c1","tool":"execute_command","rule":"default")",
                           R"("allowed":true,"by":"person","rule":"","feedback":"fine","edited":{"command":"make -n"})",
                           R"("kind":"command","call":"c1","arguments":{"command":"make -n"})", R"("by":"policy","rule":"allow:edit")",
                           R"("status":"ok","files":["a","b"])", R"("kind":"ended","reason":"completed")"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find("Go.") == std::string::npos);  // what is said is not an auditor's business
  const AuditCheck check = verify_audit(text);
  CHECK(check.problem == "");
  CHECK(check.complete);
  CHECK(check.tasks == 2);
  CHECK(check.lines == exported().size());
}

TEST_CASE("a later export of a task begins with the lines of an earlier one") {
  AuditTrail whole("task_1");
  AuditTrail early("task_1");
  const auto events = journal();
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::string line = whole.line(events[i]);
    if (i < 6) CHECK(early.line(events[i]) == line);
  }
}

TEST_CASE("an audit shows every line that was changed, dropped, added, moved or repeated") {
  const std::vector<std::string> lines = exported();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CAPTURE(i);
    std::vector<std::string> dropped = lines;
    dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK(verify_audit(joined(dropped)).problem != "");
    std::vector<std::string> doubled = lines;
    doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
    CHECK(verify_audit(joined(doubled)).problem != "");
    for (std::size_t j = 0; j < i; ++j) {
      std::vector<std::string> moved = lines;
      std::swap(moved[i], moved[j]);
      CHECK(verify_audit(joined(moved)).problem != "");
    }
    for (std::size_t at = 0; at < lines[i].size(); at += 7) {
      std::vector<std::string> changed = lines;
      changed[i][at] = changed[i][at] == 'x' ? 'y' : 'x';
      const AuditCheck check = verify_audit(joined(changed));
      CHECK(check.problem != "");
      CHECK(check.lines <= i);
    }
  }
  const std::string text = joined(lines);
  for (std::size_t size = 0; size < text.size(); ++size) CHECK(verify_audit(text.substr(0, size)).problem != "");
}

TEST_CASE("a task that was taken out whole, and whose end was made anew, does not fit the old end") {
  std::vector<std::string> lines = exported();
  const std::size_t half = (lines.size() - 1) / 2;
  lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(half));
  CHECK(verify_audit(joined(lines)).problem.find("closes an export with other tasks") != std::string::npos);
}

TEST_CASE("what is no audit is said") {
  for (const char* text : {"", "\n", "{}\n", "[]", "\xff\n", R"({"kind":"end","hash":"0"})" "\n"}) {
    CAPTURE(text);
    CHECK(verify_audit(text).problem != "");
    CHECK_FALSE(verify_audit(text).complete);
  }
}
