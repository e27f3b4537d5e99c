#include "checkpoint/repository.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace joey::shadow {
namespace {

constexpr std::size_t label_size_max = 200;
constexpr std::size_t packs_max = 16;                       // then small ones are joined
constexpr std::uint64_t joined_pack_max = 256ULL << 20;     // larger ones stay as they are
constexpr std::uint64_t checked_pack_max = 8ULL << 20;     // larger ones were written through to the disk
constexpr std::chrono::milliseconds lock_look_interval{5};
constexpr std::string_view config_text =
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
    // Trees hold all permission bits.
    "[fsck]\n\tbadFilemode = ignore\n"
    // References are read as files.
    "[gc]\n\tauto = 0\n\tpackRefs = false\n";

int make_directory(const std::string& path) { return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno; }

// None where there is no such directory. One that cannot be listed is an error: taken for an empty one, what it names
// would be dropped.
Result<std::vector<std::string>> names_in(const std::string& path) {
  const Handle directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory && errno == ENOENT) return std::vector<std::string>();
  if (!directory) return tl::unexpected(system_error(errno, path));
  std::vector<ListedName> listed;
  if (const int error = list_names(directory.get(), 10'000'000, listed); error != 0) {
    return tl::unexpected(system_error(error, path));
  }
  std::vector<std::string> names;
  names.reserve(listed.size());
  for (ListedName& each : listed) names.push_back(std::move(each.name));
  return names;
}

std::string one_line(std::string_view text) {
  std::string line = to_utf8(utf8_prefix(text, label_size_max));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return line;
}

// --- Commits ---

std::string encode_commit(const Snapshot& snapshot) {
  const Checkpoint& checkpoint = snapshot.checkpoint;
  std::string json;
  JsonWriter(json)
      .begin_object()
      .field("task", checkpoint.task)
      .field("number", snapshot.number)
      .field("seq", checkpoint.seq)
      .field("label", checkpoint.label)
      .field("created_at", checkpoint.created_at)
      .field("changed", checkpoint.changed)
      .end_object();
  const std::string who = fmt::format("joey <joey@localhost> {} +0000", std::max<Timestamp>(checkpoint.created_at, 0) / 1000);
  return fmt::format("tree {}\nauthor {}\ncommitter {}\n\n{}\n\n{}\n", snapshot.tree.hex(), who, who,
                     checkpoint.label.empty() ? "checkpoint" : checkpoint.label, json);
}

bool decode_commit(const std::string& text, Snapshot& snapshot) {
  if (!text.starts_with("tree ") || text.size() < 46 || !Id::parse(std::string_view(text).substr(5, 40), snapshot.tree)) {
    return false;
  }
  const std::size_t last = text.rfind("\n{");
  if (last == std::string::npos) return false;
  simdjson::dom::parser parser;
  simdjson::dom::object json;
  const simdjson::padded_string padded(std::string_view(text).substr(last + 1));
  if (parser.parse(padded).get(json) != simdjson::SUCCESS) return false;
  Checkpoint& checkpoint = snapshot.checkpoint;
  std::string_view task;
  std::string_view label;
  std::uint64_t changed = 0;
  if (json["task"].get(task) != simdjson::SUCCESS || json["label"].get(label) != simdjson::SUCCESS ||
      json["number"].get(snapshot.number) != simdjson::SUCCESS || json["seq"].get(checkpoint.seq) != simdjson::SUCCESS ||
      json["created_at"].get(checkpoint.created_at) != simdjson::SUCCESS ||
      json["changed"].get(changed) != simdjson::SUCCESS) {
    return false;
  }
  checkpoint.task = task;
  checkpoint.label = label;
  checkpoint.changed = changed;
  return true;
}

// --- Packs ---

struct PackFile {
  std::string name;  // without ".pack"
  std::uint64_t size{0};
};

// Smallest first. Removes what a killed writer left.
Result<std::vector<PackFile>> packs_in(const std::string& directory) {
  std::vector<PackFile> packs;
  Result<std::vector<std::string>> names = names_in(directory);
  if (!names) return tl::unexpected(std::move(names.error()));
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    struct stat status = {};
    const bool is_index = name.ends_with(".idx") && name.starts_with("pack-");
    if (is_index) {
      const std::string base = path.substr(0, path.size() - 4);
      if (::stat((base + ".pack").c_str(), &status) == 0) {
        packs.push_back({base, static_cast<std::uint64_t>(status.st_size)});
        continue;
      }
    } else if (name.ends_with(".pack")) {
      const std::string index = name.substr(0, name.size() - 5) + ".idx";
      if (std::binary_search(names->begin(), names->end(), index)) continue;
    } else if (!name.starts_with("tmp_")) {
      continue;
    }
    ::unlink(path.c_str());
  }
  std::sort(packs.begin(), packs.end(), [](const PackFile& a, const PackFile& b) { return a.size < b.size; });
  return packs;
}

