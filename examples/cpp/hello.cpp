// A task with a tool of the program's own, in C++.
//
//   cmake -S . -B build -G Ninja && cmake --build build --target example_cpp
//   ANTHROPIC_API_KEY=... build/bin/example_cpp
//
// With joey installed: c++ -std=c++20 hello.cpp $(pkg-config --cflags --libs joey) -o hello
//
// JOEY_BASE_URL names another server that speaks Anthropic's API; joey-scripted-model is one.
#include <cstdlib>
#include <iostream>
#include <joey/joey.hpp>
#include <random>
#include <string>

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// Prints the stream until the task ends or waits for a person. Returns the program's exit code.
int follow(joey::Subscription& events) {
  for (const joey::Event& event : events) {
    switch (event.kind()) {
      case joey::EventKind::delta_text: std::cout << event.text() << std::flush; break;
      case joey::EventKind::tool_started: std::cout << "\n[" << event.name() << "]\n"; break;
      case joey::EventKind::tool_finished: std::cout << "  " << event.text() << "\n"; break;
      case joey::EventKind::model_failed: std::cout << "\n[" << event.text() << "]\n"; break;
      case joey::EventKind::approval_requested: std::cout << "\n" << event.name() << " needs an approval\n"; return 3;
      case joey::EventKind::question_asked: std::cout << "\nIt asks: " << event.text() << "\n"; return 3;
      case joey::EventKind::task_ended:
        std::cout << "\n" << event.name() << ": " << event.text() << "\n";
        return event.name() == "completed" ? 0 : 1;
      default: break;
    }
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  joey::Engine engine;  // its journal lives in memory
  joey::Session session(engine, {.workspace = ".",
                                 .base_url = variable("JOEY_BASE_URL"),
                                 .api_key = variable("ANTHROPIC_API_KEY"),
                                 .allow = "read,roll_dice",
                                 .turns_max = 20});

  // The tool. It runs on the engine's loop thread, so it returns soon; a lambda that takes a joey::ToolCall may keep the
  // call and finish it later, from any thread.
  session.add_tool({.name = "roll_dice", .description = "Rolls one six-sided die."},
                   [dice = std::minstd_rand(1)](std::string_view) mutable {
                     return "The dice show " + std::to_string(1 + dice() % 6) + ".";
                   });

  joey::Subscription events(engine);  // before the start, so that nothing is missed
  const joey::Task task = session.start(argc > 1 ? argv[1] : "Roll the dice three times and tell me the sum.");
  return follow(events);
} catch (const joey::Error& error) {
  std::cerr << error.name() << ": " << error.what() << "\n";
  return 1;
}
