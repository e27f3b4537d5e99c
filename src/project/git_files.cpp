#include "project/git_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/text.hpp"
#include "project/loading.hpp"

namespace joey {
namespace {

constexpr std::size_t link_file_bytes_max = 4'096;
constexpr std::size_t config_bytes_max = 256U << 10;
constexpr std::size_t packed_refs_bytes_max = 32U << 20;
constexpr std::size_t index_bytes_max = 64U << 20;
constexpr int symbolic_refs_max = 5;
constexpr std::size_t index_entry_bytes_min = 63;  // with a path of one byte

std::string real_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? std::string() : real.string();
}

tl::unexpected<Error> damaged(std::string_view what) {
  return failure(ErrorCode::corrupt, fmt::format("git: {} is damaged: see git fsck", what));
}

// What a file of one line says; empty when it cannot be read.
std::string line_in(const GitPlace& place, std::string_view name) {
  const Result<std::string> text = read_at(*place.root, place.path(name), link_file_bytes_max);
  return text ? std::string(trim(*text)) : std::string();
}

// The last value of a key of the repository's configuration, whatever section it is in; empty when it has none. `key` is in
// lower case: git does not mind its case.
std::string configured(const GitPlace& git, std::string_view key) {
  const Result<std::string> text = read_at(*git.root, git.path("config"), config_bytes_max);
  if (!text) return {};
  const auto is_key = [key](std::string_view name) {
    return std::equal(name.begin(), name.end(), key.begin(), key.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
  };
  std::string value;
  for (const std::string_view line : split_lines(*text)) {
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos && is_key(trim(line.substr(0, equals)))) value = trim(line.substr(equals + 1));
  }
  return value;
}

Result<GitPlace> open_place(const std::string& directory) {
  Result<Root> root = Root::open(directory, Resolver::kernel);
  if (!root) return failure(ErrorCode::not_found, "git: the repository that the file .git names does not exist");
  return GitPlace{std::make_shared<const Root>(std::move(*root)), {}};
}

// Follows a .git file: `gitdir: PATH`.
Result<GitFolder> follow_git_file(const std::shared_ptr<const Root>& root) {
  const std::string link = line_in({root, {}}, ".git");
  constexpr std::string_view prefix = "gitdir:";
  if (!link.starts_with(prefix)) {
    return failure(ErrorCode::not_found, "git: the file .git does not name a repository");
  }
  const std::filesystem::path top(root->path());
  const Result<GitPlace> own = open_place(top / trim(std::string_view(link).substr(prefix.size())));
  if (!own) return tl::unexpected(own.error());

  const std::filesystem::path directory(own->root->path());
  const std::string back = line_in(*own, "gitdir");
  if (!back.empty() && real_path(directory / back) == real_path(top / ".git")) {
    const std::string commondir = line_in(*own, "commondir");
    if (commondir.empty()) return damaged("the worktree's folder");
    const Result<GitPlace> common = open_place(directory / commondir);
    if (!common) return tl::unexpected(common.error());
    // A linked worktree's own folder is COMMON/worktrees/NAME.
    if (directory.parent_path().parent_path() == common->root->path()) return GitFolder{*own, *common};
  }
  const std::string worktree = configured(*own, "worktree");
  if (!worktree.empty() && real_path(directory / worktree) == root->path()) return GitFolder{*own, *own};
  return failure(ErrorCode::denied,
                 "git: the file .git names a repository that does not name this folder: see git worktree repair");
}

// --- Refs ---

// Whether a ref's name is a path that can be looked up: none of .git's other files.
bool is_ref_name(std::string_view name) {
  return name.starts_with("refs/") && name.find("..") == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

// The line of packed-refs that is for `name`.
std::optional<GitId> packed_ref(const GitPlace& common, std::string_view name) {
  const Result<std::string> text = read_at(*common.root, common.path("packed-refs"), packed_refs_bytes_max);
  if (!text) return std::nullopt;
  for (const std::string_view line : split_lines(*text)) {
    const bool is_it = line.size() == 41 + name.size() && line[40] == ' ' && line.substr(41) == name;
    if (is_it) return id_of_hex(line.substr(0, 40));
  }
  return std::nullopt;
}

// --- Reading bytes ---

// Takes numbers and texts from bytes, and remembers when there were too few.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (const char c : take(size)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  GitId id() {
    GitId value{};
    const std::string_view taken = take(value.size());
    std::copy(taken.begin(), taken.end(), value.begin());
    return value;
  }
  // Up to `end`, which is taken as well.
  std::string_view until(char end) {
    const std::size_t size = rest_.find(end);
    if (size == std::string_view::npos) return take(rest_.size() + 1);
    const std::string_view taken = take(size);
    take(1);
    return taken;
  }