void remove_pack(const std::string& name) {
  // The index first: a pack without one does not exist.
  ::unlink((name + ".idx").c_str());
  ::unlink((name + ".pack").c_str());
}

// An object that could not be read is lost, and not only out of reach for the moment.
bool is_lost(const Objects& objects, const IdSet& stored, const Id& id) {
  return !stored.contains(id) && !objects.has(id);
}

// Adds the tree and all in it. What is lost is passed over: the rest of it is still worth keeping. What is there but
// cannot be read is an error, because what it names is not known.
Status mark_tree(const Objects& objects, const Id& root, const IdSet& stored, IdSet& marked) {
  std::vector<Id> trees{root};
  while (!trees.empty()) {
    const Id tree = trees.back();
    trees.pop_back();
    if (!marked.insert(tree).second) continue;
    const Result<std::vector<TreeEntry>> entries = objects.tree(tree);
    if (!entries && is_lost(objects, stored, tree)) continue;
    if (!entries) return tl::unexpected(entries.error());
    for (const TreeEntry& entry : *entries) {
      if (is_directory(entry.mode)) {
        trees.push_back(entry.id);
      } else if (!is_not_kept(entry.mode)) {
        marked.insert(entry.id);
      }
    }
  }
  return {};
}

}  // namespace

Status check_task(const std::string& task) {
  const bool characters = std::all_of(task.begin(), task.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
  if (characters && !task.empty() && task.size() <= 200 && task.front() != '.' && task.front() != '-' &&
      task.back() != '.' && task.find("..") == std::string::npos && !task.ends_with(".lock")) {
    return {};
  }
  return failure(ErrorCode::invalid_argument,
                 fmt::format("task {}: a checkpoint's task is named by letters, digits, '_', '-' and single '.' inside",
                             quoted_path(task)));
}

// --- Opening ---

Result<std::unique_ptr<Repository>> Repository::open(const std::string& directory, const std::string& root, bool create,
                                                     const RepositoryLimits& limits, std::uint64_t cache_key,
                                                     std::chrono::milliseconds lock_wait_max, const CancelToken& cancel) {
  std::unique_ptr<Repository> repository(new Repository());
  repository->directory_ = directory;
  repository->limits_ = limits;
  repository->cache_key_ = cache_key;
  if (Status status = repository->lock(root, create, lock_wait_max, cancel); !status) {
    return tl::unexpected(std::move(status.error()));
  }
  if (!repository->lock_) return std::unique_ptr<Repository>();
  if (::stat(directory.c_str(), &repository->status_) != 0) return tl::unexpected(system_error(errno, directory));

  std::string owner;
  const int error = read_file(directory + "/root", 1U << 16, owner);
  if (error == ENOENT && !create) return std::unique_ptr<Repository>();
  if (error == ENOENT) {
    if (Status status = repository->create_files(root); !status) return tl::unexpected(std::move(status.error()));
  } else if (error != 0) {
    return tl::unexpected(system_error(error, directory + "/root"));
  } else if (owner != root) {
    return failure(ErrorCode::conflict, fmt::format("{}: holds the checkpoints of {}, not of {}", quoted_path(directory),
                                                    quoted_path(owner), quoted_path(root)));
  }
  if (Status status = repository->check_after_boot(); !status) return tl::unexpected(std::move(status.error()));
  if (Status status = repository->open_objects(); !status) return tl::unexpected(std::move(status.error()));
  return repository;
}

// Without a lock and an error: there is no repository, and none was to be made.
Status Repository::lock(const std::string& root, bool create, std::chrono::milliseconds wait_max,
                        const CancelToken& cancel) {
  const std::string path = directory_ + "/lock";
  const auto deadline = std::chrono::steady_clock::now() + wait_max;
  while (true) {
    if (create) {
      if (const int error = make_directory(directory_); error != 0) return tl::unexpected(system_error(error, directory_));
    }
    lock_ = Handle(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600));
    if (!lock_ && errno == ENOENT) {
      if (create) continue;  // removed with its directory, just now
      return {};
    }
    if (!lock_) return tl::unexpected(system_error(errno, path));
    while (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return tl::unexpected(system_error(errno, path));
      if (cancel.cancelled()) return failure(ErrorCode::cancelled, "the checkpoint was cancelled");
      if (std::chrono::steady_clock::now() >= deadline) {
        return failure(ErrorCode::busy, fmt::format("the checkpoints of {} are in use by another engine: try again later",
                                                    quoted_path(root)));
      }
      std::this_thread::sleep_for(lock_look_interval);
    }
    // Whoever dropped the last task removed the file that was locked here.
    struct stat locked = {};
    struct stat named = {};
    if (::fstat(lock_.get(), &locked) == 0 && ::stat(path.c_str(), &named) == 0 && locked.st_ino == named.st_ino) return {};
  }
}

