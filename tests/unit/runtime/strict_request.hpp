// What a vendor would refuse a request for, as far as its messages go: each call has one result, directly after it and in order;
// roles take turns; nothing is empty; ids and arguments are what they must be.
#pragma once

#include <string>
#include <string_view>

namespace joey::test {

// Empty: it would be taken.
[[nodiscard]] std::string refusal_of(std::string_view wire, std::string_view body);

}  // namespace joey::test