 private:
  std::string_view rest_;
  bool ok_{true};
};

template <class Number>
std::optional<Number> number_of(std::string_view text, int base = 10) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// --- The index ---

// The offset encoding of index version 4: seven bits a byte, each further byte adding one.
std::size_t prefix_length(Bytes& bytes) {
  std::size_t value = 0;
  for (int count = 0; count < 5; ++count) {
    const auto byte = static_cast<unsigned char>(bytes.number(1));
    value = (value << 7) + (byte & 0x7F) + (count > 0 ? std::size_t{1} << 7 : 0);
    if ((byte & 0x80) == 0) return value;
  }
  bytes.take(bytes.rest().size() + 1);  // too long: damaged
  return 0;
}

bool read_index_entry(Bytes& bytes, unsigned version, const std::string& previous, GitIndexEntry& entry) {
  constexpr unsigned assume_valid = 0x8000;
  constexpr unsigned extended = 0x4000;
  constexpr unsigned skip_worktree = 0x4000;  // of the flags that follow
  const std::size_t before = bytes.rest().size();
  bytes.take(8);
  entry.modified_s = bytes.number(4);
  entry.modified_ns = bytes.number(4);
  bytes.take(8);
  entry.mode = bytes.number(4);
  bytes.take(8);
  entry.size = bytes.number(4);
  entry.id = bytes.id();
  const unsigned flags = bytes.number(2);
  entry.stage = flags >> 12 & 3;
  entry.assumed = (flags & assume_valid) != 0;
  if ((flags & extended) != 0) entry.assumed = (bytes.number(2) & skip_worktree) != 0 || entry.assumed;
  if (version == 4) {
    const std::size_t cut = prefix_length(bytes);
    if (cut > previous.size()) return false;
    entry.path = previous.substr(0, previous.size() - cut);
    entry.path += bytes.until('\0');
  } else {
    entry.path = bytes.until('\0');
    const std::size_t size = before - bytes.rest().size();
    bytes.take((8 - size % 8) % 8);  // entries begin at multiples of eight
  }
  return bytes.ok() && !entry.path.empty() && entry.path.front() != '/';
}

// The extension TREE: directories, parents first, each with what is beneath it.
void read_cached_trees(Bytes bytes, std::map<std::string, GitId>& trees) {
  struct Open {
    std::string path;
    std::size_t left;
  };
  std::vector<Open> open;
  while (!bytes.rest().empty() && bytes.ok()) {
    const std::string_view name = bytes.until('\0');
    const auto entries = number_of<std::int64_t>(bytes.until(' '));
    const auto children = number_of<std::size_t>(bytes.until('\n'));
    if (!entries || !children) return;
    while (!open.empty() && open.back().left == 0) open.pop_back();
    std::string path;
    if (!open.empty()) {
      --open.back().left;
      path = join_path(open.back().path, name);
    } else if (!name.empty()) {
      return;
    }
    if (*entries >= 0) {  // else something beneath it has changed
      const GitId id = bytes.id();
      if (bytes.ok()) trees.emplace(path, id);
    }
    if (*children > 0) open.push_back({std::move(path), *children});
  }
}

}  // namespace

// --- Names ---

