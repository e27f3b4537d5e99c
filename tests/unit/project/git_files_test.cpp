#include "project/git_files.hpp"

#include <git2/global.h>
#include <zlib.h>

#include <filesystem>
#include <iterator>
#include <sstream>

#include "../../support/random.hpp"
#include "git_world.hpp"
#include "project/git_context.hpp"

using namespace joey;
using namespace joey::test;

namespace {

constexpr std::size_t plenty = 64U << 20;

struct GitRepository : World {
  GitRepository() {
    git_libgit2_init();
    git(repository, "init -q");
  }
  ~GitRepository() { git_libgit2_shutdown(); }
  GitRepository(const GitRepository&) = delete;
  GitRepository& operator=(const GitRepository&) = delete;

  [[nodiscard]] GitObjects objects() const {
    const auto folder = find_git_folder(*workspace);
    REQUIRE(folder);
    return GitObjects(folder->common);
  }
  void commit(const std::string& message) const {
    git(repository, "add -A");
    git(repository, "commit -q --allow-empty -m '" + message + "'");
  }
  [[nodiscard]] std::string status() const {
    const auto read = read_git_status(*workspace, 10'000, CancelToken());
    if (!read) return read.error().message;
    std::string out;
    for (const std::string& file : read->files) out += (out.empty() ? "" : "\n") + file;
    return out;
  }
  [[nodiscard]] std::string status_by_git() const { return git(repository, "status --porcelain --no-renames"); }
};

// A history of files that resemble each other, so that packs have deltas.
void make_history(const GitRepository& world, int commits) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "line " + std::to_string(i * 7919 % 1'000) + "\n";
  for (int i = 0; i < commits; ++i) {
    text += "line of commit " + std::to_string(i) + "\n";
    text.replace(static_cast<std::size_t>(i) * 31 % 2'000, 5, "CHANG");
    world.repository.put("a.txt", text);
    world.repository.put("dir" + std::to_string(i % 5) + "/b.txt", text + "b");
    world.commit("commit " + std::to_string(i));
  }
}

void check_all_objects(const GitRepository& world) {
  static constexpr std::string_view kinds[] = {"", "commit", "tree", "blob", "tag"};
  GitObjects objects = world.objects();
  std::istringstream list(git(world.repository, "cat-file --batch-all-objects --batch-check"));
  std::string name;
  std::string kind;
  std::size_t size = 0;
  std::size_t count = 0;
  while (list >> name >> kind >> size) {
    CAPTURE(name);
    const auto object = objects.read(id_of_hex(name).value(), plenty);
    REQUIRE(object);
    CHECK(object->bytes.size() == size);
    CHECK(kinds[static_cast<std::size_t>(object->kind)] == kind);
    CHECK(hex_of(objects.find(name).value()) == name);
    ++count;
  }
  CHECK(count > 20);
}

std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  REQUIRE(compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                   bytes.size()) == Z_OK);
  out.resize(size);
  return out;
}

}  // namespace

TEST_CASE("names of objects go to digits and back, and nothing else is one") {
  const std::string digits = "00ff0123456789abcdef0123456789abcdef0123";
  CHECK(hex_of(id_of_hex(digits).value()) == digits);
  for (const char* wrong :
       {"", "00ff", "00ff0123456789abcdef0123456789abcdef012g", "-0ff0123456789abcdef0123456789abcdef0123"}) {
    CHECK_FALSE(id_of_hex(wrong));
  }
  GitRepository world;
  CHECK(hex_of(id_of(GitKind::blob, "hello\n")) == "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST_CASE("every object reads as git wrote it: loose, in packs, and as deltas by offset and by name") {
  GitRepository world;
  make_history(world, 12);
  git(world.repository, "tag -a -m tagged v1");
  check_all_objects(world);
  git(world.repository, "repack -q -adf --depth=50 --window=50");
  check_all_objects(world);
  git(world.repository, "-c repack.useDeltaBaseOffset=false repack -q -adF --depth=50 --window=50");
  check_all_objects(world);
  make_history(world, 14);
  git(world.repository, "repack -q");  // a second pack
  world.repository.put("loose", "x");
  world.commit("loose");
  check_all_objects(world);
}

TEST_CASE("an object is found by its first digits, unless several begin with them") {
  GitRepository world;
  std::string list;
  for (int i = 0; i < 1'500; ++i) {
    const std::string name = std::to_string(i);
    world.repository.put("f/" + name, name);
  }
  world.commit("many");
  const auto check = [&] {
    GitObjects objects = world.objects();
    std::istringstream names(git(world.repository, "cat-file --batch-all-objects '--batch-check=%(objectname)'"));
    std::vector<std::string> all;
    for (std::string name; names >> name;) all.push_back(name);
    std::sort(all.begin(), all.end());
    std::size_t ambiguous = 0;
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      const std::string digits = all[i].substr(0, 4);
      const auto found = objects.find(digits);
      const bool several = all[i + 1].starts_with(digits) || (i > 0 && all[i - 1].starts_with(digits));
      if (several) {
        ++ambiguous;
        REQUIRE_FALSE(found);
        CHECK(holds(found.error().message, "several objects begin with"));
      } else {
        REQUIRE(found);
        CHECK(hex_of(*found) == all[i]);
      }
    }
    CHECK(ambiguous > 0);
    CHECK(objects.find("0123456789abcdef").error().code == ErrorCode::not_found);
    for (const char* wrong : {"", "abc", "xyzw", "ABCD"})
      CHECK(objects.find(wrong).error().code == ErrorCode::invalid_argument);
  };
  check();
  git(world.repository, "gc -q");
  check();
}

