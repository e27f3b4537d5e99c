#include "project/mentions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/base64.hpp"
#include "base/image_info.hpp"
#include "base/text.hpp"
#include "project/git_context.hpp"
#include "project/loading.hpp"
#include "workspace/walk.hpp"

namespace joey {
namespace {

constexpr std::size_t mentioned_file_max = 16U << 20;  // of a file that is read at all
constexpr std::size_t shown_line_bytes_max = 2'000;
constexpr std::size_t warning_shown_max = 300;
constexpr std::size_t note_bytes_max = 512;  // kept free for what a cut text ends with

// What a file or a command says cannot close the tag it stands in.
std::string enclosed(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find("</", at), text.size());
    out.append(text.substr(at, next - at));
    if (next == text.size()) break;
    out.append("<\\/");
    at = next + 2;
  }
  return out;
}

constexpr bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_hexadecimal(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
constexpr bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

// --- Reading a message ---

enum class MentionKind { none, path, url, problems, terminal, git_changes, commit, command };

struct Mention {
  MentionKind kind{MentionKind::none};
  std::string_view written;  // with its '@' or '/'
  std::string value;         // the path, address, hash or name
};

// The text up to white space; a backslash keeps a space within.
std::string_view word_at(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && !is_blank(text[size])) size += text.substr(size).starts_with("\\ ") ? 2U : 1U;
  return text.substr(0, size);
}

std::string_view without_punctuation(std::string_view word) {
  const std::size_t last = word.find_last_not_of(".,;:!?");
  return word.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

bool is_url(std::string_view word) {
  const std::size_t scheme = word.find("://");
  return scheme != std::string_view::npos && scheme > 0 && scheme + 3 < word.size() &&
         std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(scheme),
                     [](char c) { return is_name(c); });
}

// The mention that `text`, which follows white space, begins with.
Mention mention_at(std::string_view text) {
  const std::string_view word = word_at(text);
  if (text.front() == '/') {
    const std::string_view name = word.substr(1);
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_name)) return {};
    return {MentionKind::command, word, std::string(name)};
  }
  const std::string_view written = without_punctuation(word);
  if (written.size() < 2) return {};
  const std::string_view name = written.substr(1);
  const auto mention = [&](MentionKind kind) { return Mention{kind, written, std::string(name)}; };
  if (name == "problems") return mention(MentionKind::problems);
  if (name == "terminal") return mention(MentionKind::terminal);
  if (name == "git-changes") return mention(MentionKind::git_changes);
  if (is_url(name)) return mention(MentionKind::url);
  if (name.front() == '/' && name.size() > 1) {
    Mention path{MentionKind::path, written, {}};
    for (std::size_t i = 1; i < name.size(); ++i) {
      if (name.substr(i).starts_with("\\ ")) ++i;
      path.value += name[i];
    }
    return path;
  }
  const bool hash = name.size() >= 7 && name.size() <= 40 && std::all_of(name.begin(), name.end(), is_hexadecimal);
  return hash ? mention(MentionKind::commit) : Mention{};
}

// --- Files ---

// The lines of a file as read_file shows them, as many as may be.
std::string numbered_lines(const std::string& path, std::string_view text, const MentionLimits& limits,
                           std::size_t bytes_max) {
  if (text.empty()) return "(the file is empty)\n";
  const std::vector<std::string_view> lines = split_lines(text);
  const std::size_t width = std::to_string(std::min(lines.size(), limits.file_lines_max)).size();
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool cut = line.size() > shown_line_bytes_max;
    const std::string shown =
        fmt::format("{:>{}} | {}{}\n", i + 1, width, utf8_prefix(line, shown_line_bytes_max), cut ? "..." : "");
    if (i == limits.file_lines_max || out.size() + shown.size() > bytes_max) {
      return out + fmt::format("(lines 1-{} of {}: read on with read_file, path {}, offset {})\n", i, lines.size(),
                               path, i + 1);
    }
    out += shown;
  }
  return out;
}

// --- Expanding ---

class Expander {
 public:
  Expander(const Project& project, const Workspace& workspace, const MentionSources& sources,
           const MentionLimits& limits)
      : project_(project), workspace_(workspace), sources_(sources), limits_(limits) {}

  Expansion run(std::string_view text) {
    bool boundary = true;
    while (!text.empty()) {
      const char c = text.front();
      const Mention mention = boundary && (c == '@' || c == '/') ? mention_at(text) : Mention{};
      boundary = is_blank(c);
      if (mention.kind == MentionKind::none || !replace(mention)) {
        expansion_.text += c;
        text.remove_prefix(1);
      } else {
        text.remove_prefix(mention.written.size());
      }
    }
    return std::move(expansion_);
  }