std::string hex_of(const GitId& id) {
  std::string text;
  for (const unsigned char byte : id) text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<GitId> id_of_hex(std::string_view digits) {
  GitId id{};
  if (digits.size() != 2 * id.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const auto byte = number_of<unsigned>(digits.substr(2 * i, 2), 16);
    if (!byte || digits[2 * i] == '-') return std::nullopt;
    id[i] = static_cast<unsigned char>(*byte);
  }
  return id;
}

// --- Finding a repository ---

std::string GitPlace::path(std::string_view name) const { return join_path(prefix, name); }

Result<GitFolder> find_git_folder(const Workspace& workspace) {
  const Result<std::shared_ptr<const Root>> root = root_of(workspace);
  if (!root) return tl::unexpected(root.error());
  const Result<FileInfo> info = info_at(**root, ".git");
  if (!info && info.error().code != ErrorCode::not_found) return tl::unexpected(info.error());
  if (!info) return failure(ErrorCode::not_found, "git: the workspace's root is not the top of a repository");
  const GitPlace place{*root, ".git"};
  Result<GitFolder> folder = GitFolder{place, place};
  if (info->kind != FileKind::directory) folder = follow_git_file(*root);
  if (folder) folder->keeps_modes = configured(folder->common, "filemode") != "false";
  return folder;
}

Result<GitHead> read_git_head(const GitFolder& folder) {
  constexpr std::string_view symbolic = "ref:";
  constexpr std::string_view heads = "refs/heads/";
  GitHead head;
  std::string text = line_in(folder.own, "HEAD");
  for (int count = 0; text.starts_with(symbolic); ++count) {
    const std::string name(trim(std::string_view(text).substr(symbolic.size())));
    if (count == symbolic_refs_max || !is_ref_name(name)) return damaged("HEAD");
    if (count == 0) head.branch = name.starts_with(heads) ? name.substr(heads.size()) : name;
    text = line_in(folder.common, name);
    if (!text.empty()) continue;
    head.id = packed_ref(folder.common, name);
    return head;
  }
  head.id = id_of_hex(text);
  if (head.id) return head;
  if (text.size() == 64) return failure(ErrorCode::unsupported, "git: repositories of SHA-256 are not supported");
  return damaged("HEAD");
}

// --- Trees and commits ---

Result<std::vector<GitTreeEntry>> parse_git_tree(std::string_view bytes) {
  std::vector<GitTreeEntry> entries;
  Bytes reader(bytes);
  while (!reader.rest().empty()) {
    const auto mode = number_of<std::uint32_t>(reader.until(' '), 8);
    GitTreeEntry entry{std::string(reader.until('\0')), mode.value_or(0), reader.id()};
    const bool named =
        !entry.name.empty() && entry.name != "." && entry.name != ".." && entry.name.find('/') == std::string::npos;
    if (!reader.ok() || !mode || !named) return damaged("a tree");
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<GitCommit> parse_git_commit(std::string_view bytes) {
  GitCommit commit;
  bool has_tree = false;
  Bytes reader(bytes);
  while (true) {
    const std::string_view line = reader.until('\n');
    if (!reader.ok()) return damaged("a commit");
    if (line.empty()) break;
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view key = line.substr(0, space);
    const std::string_view value = line.substr(std::min(space + 1, line.size()));
    if (key == "tree" || key == "parent") {
      const std::optional<GitId> id = id_of_hex(value);
      if (!id) return damaged("a commit");
      if (key == "parent") commit.parents.push_back(*id);
      if (key == "tree") commit.tree = *id;
      has_tree = has_tree || key == "tree";
    } else if (key == "author") {
      const std::size_t end = value.rfind('>');
      if (end == std::string_view::npos) continue;
      commit.author = value.substr(0, end + 1);
      const std::string_view when = trim(value.substr(end + 1));
      const std::size_t gap = std::min(when.find(' '), when.size());
      commit.seconds = number_of<std::int64_t>(when.substr(0, gap)).value_or(0);
      std::string_view zone = trim(when.substr(gap));
      const bool west = zone.starts_with('-');
      if (west || zone.starts_with('+')) zone.remove_prefix(1);
      const int clock = std::clamp(number_of<int>(zone).value_or(0), 0, 2'400);
      commit.offset_minutes = (clock / 100 * 60 + clock % 100) * (west ? -1 : 1);
    }
  }
  if (!has_tree) return damaged("a commit");
  commit.message = reader.rest();
  return commit;
}

Result<GitIndex> read_git_index(const GitFolder& folder) {
  GitIndex index;
  const Root& root = *folder.own.root;
  const std::string path = folder.own.path("index");
  const Result<FileInfo> info = info_at(root, path);
  if (!info && info.error().code == ErrorCode::not_found) return index;
  const Result<std::string> file = read_at(root, path, index_bytes_max);
  if (!info || !file) return tl::unexpected(info ? file.error() : info.error());
  index.modified_ns = info->modified_ns;

  Bytes bytes(*file);
  const bool signed_so = bytes.take(4) == "DIRC";
  const unsigned version = bytes.number(4);
  const std::size_t count = bytes.number(4);
  if (!signed_so || version < 2 || version > 4 || count > file->size() / (version == 4 ? 1 : index_entry_bytes_min)) {
    return damaged("the index");
  }
  std::string previous;
  for (std::size_t i = 0; i < count; ++i) {
    GitIndexEntry entry;
    if (!read_index_entry(bytes, version, previous, entry)) return damaged("the index");
    previous = entry.path;
    if (!index.entries.empty() && entry.path < index.entries.back().path) return damaged("the index");
    index.entries.push_back(std::move(entry));
  }
  while (bytes.rest().size() > GitId().size()) {  // what is left then is a digest
    const std::string_view name = bytes.take(4);
    const std::string_view content = bytes.take(bytes.number(4));
    if (!bytes.ok()) return damaged("the index");
    if (name == "TREE") read_cached_trees(Bytes(content), index.trees);
    if (name == "link" || name == "sdir") {
      return failure(ErrorCode::unsupported, "git: split and sparse indexes are not supported: see git update-index");
    }
  }
  return index;
}

}  // namespace joey
