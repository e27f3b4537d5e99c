// The same in C++.
#include <joey/joey.hpp>

#include <iostream>

int main() try {
  joey::Engine engine;
  joey::Session session(engine, {.workspace = ".", .allow = "read"});
  std::cout << session.run_tool("list_files", R"({"path":".","recursive":false})").view() << "\n";
} catch (const joey::Error& error) {
  std::cout << error.what() << "\n";
  return 1;
}