Status Repository::replace(const std::string& path, std::string_view bytes) const {
  const int error = replace_file(path, bytes, directory_ + "/new");
  return error == 0 ? Status() : tl::unexpected(system_error(error, path));
}

void Repository::write_cache(std::string_view bytes) const { static_cast<void>(replace(cache_path(), bytes)); }

Status Repository::create_files(const std::string& root) const {
  for (const char* name : {"", "/objects", "/objects/pack", "/refs", "/refs/checkpoints"}) {
    const std::string path = directory_ + name;
    if (const int error = make_directory(path); error != 0) return tl::unexpected(system_error(error, path));
  }
  // The root comes last: with it the repository exists.
  const std::pair<const char*, std::string_view> files[] = {
      {"/config", config_text}, {"/HEAD", "ref: refs/heads/none\n"}, {"/root", root}};
  for (const auto& [name, text] : files) {
    if (Status status = replace(directory_ + name, text); !status) return status;
  }
  return {};
}

// Small packs are not written through to the disk. When the machine went down since the last use, those that did not
// get there are removed, so that what they held counts as missing and is written again when it is still around.
Status Repository::check_after_boot() const {
  const std::string path = directory_ + "/boot";
  const std::string boot = fmt::format("{:016x}", current_boot());
  std::string before;
  if (read_file(path, 100, before) == 0 && before == boot) return {};
  const Result<std::vector<PackFile>> packs = packs_in(directory_ + "/objects/pack");
  if (!packs) return tl::unexpected(packs.error());
  for (const PackFile& pack : *packs) {
    if (pack.size > checked_pack_max) continue;
    const Result<PackReader> reader = PackReader::open(pack.name + ".idx");
    const bool lost = reader ? !reader->intact() : reader.error().code == ErrorCode::corrupt;
    if (lost) remove_pack(pack.name);
    if (lost) ::unlink(cache_path().c_str());  // it may name what is gone
  }
  return replace(path, boot);
}

Status Repository::open_objects() {
  objects_.reset();
  Result<Objects> objects = Objects::open(directory_ + "/objects", limits_.budget);
  if (!objects) return tl::unexpected(std::move(objects.error()));
  objects_.emplace(std::move(*objects));
  return {};
}

// --- The list ---

std::string Repository::ref(const std::string& task, std::uint64_t number) const {
  return fmt::format("{}/{}/{:08}", refs(), task, number);
}

Result<std::vector<std::uint64_t>> Repository::numbers(const std::string& task) const {
  const Result<std::vector<std::string>> names = names_in(refs() + "/" + task);
  if (!names) return tl::unexpected(names.error());
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : *names) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<Id> Repository::read_ref(const std::string& task, std::uint64_t number) const {
  const std::string path = ref(task, number);
  std::string text;
  Id id;
  if (const int error = read_file(path, 100, text); error != 0) return tl::unexpected(system_error(error, path));
  if (Id::parse(trim(text), id)) return id;
  return failure(ErrorCode::corrupt, fmt::format("{}: names no checkpoint", quoted_path(path)));
}

Result<Snapshot> Repository::read(const Id& id) const {
  const Result<std::string> commit = objects_->read(ObjectType::commit, id);
  if (!commit) return tl::unexpected(commit.error());
  Snapshot snapshot;
  snapshot.checkpoint.id = id.hex();
  if (!decode_commit(*commit, snapshot)) {
    return failure(ErrorCode::corrupt, fmt::format("checkpoint {}: its description is damaged", id.hex()));
  }
  return snapshot;
}

