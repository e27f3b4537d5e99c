#include "document/document.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "checks.hpp"
#include "mutation.hpp"
#include "samples.hpp"

using namespace joey;

TEST_CASE("documents are known by their content") {
  CHECK(document_kind("%PDF-1.7\n") == DocumentKind::pdf);
  CHECK(document_kind("PK\x03\x04...") == DocumentKind::package);
  CHECK(document_kind(test::notebook()) == DocumentKind::notebook);
  CHECK(document_kind("{\"cells\": 1}") == DocumentKind::none);
  CHECK(document_kind("see %PDF-") == DocumentKind::none);
  CHECK(document_kind("") == DocumentKind::none);
  CHECK(document_text("x", DocumentKind::none, {}).error().code == ErrorCode::not_found);
}

TEST_CASE("a notebook is read cell by cell, with what the cells printed") {
  const auto document = document_text(test::notebook(), DocumentKind::notebook, {});
  REQUIRE(document);
  CHECK(document->title == "Jupyter notebook");
  CHECK(document->text ==
        "--- Cell 1 (markdown) ---\n# Title\ntext\n\n"
        "--- Cell 2 (code) ---\nprint('é')\n1 + 1\n--- Output of cell 2 ---\né\n2\n(image/png, about 12 bytes)\n"
        "ValueError: bad\n\n"
        "--- Cell 3 (code) ---\n");
}

TEST_CASE("long outputs of a notebook are cut, and so is a notebook that is too long") {
  const std::string output(10'000, 'x');
  const auto with = [](std::string_view cells) {
    return notebook_text(fmt::format(R"({{"cells": [{}], "nbformat": 4}})", cells));
  };
  auto document = with(fmt::format(
      R"({{"cell_type": "code", "source": "x", "outputs": [{{"output_type": "stream", "text": "{}"}}]}})", output));
  REQUIRE(document);
  CHECK(document->text.ends_with("x\n(... 6000 more bytes of this output)\n"));
  document = with(
      fmt::format(R"({{"source": "{}"}},{{"source": "{}"}})", std::string(6U << 20, 'y'), std::string(6U << 20, 'z')));
  REQUIRE(document);
  CHECK(document->cut);
  CHECK(document->text.size() == document_text_size_max);
}

TEST_CASE("a damaged notebook is an error of one line") {
  for (const std::string bytes : {"{\"cells\": [", "{\"nbformat\": 4}", "[]", "", "{\"cells\": {}}"}) {
    const auto document = notebook_text(bytes);
    CHECK(test::problem(document, ErrorCode::corrupt).starts_with("is a damaged notebook"));
  }
  std::string deep = "{\"cells\":";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  CHECK_FALSE(notebook_text(deep).has_value());
  CHECK(
      notebook_text(
          R"({"cells": [1, "x", null, [], {}, {"source": 7, "outputs": [3, {"data": 4}, {"data": {"image/x": 5}}]}]})")
          .has_value());
}

TEST_CASE("notebooks changed at random are read or refused") { test::mutate_and_check(test::notebook(), 2'000, 1); }