TEST_CASE("HEAD is followed through loose and packed refs, and not out of refs") {
  GitRepository world;
  world.commit("first");
  const std::string hash = git(world.repository, "rev-parse HEAD");
  const auto head = [&] {
    const auto read = read_git_head(find_git_folder(*world.workspace).value());
    if (!read) return read.error().message;
    return read->branch + " " + (read->id ? hex_of(*read->id) : "none");
  };
  CHECK(head() == "main " + hash);
  git(world.repository, "pack-refs --all");
  CHECK(head() == "main " + hash);
  git(world.repository, "checkout -q -b deep/branch");
  CHECK(head() == "deep/branch " + hash);
  git(world.repository, "checkout -q --orphan fresh");
  CHECK(head() == "fresh none");
  for (const char* wrong : {"ref: ../../etc/passwd", "ref: refs/../../x", "ref: config", "nonsense", ""}) {
    CAPTURE(wrong);
    world.repository.put(".git/HEAD", wrong);
    CHECK(holds(head(), "HEAD is damaged"));
  }
  world.repository.put(".git/HEAD", "ref: refs/heads/loop");
  world.repository.put(".git/refs/heads/loop", "ref: refs/heads/loop");
  CHECK(holds(head(), "HEAD is damaged"));
  world.repository.put(".git/HEAD", std::string(64, 'a'));
  CHECK(holds(head(), "SHA-256"));
}

TEST_CASE("a commit's parts are read, whoever wrote it") {
  const std::string tree(40, '1');
  const auto commit =
      parse_git_commit("tree " + tree + "\nparent " + std::string(40, '2') + "\nparent " + std::string(40, '3') +
                       "\nauthor A <a> b> 1700000000 -0330\ncommitter C <c> 1 +0000\ngpgsig x\n y\n\nMessage\n\nmore");
  REQUIRE(commit);
  CHECK(hex_of(commit->tree) == tree);
  CHECK(commit->parents.size() == 2);
  CHECK(commit->author == "A <a> b>");
  CHECK(commit->seconds == 1'700'000'000);
  CHECK(commit->offset_minutes == -210);
  CHECK(commit->message == "Message\n\nmore");
  CHECK_FALSE(parse_git_commit(""));
  CHECK_FALSE(parse_git_commit("author A <a> 1 +0000\n\nno tree"));
  CHECK_FALSE(parse_git_commit("tree xyz\n\n"));
  CHECK(parse_git_commit("tree " + tree + "\nauthor nobody\n\n")->author.empty());
  CHECK(parse_git_commit("tree " + tree + "\nauthor A <a> 99999999999999999999 +9999\n\n")->seconds == 0);
}

TEST_CASE("a tree whose names are no names is damaged") {
  const std::string id(20, 'x');
  const std::string nul(1, '\0');
  CHECK(parse_git_tree("100644 a" + nul + id + "40000 b" + nul + id)->size() == 2);
  CHECK(parse_git_tree("")->empty());
  for (const std::string& wrong : {"100644 ../a" + nul + id, "100644 .." + nul + id, "100644 " + nul + id,
                                   "9 a" + nul + id, "100644 a" + nul + "short", std::string("100644")}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_git_tree(wrong));
  }
}