Result<std::vector<Snapshot>> Repository::list(const std::string& task) const {
  const Result<std::vector<std::uint64_t>> all_numbers = numbers(task);
  if (!all_numbers) return tl::unexpected(all_numbers.error());
  std::vector<Snapshot> snapshots;
  for (const std::uint64_t number : *all_numbers) {
    const Result<Id> id = read_ref(task, number);
    if (!id) continue;
    if (Result<Snapshot> snapshot = read(*id)) snapshots.push_back(std::move(*snapshot));
  }
  return snapshots;
}

Result<std::optional<Snapshot>> Repository::newest(const std::string& task) const {
  const Result<std::vector<std::uint64_t>> all_numbers = numbers(task);
  if (!all_numbers) return tl::unexpected(all_numbers.error());
  for (auto number = all_numbers->rbegin(); number != all_numbers->rend(); ++number) {
    const Result<Id> id = read_ref(task, *number);
    if (!id) continue;
    if (Result<Snapshot> snapshot = read(*id)) return std::optional(std::move(*snapshot));
  }
  return std::optional<Snapshot>();
}

Result<Snapshot> Repository::find(const std::string& id) const {
  const auto none = [&id] {
    return failure(ErrorCode::not_found,
                   fmt::format("checkpoint {}: there is none of this name; it may have been dropped", quoted_path(id)));
  };
  Id parsed;
  if (!Id::parse(id, parsed) || !objects_->has(parsed)) return none();
  Result<Snapshot> snapshot = read(parsed);
  if (!snapshot) return snapshot;
  if (!check_task(snapshot->checkpoint.task)) return none();
  // Dropped, its commit may still be around, but perhaps not all that it names.
  const Result<Id> listed = read_ref(snapshot->checkpoint.task, snapshot->number);
  if (!listed || *listed != parsed) return none();
  return snapshot;
}

Status Repository::add(Snapshot& snapshot) {
  Checkpoint& checkpoint = snapshot.checkpoint;
  const Result<std::vector<std::uint64_t>> known = numbers(checkpoint.task);
  if (!known) return tl::unexpected(known.error());
  snapshot.number = known->empty() ? 1 : known->back() + 1;
  checkpoint.label = one_line(checkpoint.label);
  const Result<Id> id = objects_->add(ObjectType::commit, encode_commit(snapshot));
  if (!id) return tl::unexpected(id.error());
  if (Status status = objects_->commit(); !status) return status;
  checkpoint.id = id->hex();
  const std::string directory = refs() + "/" + checkpoint.task;
  if (const int error = make_directory(directory); error != 0) return tl::unexpected(system_error(error, directory));
  return replace(ref(checkpoint.task, snapshot.number), checkpoint.id + "\n");
}

Status Repository::drop(const std::string& task) {
  const std::string directory = refs() + "/" + task;
  const Result<std::vector<std::string>> of_task = names_in(directory);
  if (!of_task) return tl::unexpected(of_task.error());
  for (const std::string& name : *of_task) ::unlink((directory + "/" + name).c_str());
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) return tl::unexpected(system_error(errno, directory));
  const Result<std::vector<std::string>> others = names_in(refs());
  if (!others) return tl::unexpected(others.error());
  if (!others->empty()) return compact(Unneeded::dropped_where_most);
  const Result<std::vector<std::string>> names = names_in(directory_);
  if (!names) return tl::unexpected(names.error());
  objects_.reset();
  std::error_code error;
  // The lock goes last: until then the others wait.
  for (const std::string& name : *names) {
    if (name != "lock") std::filesystem::remove_all(directory_ + "/" + name, error);
  }
  ::unlink((directory_ + "/lock").c_str());
  if (::rmdir(directory_.c_str()) != 0) return tl::unexpected(system_error(errno, directory_));
  return {};
}

// --- Keeping it small ---

Result<std::vector<Snapshot>> Repository::all() const {
  const Result<std::vector<std::string>> tasks = names_in(refs());
  if (!tasks) return tl::unexpected(tasks.error());
  std::vector<Snapshot> snapshots;
  for (const std::string& task : *tasks) {
    Result<std::vector<Snapshot>> some = list(task);
    if (!some) return some;
    std::move(some->begin(), some->end(), std::back_inserter(snapshots));
  }
  return snapshots;
}