 private:
  // Writes what stands for the mention; false when it is none after all.
  bool replace(const Mention& mention) {
    if (mention.kind == MentionKind::command && !is_known(mention.value)) return false;  // "/usr" is none
    const std::string key = fmt::format("{} {}", static_cast<int>(mention.kind), mention.value);
    auto known = replacements_.find(key);
    if (known == replacements_.end()) {
      if (replacements_.size() == limits_.mentions_max) {
        warn(fmt::format("{}: not looked at: a message may have {} mentions", mention.written, limits_.mentions_max));
        return false;
      }
      known = replacements_.emplace(key, show(mention)).first;
    }
    expansion_.text += known->second;
    return true;
  }

  std::string show(const Mention& mention) {
    switch (mention.kind) {
      case MentionKind::path: return show_path(mention);
      case MentionKind::url: return fmt::format("'{}'", mention.value);
      case MentionKind::problems:
        add("workspace_diagnostics", told_by(sources_.problems, "No problems are known."));
        return "workspace problems (see below)";
      case MentionKind::terminal:
        add("terminal_output", told_by(sources_.terminal, "No terminal output is known."));
        return "terminal output (see below)";
      case MentionKind::git_changes:
        add("git_working_state",
            text_or_problem(mention, read_git_changes(workspace_, limits_.git_lines_max, sources_.cancel)));
        return "git changes (see below)";
      case MentionKind::commit:
        add(fmt::format("git_commit hash=\"{}\"", mention.value),
            text_or_problem(mention,
                            read_git_commit(workspace_, mention.value, limits_.git_lines_max, sources_.cancel)));
        return fmt::format("git commit {} (see below)", mention.value);
      case MentionKind::command: return show_command(mention.value);
      case MentionKind::none: break;
    }
    return {};
  }

  [[nodiscard]] bool is_known(const std::string& name) const {
    return find_command(project_, name) != nullptr || find_skill(project_, sources_.mode, name) != nullptr;
  }

  std::string show_command(const std::string& name) {
    if (const SlashCommand* command = find_command(project_, name); command != nullptr) {
      add(fmt::format("command name=\"{}\"", name), command_instructions(*command, {}));
      if (expansion_.mode.empty()) expansion_.mode = command->mode;
      return fmt::format("command /{} (see below)", name);
    }
    add(fmt::format("skill name=\"{}\"", name), skill_instructions(*find_skill(project_, sources_.mode, name), {}));
    return fmt::format("skill {} (see below)", name);
  }

  std::string show_path(const Mention& mention) {
    const Result<std::string> path = workspace_.relative(mention.value);
    const Result<FileInfo> info = path ? workspace_.info(*path) : tl::unexpected(path.error());
    if (!info) {
      add(fmt::format("file_content path=\"{}\"", shown(mention.value)),
          text_or_problem(mention, tl::unexpected(info.error())));
      return fmt::format("'{}' (see below)", shown(mention.value));
    }
    if (info->kind == FileKind::directory) {
      add_folder(mention, *path);
      return fmt::format("'{}' (see below)", shown(*path == "." ? *path : *path + '/'));
    }
    return add_file(mention, *path) ? fmt::format("'{}' (see below)", shown(*path))
                                    : fmt::format("'{}' (image attached)", shown(*path));
  }

  // False when it has become an image.
  bool add_file(const Mention& mention, const std::string& path) {
    const std::string tag = fmt::format("file_content path=\"{}\"", shown(path));
    const Result<std::string> bytes = workspace_.read(path, mentioned_file_max);
    if (!bytes) {
      add(tag, text_or_problem(mention, tl::unexpected(bytes.error())));
      return true;
    }
    if (const auto image = image_info(*bytes)) {
      const std::string refusal = attach(*bytes, image->type);
      if (refusal.empty()) return false;
      add(tag, text_or_problem(mention, failure(ErrorCode::limit, refusal)));
      return true;
    }
    if (room() < note_bytes_max + shown_line_bytes_max) {
      add_too_much(tag);
    } else {
      add(tag, content(path, *bytes, room() - note_bytes_max));
    }
    return true;
  }

