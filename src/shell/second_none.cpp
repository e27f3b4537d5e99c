#include "shell/second.hpp"

namespace joey {

struct SecondReader::Parts {};
SecondReader::SecondReader() = default;
SecondReader::~SecondReader() = default;

std::string_view SecondReader::objection(std::string_view, Script&) {
  return "the grammar of Bash, which is not built in";
}

}  // namespace joey