Status Repository::tidy(const std::string& task, const std::vector<Id>& kept) {
  const Result<bool> dropped = drop_excess(task, kept);
  if (!dropped) return tl::unexpected(dropped.error());
  if (Status status = compact(*dropped ? Unneeded::dropped_where_most : Unneeded::kept); !status) return status;

  const auto is_too_large = [this]() -> Result<bool> {
    const Result<std::vector<PackFile>> packs = packs_in(directory_ + "/objects/pack");
    if (!packs) return tl::unexpected(packs.error());
    std::uint64_t bytes = 0;
    for (const PackFile& pack : *packs) bytes += pack.size;
    return bytes > limits_.bytes_max;
  };
  // First what nobody needs, then the oldest checkpoints.
  Result<bool> too_large = is_too_large();
  while (too_large && *too_large) {
    if (Status status = compact(Unneeded::dropped); !status) return status;
    too_large = is_too_large();
    if (!too_large || !*too_large) break;
    const Result<bool> some = drop_oldest(kept);
    if (!some) return tl::unexpected(some.error());
    if (!*some) return {};
  }
  return too_large ? Status() : tl::unexpected(std::move(too_large.error()));
}

// A quarter at once, because to free the space costs more than to drop one. The first, from before the task changed
// anything, is worth most to whoever wants back.
Result<bool> Repository::drop_excess(const std::string& task, const std::vector<Id>& kept) {
  const Result<std::vector<std::uint64_t>> of_task = numbers(task);
  if (!of_task) return tl::unexpected(of_task.error());
  if (of_task->size() <= limits_.per_task_max) return false;
  const std::size_t excess = of_task->size() - limits_.per_task_max + limits_.per_task_max / 4;
  const std::size_t first = limits_.per_task_max > 1 ? 1 : 0;
  std::size_t gone = 0;
  for (std::size_t i = first; i + 1 < of_task->size() && gone < excess; ++i) {
    const Result<Id> id = read_ref(task, (*of_task)[i]);
    if (id && std::find(kept.begin(), kept.end(), *id) != kept.end()) continue;
    ::unlink(ref(task, (*of_task)[i]).c_str());
    ++gone;
  }
  return true;
}

// A quarter of all tasks' checkpoints. False when there are none to drop.
Result<bool> Repository::drop_oldest(const std::vector<Id>& kept) {
  Result<std::vector<Snapshot>> snapshots = all();
  if (!snapshots) return tl::unexpected(std::move(snapshots.error()));
  std::erase_if(*snapshots, [&kept](const Snapshot& snapshot) {
    Id id;
    return !Id::parse(snapshot.checkpoint.id, id) || std::find(kept.begin(), kept.end(), id) != kept.end();
  });
  if (snapshots->empty()) return false;
  std::sort(snapshots->begin(), snapshots->end(), [](const Snapshot& a, const Snapshot& b) {
    return a.checkpoint.created_at < b.checkpoint.created_at;
  });
  snapshots->resize((snapshots->size() + 3) / 4);
  for (const Snapshot& snapshot : *snapshots) {
    ::unlink(ref(snapshot.checkpoint.task, snapshot.number).c_str());
    ::rmdir((refs() + "/" + snapshot.checkpoint.task).c_str());  // fails while others are in it
  }
  return true;
}

// All that the checkpoints and the cache name. `stored`: what is in packs. An error when it cannot be told: then nothing
// may be dropped.
Result<IdSet> Repository::needed(const IdSet& stored) const {
  IdSet needed;
  // What the cache names is found again by the next look without being written, so it must stay. Its trees are
  // complete, so they need not be read. Another engine's cache, with other options, is not read here: so it goes.
  const std::vector<Id> cached = StatCache::load(cache_path(), cache_key_).ids();
  if (cached.empty() && ::unlink(cache_path().c_str()) != 0 && errno != ENOENT) {
    return tl::unexpected(system_error(errno, cache_path()));
  }
  needed.insert(cached.begin(), cached.end());

  const Result<std::vector<std::string>> tasks = names_in(refs());
  if (!tasks) return tl::unexpected(tasks.error());
  for (const std::string& task : *tasks) {
    const Result<std::vector<std::uint64_t>> of_task = numbers(task);
    if (!of_task) return tl::unexpected(of_task.error());
    for (const std::uint64_t number : *of_task) {
      const Result<Id> id = read_ref(task, number);
      if (!id && id.error().code == ErrorCode::corrupt) continue;  // lost with the power
      if (!id) return tl::unexpected(id.error());
      const Result<Snapshot> snapshot = read(*id);
      if (!snapshot && is_lost(*objects_, stored, *id)) continue;
      if (!snapshot) return tl::unexpected(snapshot.error());
      needed.insert(*id);
      if (Status status = mark_tree(*objects_, snapshot->tree, stored, needed); !status) {
        return tl::unexpected(std::move(status.error()));
      }
    }
  }
  return needed;
}

