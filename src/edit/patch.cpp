#include "edit/patch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "edit/lines.hpp"

namespace joey {
namespace {

constexpr std::size_t sections_max = 1000;
constexpr std::size_t chunks_max = 10'000;  // of all sections together
constexpr std::size_t shown_size_max = 80;  // bytes of a wrong line in a message

constexpr std::string_view begin_marker = "*** Begin Patch";
constexpr std::string_view end_marker = "*** End Patch";
constexpr std::string_view add_marker = "*** Add File:";
constexpr std::string_view remove_marker = "*** Delete File:";
constexpr std::string_view update_marker = "*** Update File:";
constexpr std::string_view move_marker = "*** Move to:";
constexpr std::string_view end_of_file_marker = "*** End of File";

// What follows `marker` in a line that begins with it.
std::optional<std::string_view> after(std::string_view line, std::string_view marker) {
  line = trim(line);
  if (!line.starts_with(marker)) return std::nullopt;
  return trim(line.substr(marker.size()));
}

// Whether `text` is the line numbers of a unified diff's "@@ -1,3 +1,4 @@".
bool is_line_numbers(std::string_view text) {
  return text.starts_with('-') && text.find('+') != std::string_view::npos &&
         text.find_first_not_of("-+0123456789, ") == std::string_view::npos;
}

// The context of an "@@" line; nullopt when it is no such line.
std::optional<std::string_view> context_of(std::string_view line) {
  if (line != "@@" && !line.starts_with("@@ ")) return std::nullopt;
  std::string_view context = line.substr(std::min<std::size_t>(line.size(), 3));
  const std::size_t closing = std::min(context.find("@@"), context.size());
  if (is_line_numbers(trim(context.substr(0, closing)))) {  // they say nothing here; a line may follow them
    context.remove_prefix(std::min(closing + 3, context.size()));
  }
  return context;
}

class PatchReader {
 public:
  explicit PatchReader(std::string_view patch) : lines_(to_lines(patch)) {}

  Result<std::vector<PatchSection>> read() {
    if (auto found = find_ends(); !found) return tl::unexpected(std::move(found.error()));
    std::vector<PatchSection> sections;
    while (at_ < end_) {
      if (is_blank(text())) {
        ++at_;
        continue;
      }
      if (sections.size() == sections_max) {
        return failure(ErrorCode::invalid_argument, fmt::format("the patch has more than {} sections: send it in parts", sections_max));
      }
      auto section = read_section();
      if (!section) return tl::unexpected(std::move(section.error()));
      sections.push_back(std::move(*section));
    }
    if (sections.empty()) {
      return failure(ErrorCode::invalid_argument,
                     "the patch changes no file: write *** Add File:, *** Delete File: or *** Update File: and its path");
    }
    return sections;
  }

 private:
  [[nodiscard]] std::string_view text() const { return lines_[at_].text; }
  static bool is_blank(std::string_view line) { return trim(line).empty(); }

  Status find_ends() {
    while (at_ < lines_.size() && trim(text()) != begin_marker) ++at_;
    if (at_ == lines_.size()) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("the patch does not begin: a line \"{}\" was expected", begin_marker));
    }
    end_ = lines_.size();
    while (end_ > at_ && trim(lines_[end_ - 1].text) != end_marker) --end_;
    if (end_ == at_) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("the patch ends early: a last line \"{}\" was expected", end_marker));
    }
    ++at_;
    --end_;
    return {};
  }

  Result<PatchSection> read_section() {
    PatchSection section;
    section.patch_line = at_ + 1;
    if (const auto added = after(text(), add_marker)) {
      section.kind = PatchSection::Kind::add;
      section.path = *added;
    } else if (const auto removed = after(text(), remove_marker)) {
      section.kind = PatchSection::Kind::remove;
      section.path = *removed;
    } else if (const auto updated = after(text(), update_marker)) {
      section.path = *updated;
    } else {
      return unexpected_line("*** Add File: PATH, *** Delete File: PATH or *** Update File: PATH");
    }
    if (section.path.empty()) return unexpected_line("a path after the colon");
    ++at_;
    Status body;
    if (section.kind == PatchSection::Kind::add) read_content(section);
    if (section.kind == PatchSection::Kind::update) body = read_update(section);
    if (!body) return tl::unexpected(std::move(body.error()));
    return section;
  }

  // A blank line between two of the new file's is one of them, whose '+' was forgotten.
  void read_content(PatchSection& section) {
    std::size_t blank = 0;
    for (; at_ < end_; ++at_) {
      if (is_blank(text())) {
        ++blank;
        continue;
      }
      if (!text().starts_with('+')) break;
      section.content.append(blank, '\n').append(text().substr(1)).append("\n");
      blank = 0;
    }
  }

  Status read_update(PatchSection& section) {
    if (at_ < end_) {
      if (const auto target = after(text(), move_marker)) {
        if (target->empty()) return unexpected_line("a path after the colon");
        section.move_to = *target;
        ++at_;
      }
    }
    while (at_ < end_ && !text().starts_with("***")) {
      if (is_blank(text())) {
        ++at_;
        continue;
      }
      if (chunks_ == chunks_max) {
        return failure(ErrorCode::invalid_argument, fmt::format("the patch has more than {} chunks: send it in parts", chunks_max));
      }
      ++chunks_;
      auto chunk = read_chunk();
      if (!chunk) return tl::unexpected(std::move(chunk.error()));
      section.chunks.push_back(std::move(*chunk));
    }
    if (section.chunks.empty() && section.move_to.empty()) {
      return failure(ErrorCode::invalid_argument, fmt::format("line {} of the patch: the update of \"{}\" changes nothing",
                                                              section.patch_line, section.path));
    }
    return {};
  }

  Result<PatchChunk> read_chunk() {
    PatchChunk chunk;
    chunk.patch_line = at_ + 1;
    for (; at_ < end_; ++at_) {
      const auto context = context_of(text());
      if (!context) break;
      if (!is_blank(*context)) chunk.contexts.push_back(*context);
    }
    for (; at_ < end_; ++at_) {
      const std::string_view line = text();
      if (trim_end(line) == end_of_file_marker && !chunk.lines.empty()) {
        chunk.at_end = true;
        ++at_;
        break;
      }
      if (line.starts_with("***") || context_of(line)) break;
      if (line.empty()) {
        chunk.lines.push_back({PatchLine::Kind::kept, line});
      } else if (line[0] == ' ') {
        chunk.lines.push_back({PatchLine::Kind::kept, line.substr(1)});
      } else if (line[0] == '-') {
        chunk.lines.push_back({PatchLine::Kind::removed, line.substr(1)});
      } else if (line[0] == '+') {
        chunk.lines.push_back({PatchLine::Kind::added, line.substr(1)});
      } else {
        return unexpected_line("a line that begins with ' ' (stays), '-' (goes) or '+' (comes), or @@");
      }
    }
    if (chunk.lines.empty()) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("line {} of the patch: the chunk that begins there has no lines", chunk.patch_line));
    }
    return chunk;
  }

  [[nodiscard]] tl::unexpected<Error> unexpected_line(std::string_view expected) const {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("line {} of the patch: found \"{}\" where {} was expected", at_ + 1,
                               utf8_prefix(trim_end(text()), shown_size_max), expected));
  }

  std::vector<Line> lines_;
  std::size_t at_{0};
  std::size_t end_{0};  // of the sections
  std::size_t chunks_{0};
};

}  // namespace

Result<std::vector<PatchSection>> parse_patch(std::string_view patch) { return PatchReader(patch).read(); }

}  // namespace joey