  void add_folder(const Mention& mention, const std::string& path) {
    const std::string tag = fmt::format("folder_content path=\"{}/\"", shown(path));
    ListOptions options;
    options.limit = limits_.folder_entries_max;
    const Result<Listing> listing = list_files(workspace_, path, options, sources_.cancel);
    if (!listing) return add(tag, text_or_problem(mention, tl::unexpected(listing.error())));

    const std::vector<WalkEntry>& entries = listing->entries;
    std::string text;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const bool last = i + 1 == entries.size() && !listing->truncated;
      text += fmt::format("{} {}{}\n", last ? "└──" : "├──", shown(last_component(entries[i].path)),
                          entries[i].kind == FileKind::directory ? "/" : "");
    }
    if (listing->truncated) text += "└── (there are more: see list_files)\n";
    if (entries.empty()) text += "(empty)\n";
    std::size_t left_out = 0;
    for (const WalkEntry& entry : entries) {
      if (entry.kind != FileKind::file || sources_.cancel.cancelled()) continue;
      const Result<std::string> bytes = workspace_.read(entry.path, mentioned_file_max);
      const std::string body =
          bytes ? content(entry.path, *bytes, limits_.file_bytes_max) : fmt::format("({})\n", bytes.error().message);
      const std::string file =
          fmt::format("\n<file_content path=\"{}\">\n{}</file_content>\n", shown(entry.path), enclosed(body));
      if (text.size() + file.size() + note_bytes_max > room()) {
        ++left_out;
      } else {
        text += file;
      }
    }
    if (left_out > 0) {
      text += fmt::format(
          "\n({} of the files are not shown, since mentions may bring {} bytes in all: read them with "
          "read_file)\n",
          left_out, limits_.blocks_bytes_max);
      warn(fmt::format("{}: {} of its files are too much to be shown", mention.written, left_out));
    }
    add(tag, text);
  }

  [[nodiscard]] std::string content(const std::string& path, std::string_view bytes, std::size_t bytes_max) const {
    if (bytes.find('\0') != std::string_view::npos || image_info(bytes)) {
      return fmt::format("(a binary file of {} bytes: not shown here; read_file may)\n", bytes.size());
    }
    if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
    return numbered_lines(shown(path), clean(to_utf8(bytes)), limits_, std::min(bytes_max, limits_.file_bytes_max));
  }

  // Why the image cannot be attached; empty when it is.
  std::string attach(std::string_view bytes, std::string_view type) {
    if (expansion_.images.size() == limits_.images_max) {
      return fmt::format("not attached: a message may have {} images", limits_.images_max);
    }
    if (bytes.size() > limits_.image_bytes_max) {
      return fmt::format("not attached: it has {} bytes, more than the {} of an image", bytes.size(),
                         limits_.image_bytes_max);
    }
    if (images_bytes_ + bytes.size() > limits_.images_bytes_max) {
      return fmt::format("not attached: the images of a message may have {} bytes in all", limits_.images_bytes_max);
    }
    images_bytes_ += bytes.size();
    expansion_.images.push_back({std::string(type), encode_base64(bytes)});
    return {};
  }

  [[nodiscard]] std::string clean(std::string text) const { return sources_.clean ? sources_.clean(text) : text; }

  std::string told_by(const std::function<std::string()>& source, std::string_view otherwise) const {
    const std::string told = source ? clean(to_utf8(source())) : std::string();
    return trim(told).empty() ? std::string(otherwise) : elide_middle(told, limits_.source_bytes_max);
  }

  std::string text_or_problem(const Mention& mention, Result<std::string> text) {
    if (text) return *std::move(text);
    warn(fmt::format("{}: {}", mention.written, text.error().message));
    return fmt::format("({})", text.error().message);
  }

  void warn(std::string_view line) { expansion_.warnings.push_back(one_line(line, warning_shown_max)); }

  [[nodiscard]] static std::string shown(std::string_view path) { return one_line(path, path_shown_max); }

  // What blocks may still have.
  [[nodiscard]] std::size_t room() const {
    return limits_.blocks_bytes_max - std::min(used_, limits_.blocks_bytes_max);
  }

  // `tag` is an element's name with its attributes.
  void add(std::string_view tag, std::string_view body) {
    if (body.size() > room()) return add_too_much(tag);
    used_ += body.size();
    push(tag, body);
  }
  void add_too_much(std::string_view tag) {
    push(tag, fmt::format("(not shown: mentions may bring {} bytes in all)", limits_.blocks_bytes_max));
    warn(fmt::format("{}: too much to be shown with what comes before it", tag));
  }
  void push(std::string_view tag, std::string_view body) {
    const std::string_view name = tag.substr(0, tag.find(' '));
    expansion_.blocks.push_back(fmt::format("<{}>\n{}{}</{}>", tag, enclosed(body), body.ends_with('\n') ? "" : "\n", name));
  }

  const Project& project_;
  const Workspace& workspace_;
  const MentionSources& sources_;
  const MentionLimits& limits_;
  Expansion expansion_;
  std::map<std::string, std::string> replacements_;
  std::size_t used_{0};
  std::size_t images_bytes_{0};
};

}  // namespace

Expansion expand(std::string_view text, const Project& project, const Workspace& workspace,
                 const MentionSources& sources, const MentionLimits& limits) {
  return Expander(project, workspace, sources, limits).run(text);
}

}  // namespace joey