// Joins packs into one when there are many, so that each is at least twice as large as all smaller ones together and
// there are never more than the logarithm of the size; and, when asked, leaves out what no checkpoint needs.
Status Repository::compact(Unneeded unneeded) {
  const std::string directory = directory_ + "/objects/pack";
  const Result<std::vector<PackFile>> packs = packs_in(directory);
  if (!packs) return tl::unexpected(packs.error());
  const bool dropping = unneeded != Unneeded::kept;

  std::size_t joined = 0;  // of the smallest
  if (packs->size() > packs_max) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < packs->size() && (*packs)[i].size <= joined_pack_max; ++i) {
      if ((*packs)[i].size < 2 * sum || i < packs_max / 2) joined = i + 1;
      sum += (*packs)[i].size;
    }
  }
  std::vector<PackReader> readers;
  std::size_t joinable = 0;  // of the first readers
  for (std::size_t i = 0; i < (dropping ? packs->size() : joined); ++i) {
    Result<PackReader> reader = PackReader::open((*packs)[i].name + ".idx");
    if (!reader && reader.error().code == ErrorCode::corrupt) continue;  // damaged, or not one of ours
    if (!reader) return tl::unexpected(std::move(reader.error()));
    readers.push_back(std::move(*reader));
    if (i < joined) ++joinable;
  }
  IdSet live;
  if (dropping) {
    IdSet stored;
    for (const PackReader& reader : readers) {
      for (std::size_t object = 0; object < reader.count(); ++object) stored.insert(reader.id(object));
    }
    Result<IdSet> needed_ids = needed(stored);
    if (!needed_ids) return tl::unexpected(std::move(needed_ids.error()));
    live = std::move(*needed_ids);
  }

  // Which packs to write anew, and which to remove.
  std::vector<const PackReader*> sources;
  std::vector<std::string> gone;
  for (std::size_t i = 0; i < readers.size(); ++i) {
    const PackReader& reader = readers[i];
    std::uint64_t live_bytes = 0;
    std::size_t live_count = 0;
    for (std::size_t object = 0; object < reader.count(); ++object) {
      if (dropping && !live.contains(reader.id(object))) continue;
      live_bytes += reader.packed(object).size();
      ++live_count;
    }
    const bool wasteful = unneeded == Unneeded::dropped ? live_count < reader.count() : live_bytes < reader.size() / 2;
    if (live_count == 0) {
      gone.push_back(reader.name());
    } else if ((i < joinable || (dropping && wasteful)) && !reader.has_deltas()) {
      sources.push_back(&reader);
    }
  }
  if (sources.empty() && gone.empty()) return {};
  if (sources.size() == 1 && gone.empty() && !dropping) return {};

  std::unique_ptr<PackWriter> writer;
  std::vector<std::unique_ptr<PackWriter>> full;
  for (const PackReader* source : sources) {
    for (std::size_t object = 0; object < source->count(); ++object) {
      const Id& id = source->id(object);
      if (dropping && !live.contains(id)) continue;
      if (writer && writer->size() >= pack_size_max) full.push_back(std::move(writer));
      if (!writer) {
        Result<std::unique_ptr<PackWriter>> created = PackWriter::create(directory);
        if (!created) return tl::unexpected(std::move(created.error()));
        writer = std::move(*created);
      }
      if (writer->has(id)) continue;
      if (Status status = writer->add_packed(id, source->packed(object)); !status) return status;
    }
  }
  if (writer) full.push_back(std::move(writer));
  for (const PackReader* source : sources) gone.push_back(source->name());
  // Written through to the disk: what it replaces may have been there for long.
  for (const std::unique_ptr<PackWriter>& pack : full) {
    const Result<std::string> name = pack->finish(true);
    if (!name) return tl::unexpected(name.error());
    std::erase(gone, *name);  // a pack is named by its content: it can be one that was joined
  }
  readers.clear();
  objects_.reset();
  for (const std::string& name : gone) remove_pack(name);
  return open_objects();
}

}  // namespace joey::shadow
