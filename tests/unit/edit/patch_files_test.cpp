#include "edit/patch_files.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>

#include "text_support.hpp"

using namespace joey;

namespace {

using Files = std::map<std::string, std::string>;

PatchResult patched(const Files& files, std::string_view body) {
  const std::string patch = fmt::format("*** Begin Patch\n{}*** End Patch\n", body);
  const auto sections = parse_patch(patch);
  REQUIRE_MESSAGE(sections, sections.error().message);
  std::map<std::string, int> reads;
  return apply_patch(*sections, [&](const std::string& path) -> Result<std::optional<std::string>> {
    CHECK(++reads[path] == 1);
    if (path == "dir") return failure(ErrorCode::invalid_argument, "\"dir\": is a directory");
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
}

// What it makes of the files, as text.
std::string after_patch(const Files& files, std::string_view body) {
  const PatchResult result = patched(files, body);
  if (!result.report.empty()) {
    CHECK(result.changes.empty());
    return "failed: " + result.report;
  }
  std::string out;
  for (const FileChange& change : result.changes) {
    CHECK(change.existed == files.contains(change.path));
    const std::string from = change.moved_from.empty() ? "" : change.moved_from + " -> ";
    out += fmt::format("{}{}: {}\n", from, change.path, change.text ? quoted(*change.text) : "gone");
  }
  return out;
}

}  // namespace

TEST_CASE("a patch adds, deletes, updates and moves files, in the order it names them") {
  CHECK(after_patch({{"b", "b\n"}, {"c", "c\n"}, {"d", "d\n"}, {"e", "e\n"}},
                "*** Add File: a\n+a\n*** Delete File: b\n*** Update File: c\n-c\n+C\n"
                "*** Update File: d\n*** Move to: x/d\n-d\n+D\n*** Update File: e\n*** Move to: f\n") ==
        "a: a\\n\nb: gone\nc: C\\n\nd -> x/d: D\\n\ne -> f: e\\n\n");
}

TEST_CASE("defect 3: sections of one file build on each other") {
  const Files files{{"a", "1\n2\n3\n"}};
  CHECK(after_patch(files, "*** Update File: a\n-1\n+one\n*** Update File: a\n one\n-2\n+two\n") == "a: one\\ntwo\\n3\\n\n");
  CHECK(after_patch(files, "*** Update File: a\n*** Move to: b\n-1\n+one\n*** Update File: b\n-3\n+three\n") ==
        "a -> b: one\\n2\\nthree\\n\n");
  CHECK(after_patch(files, "*** Delete File: a\n*** Add File: a\n+new\n") == "a: new\\n\n");
  CHECK(after_patch(files, "*** Add File: b\n+x\n*** Update File: b\n-x\n+y\n") == "b: y\\n\n");
  CHECK(after_patch(files, "*** Add File: b\n+x\n*** Delete File: b\n").empty());
  CHECK(after_patch(files, "*** Update File: a\n*** Move to: b\n*** Update File: b\n*** Move to: c\n") == "a -> c: 1\\n2\\n3\\n\n");
  CHECK(after_patch(files, "*** Update File: a\n*** Move to: b\n*** Update File: b\n*** Move to: a\n") == "a: 1\\n2\\n3\\n\n");
  CHECK(after_patch(files, "*** Update File: a\n*** Move to: b\n*** Add File: a\n+new\n") == "a: new\\n\nb: 1\\n2\\n3\\n\n");
  CHECK(after_patch(files, "*** Update File: a\n*** Move to: a\n-1\n+0\n") == "a: 0\\n2\\n3\\n\n");
  CHECK(after_patch({{"a", "a\n"}, {"b", "b\n"}}, "*** Delete File: b\n*** Update File: a\n*** Move to: b\n") ==
        "b: a\\n\na: gone\n");
}

TEST_CASE("what exists is neither added nor moved onto, and what does not is neither changed nor deleted") {
  const Files files{{"a", "a\n"}, {"b", "b\n"}};
  CHECK(after_patch(files, "*** Add File: a\n+x\n") ==
        "failed: Line 2 of the patch: \"a\" exists already: update it, or delete it before you add it\n");
  CHECK(holds(after_patch(files, "*** Update File: a\n*** Move to: b\n"), "\"b\" exists already: delete it before you move \"a\" there"));
  CHECK(holds(after_patch(files, "*** Delete File: c\n"), "Line 2 of the patch: \"c\" does not exist"));
  CHECK(holds(after_patch(files, "*** Update File: c\n-x\n"), "\"c\" does not exist"));
  CHECK(holds(after_patch(files, "*** Delete File: a\n*** Update File: a\n-a\n"), "Line 3 of the patch: \"a\" does not exist"));
  CHECK(holds(after_patch(files, "*** Update File: a\n*** Move to: c\n*** Delete File: a\n"), "\"a\" does not exist"));
  CHECK(holds(after_patch(files, "*** Delete File: dir\n"), "Line 2 of the patch: \"dir\": is a directory"));
}

TEST_CASE("every failure of a patch is reported, of all its files, and nothing applies") {
  const std::string report = after_patch({{"a", "a\nx\nx\n"}, {"b", "b\n"}},
                                     "*** Update File: a\n-y\n@@\n-x\n+z\n*** Update File: b\n-b\n+B\n*** Delete File: c\n"
                                     "*** Update File: a\n-a\n*** Update File: dir\n-x\n*** Add File: dir\n");
  CHECK(holds(report, "In \"a\":\nChunk 1 of 2 (line 3 of the patch) failed: "));
  CHECK(holds(report, "\nChunk 2 of 2 (line 4 of the patch) failed: its lines are in the file 2 times, at lines 2, 3"));
  CHECK(holds(report, "\nLine 10 of the patch: \"c\" does not exist"));
  CHECK(holds(report, "\nLine 11 of the patch: \"a\": not tried, since an earlier part of the patch for it failed\n"));
  CHECK(holds(report, "\nLine 13 of the patch: \"dir\": is a directory\n"));
  CHECK(report.find("\"b\"") == std::string::npos);
}

TEST_CASE("what was not found exactly is noted with its file") {
  const PatchResult result = patched({{"a", "a \n"}}, "*** Update File: a\n-a\n+b\n");
  CHECK(result.inexact == std::set<std::string>{"a"});
  CHECK(result.notes == "In \"a\": Chunk 1 matched line 1 except for white space or typography.\n");
}
