// What stands in a text where a secret was.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace joey {

// Makes tags unguessable: random, and the same for as long as equal secrets are to have equal placeholders.
using RedactionKey = std::array<unsigned char, 32>;

// "[secret:github-token:1f3a9c7d]": the name in [a-z0-9-]{1,40}, and eight digits of a keyed digest of the secret.
[[nodiscard]] std::string placeholder(const RedactionKey& key, std::string_view name, std::string_view secret);

// A name as placeholders have it: "DB_PASSWORD" is "db-password".
[[nodiscard]] std::string placeholder_name(std::string_view name);

// "joey-secret-" and 32 hexadecimal digits: what a command gets instead of a secret that the egress proxy puts into requests.
// It goes unchanged through headers, URLs, JSON and shells, and through a Redactor. Equal names and secrets have equal ones.
[[nodiscard]] std::string host_placeholder(const RedactionKey& key, std::string_view name, std::string_view secret);
[[nodiscard]] bool has_host_placeholder(std::string_view text);

// The next text in the form of a placeholder at or after `from`; empty, at the text's end, when there is none.
[[nodiscard]] std::string_view find_placeholder(std::string_view text, std::size_t from);

}  // namespace joey
