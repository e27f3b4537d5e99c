// What a provider's complaint means: one reading for all vendors, whose shapes differ less than their servers do.
#pragma once

#include <simdjson.h>

#include <span>
#include <string>
#include <string_view>

#include "model/message.hpp"
#include "provider/provider.hpp"

namespace joey {

// An answer with a status outside 200..299. `body` may be JSON of any vendor, a proxy's web page, cut, or nothing.
[[nodiscard]] ModelError error_from_answer(int status, std::span<const HttpHeader> headers, std::string_view body);

// An error reported inside an answer that began well. `event` is the whole object that holds it.
[[nodiscard]] ModelError error_from_event(simdjson::dom::object event);

// An answer that is not of its wire format or beyond a limit; `what` completes "the answer ...".
[[nodiscard]] ModelError malformed_answer(std::string_view what);

// The value of a header, whatever the case of its name; empty: there is none.
[[nodiscard]] std::string_view header_of(std::span<const HttpHeader> headers, std::string_view name);

}  // namespace joey