TEST_CASE("status is git's after any sequence of changes, with every kind of index and pack") {
  Random random(5);
  static constexpr std::string_view names[] = {"a",   "b.txt", "d/a",   "d/b",          "d/e/f",
                                               "d.x", "d-x/y", "e/a b", "\u00e4/\u00f6"};
  for (int run = 0; run < 6; ++run) {
    GitRepository world;
    const TemporaryDirectory& files = world.repository;
    git(files, "config core.quotePath false");
    for (int step = 0; step < 25; ++step) {
      CAPTURE(run);
      CAPTURE(step);
      const std::string name(names[random.below(std::size(names))]);
      const auto path = std::filesystem::path(files / name);
      std::error_code error;
      switch (random.below(9)) {
        case 0: git(files, "add -A"); break;
        case 1: world.commit("step"); break;
        case 2: std::filesystem::remove_all(path, error); break;
        case 3:
          if (std::filesystem::is_regular_file(path, error)) ::chmod(path.c_str(), random.chance(0.5) ? 0755 : 0644);
          break;
        case 4: git(files, "update-index --index-version " + std::to_string(2 + random.below(3))); break;
        case 5:
          if (step % 5 == 0) git(files, "gc -q");
          break;
        case 6: git(files, "reset -q || true"); break;
        default:
          for (auto above = path.parent_path(); above.string().size() > files.path().size();
               above = above.parent_path()) {
            if (std::filesystem::is_regular_file(above, error)) std::filesystem::remove(above);
          }
          if (std::filesystem::is_directory(path, error)) std::filesystem::remove_all(path);
          files.put(name, std::string(random.below(3) + 1, 'x') + "\n");
      }
      const std::string expected = world.status_by_git();
      std::string quoted = world.status();
      // Git puts names with spaces between quotes.
      for (std::size_t at = quoted.find("e/a b"); at != std::string::npos; at = quoted.find("e/a b", at + 7)) {
        quoted.replace(at, 5, "\"e/a b\"");
      }
      CHECK(quoted == expected);
    }
  }
}

TEST_CASE("objects that lie about their size cost no more than the limit") {
  GitRepository world;
  const auto put_loose = [&](const std::string& bytes) {
    world.repository.put(".git/objects/ab/" + std::string(38, 'c'), bytes);
    GitObjects objects = world.objects();
    const auto object = objects.read(id_of_hex("ab" + std::string(38, 'c')).value(), 1'000);
    REQUIRE_FALSE(object);
    return object.error().code;
  };
  const std::string nul(1, '\0');
  CHECK(put_loose(deflated("blob 99999999999" + nul + "x")) == ErrorCode::limit);
  CHECK(put_loose(deflated("blob 10" + nul + std::string(50'000'000, 'x'))) == ErrorCode::corrupt);
  CHECK(put_loose(deflated("blob 10" + nul + "short")) == ErrorCode::corrupt);
  CHECK(put_loose(deflated("blob 4" + nul + "text")) == ErrorCode::corrupt);  // not what its name says
  CHECK(put_loose(deflated("blob -4" + nul + "text")) == ErrorCode::corrupt);
  CHECK(put_loose(deflated("what 4" + nul + "text")) == ErrorCode::corrupt);
  CHECK(put_loose(deflated("blob")) == ErrorCode::corrupt);
  CHECK(put_loose("") == ErrorCode::corrupt);
  CHECK(put_loose(deflated("blob 900" + nul + std::string(900, 'x')).substr(0, 20)) ==
        ErrorCode::corrupt);  // cut by a crash
}

TEST_CASE("damaged packs, their indexes and damaged objects are errors, never a crash, a wait or a wrong object") {
  GitRepository world;
  make_history(world, 10);
  git(world.repository, "repack -q -adf --depth=50 --window=50");
  std::vector<GitId> ids;
  std::istringstream list(git(world.repository, "cat-file --batch-all-objects '--batch-check=%(objectname)'"));
  for (std::string name; list >> name;) ids.push_back(id_of_hex(name).value());
  std::vector<std::string> parts;
  for (const auto& entry : std::filesystem::directory_iterator(world.repository / ".git/objects/pack")) {
    parts.push_back(".git/objects/pack/" + entry.path().filename().string());
  }
  parts.push_back(".git/index");
  std::sort(parts.begin(), parts.end());
  Random random(9);
  std::size_t failed = 0;
  for (const std::string& part : parts) {
    const std::string whole = world.repository.get(part);
    std::filesystem::remove(world.repository / part);
    for (int run = 0; run < 300; ++run) {
      std::string damaged = whole;
      if (run % 4 == 0) damaged.resize(random.below(damaged.size()));
      for (std::size_t flips = random.below(4) + 1; flips > 0 && !damaged.empty(); --flips) {
        // The beginning holds the tables that everything depends on.
        const std::size_t at =
            random.below(random.chance(0.5) ? std::min<std::size_t>(damaged.size(), 1'200) : damaged.size());
        damaged[at] = static_cast<char>(random.below(256));
      }
      world.repository.put(part, damaged);
      GitObjects objects = world.objects();
      for (int reads = 0; reads < 5; ++reads) {
        const GitId& id = ids[random.below(ids.size())];
        const auto object = objects.read(id, plenty);
        if (object) CHECK(id_of(object->kind, object->bytes) == id);
        if (!object) ++failed;
      }
      static_cast<void>(objects.find("1234"));
      const auto index = read_git_index(find_git_folder(*world.workspace).value());
      if (!index) CHECK_FALSE(index.error().message.empty());
      if (run % 10 == 0) static_cast<void>(world.status());
    }
    world.repository.put(part, whole);
  }
  CHECK(failed > 100);
  CHECK(world.status().empty());
}
