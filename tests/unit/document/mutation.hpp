// Documents changed at random: each must be a text or an error of one line, and never a crash.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

#include "../../support/random.hpp"
#include "base/text.hpp"
#include "document/document.hpp"

namespace joey::test {

// One change, as bad disks, bad programs and bad people make them.
inline void mutate(std::string& bytes, Random& random) {
  static constexpr std::array<std::string_view, 14> words{
      "<",  "</",   "\"",         "&#0;", "<p>",         "<t>",     "<tbl><tr><tc>", "99999999999999999999",
      "-1", "[[[[", "XFD1048576", "\f",   "{\"cells\":", "\xFF\xFE"};
  const std::size_t at = random.below(bytes.size() + 1);
  switch (random.below(6)) {
    case 0: bytes.resize(at); break;
    case 1: bytes.insert(at, random.pick(words)); break;
    case 2: bytes.erase(at, random.below(20)); break;
    case 3: bytes.insert(at, bytes.substr(random.below(bytes.size() + 1), random.below(200))); break;
    default:
      if (at < bytes.size()) bytes[at] = static_cast<char>(random.below(256));
      break;
  }
}

inline void check_document(const std::string& bytes) {
  const DocumentKind kind = document_kind(bytes);
  const auto document = document_text(bytes, kind, {});
  if (document) {
    CHECK(is_utf8(document->text));
    CHECK(document->text.size() <= document_text_size_max);
    CHECK(document->title.find('\n') == std::string::npos);
  } else {
    CHECK(document.error().message.find('\n') == std::string::npos);
    CHECK(is_utf8(document.error().message));
    CHECK(document.error().message.size() < 500);
  }
}

inline void mutate_and_check(const std::string& sample, int times, std::uint64_t seed) {
  for (int i = 0; i < times; ++i) {
    const std::uint64_t run = seed * 1'000'000 + static_cast<std::uint64_t>(i);
    CAPTURE(run);
    Random random(run);
    std::string bytes = sample;
    for (std::size_t changes = 1 + random.below(4); changes > 0; --changes) mutate(bytes, random);
    check_document(bytes);
  }
}

}  // namespace joey::test
