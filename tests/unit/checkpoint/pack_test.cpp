#include "checkpoint/pack.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "checkpoint/objects.hpp"
#include "workbench.hpp"

using namespace joey;
using namespace joey::shadow;
using joey::test::git;
using joey::test::TemporaryDirectory;

namespace {

const bool started = (start_libgit2(), true);

std::vector<std::string> samples() {
  std::vector<std::string> samples = {"", "a", std::string(15, 'x'), std::string(16, 'x'), std::string(2'047, 'y'),
                                      std::string(2'048, 'y'), std::string(300'000, 'z')};
  std::string noise;
  for (unsigned i = 0, x = 1; i < 500'000; ++i) noise += static_cast<char>((x = x * 1'103'515'245 + 12'345) >> 16);
  samples.push_back(noise);
  return samples;
}

}  // namespace

TEST_CASE("ids are git's, and come back from their text") {
  CHECK(Objects::id_of(ObjectType::blob, "hello\n").hex() == "ce013625030ba8dba906f756967f9e9ca394464a");
  CHECK(Objects::id_of(ObjectType::tree, "").hex() == "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
  Id id;
  CHECK(Id::parse("ce013625030ba8dba906f756967f9e9ca394464a", id));
  CHECK(id == Objects::id_of(ObjectType::blob, "hello\n"));
  CHECK_FALSE(Id::parse("ce013625030ba8dba906f756967f9e9ca394464", id));
  CHECK_FALSE(Id::parse("ce013625030ba8dba906f756967f9e9ca394464G", id));
}

TEST_CASE("a pack holds what was added, for libgit2, for git and for its own reader") {
  const TemporaryDirectory directory;
  REQUIRE(git(directory.path(), "init -q --bare .") == 0);
  auto writer = PackWriter::create(directory / "objects/pack").value();
  for (const std::string& sample : samples()) {
    REQUIRE(writer->add(ObjectType::blob, Objects::id_of(ObjectType::blob, sample), sample));
  }
  CHECK(directory.count("objects/pack") == 1);
  const std::string name = writer->finish(true).value();
  CHECK(directory.count("objects/pack") == 2);
  CHECK(git(directory.path(), "fsck --full --strict") == 0);
  CHECK(git(directory.path(), "verify-pack objects/pack/*.idx") == 0);

  const auto objects = Objects::open(directory / "objects", {}).value();
  for (const std::string& sample : samples()) {
    const Id id = Objects::id_of(ObjectType::blob, sample);
    CHECK(objects.has(id));
    CHECK(objects.read(ObjectType::blob, id).value() == sample);
    CHECK(objects.size(id).value() == sample.size());
    CHECK_FALSE(objects.read(ObjectType::tree, id).has_value());
  }

  // Moved to another pack they are the same bytes.
  const auto reader = PackReader::open(name + ".idx");
  REQUIRE(reader);
  CHECK(reader->count() == samples().size());
  CHECK(reader->intact());
  CHECK_FALSE(reader->has_deltas());
  auto second = PackWriter::create(directory / "objects/pack").value();
  for (std::size_t i = 0; i < reader->count(); ++i) REQUIRE(second->add_packed(reader->id(i), reader->packed(i)));
  CHECK(second->finish(false).value() == name);  // the same order makes the same pack
}

TEST_CASE("a pack that is not finished leaves nothing") {
  const TemporaryDirectory directory;
  {
    auto writer = PackWriter::create(directory.path()).value();
    REQUIRE(writer->add(ObjectType::blob, Objects::id_of(ObjectType::blob, "x"), "x"));
  }
  CHECK(directory.count("") == 0);
  CHECK_FALSE(PackWriter::create(directory / "missing").has_value());
}

TEST_CASE("a damaged pack is found to be one") {
  const TemporaryDirectory directory;
  REQUIRE(git(directory.path(), "init -q --bare .") == 0);
  auto writer = PackWriter::create(directory / "objects/pack").value();
  for (const std::string& sample : samples()) {
    REQUIRE(writer->add(ObjectType::blob, Objects::id_of(ObjectType::blob, sample), sample));
  }
  const std::string name = writer->finish(false).value();
  const std::string pack = directory.get(name.substr(directory.path().size() + 1) + ".pack");
  const std::string index = directory.get(name.substr(directory.path().size() + 1) + ".idx");
  const auto write = [&](const std::string& end, const std::string& bytes) {
    std::filesystem::remove(name + end);
    std::ofstream(name + end, std::ios::binary) << bytes;
  };
  const Id id = Objects::id_of(ObjectType::blob, samples().back());

  std::string flipped = pack;
  flipped[flipped.size() / 2] ^= 1;
  write(".pack", flipped);
  CHECK_FALSE(PackReader::open(name + ".idx")->intact());
  CHECK(Objects::open(directory / "objects", {})->read(ObjectType::blob, id).error().code == ErrorCode::corrupt);

  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{31}, pack.size() / 2, pack.size() - 1}) {
    CAPTURE(size);
    write(".pack", pack.substr(0, size));
    CHECK_FALSE(PackReader::open(name + ".idx").has_value());
    CHECK_FALSE(Objects::open(directory / "objects", {})->read(ObjectType::blob, id).has_value());
  }
  write(".pack", pack);
  for (const std::size_t size : {std::size_t{0}, std::size_t{8}, std::size_t{1'072}, index.size() - 1}) {
    CAPTURE(size);
    write(".idx", index.substr(0, size));
    CHECK_FALSE(PackReader::open(name + ".idx").has_value());
  }
  for (std::size_t at = 0; at < index.size() - 20; at += 7) {  // may be read wrongly, but not past its ends
    std::string wrong = index;
    wrong[at] ^= static_cast<char>(0x55);
    write(".idx", wrong);
    if (const auto reader = PackReader::open(name + ".idx")) {
      for (std::size_t i = 0; i < reader->count(); ++i) CHECK(reader->packed(i).size() < pack.size());
    }
  }
}

TEST_CASE("trees keep every mode and name, and damaged ones are refused") {
  std::vector<TreeEntry> entries;
  Id id = Objects::id_of(ObjectType::blob, "x");
  for (const std::uint32_t mode : {0100644U, 0100755U, 0100600U, 0100000U, 0107777U, 040755U, 040000U, 040700U, 041777U,
                                   0120000U, 0160000U}) {
    entries.push_back({"n" + std::to_string(mode), mode, id});
  }
  entries.push_back({"a", 040755, id});
  entries.push_back({"a.b", 0100644, id});
  entries.push_back({"a-b", 0100644, id});
  entries.push_back({" \xff\n", 0100644, id});
  const std::string bytes = encode_tree(entries);
  std::sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.name < b.name; });
  CHECK(decode_tree(bytes).value() == entries);
  CHECK(encode_tree({{"d", 040755, id}}).starts_with(std::string("40000 d\0", 8)));
  CHECK(encode_tree({{"f", 0100644, id}}).starts_with(std::string("100644 f\0", 9)));

  for (std::size_t size = 1; size < bytes.size(); ++size) {
    const auto cut = decode_tree(std::string_view(bytes).substr(0, size));
    if (cut) CHECK(cut->size() < entries.size());
  }
  const std::string raw(reinterpret_cast<const char*>(id.bytes.data()), 20);
  for (const std::string name : {"", ".", "..", ".git", "a/b"}) {
    CAPTURE(name);
    CHECK_FALSE(decode_tree("100644 " + name + '\0' + raw).has_value());
  }
  CHECK_FALSE(decode_tree("100644 a" + std::string(1, '\0') + raw + "100644 a" + std::string(1, '\0') + raw).has_value());
  CHECK_FALSE(decode_tree("999 a" + std::string(1, '\0') + raw).has_value());
  CHECK_FALSE(decode_tree("60000 a" + std::string(1, '\0') + raw).has_value());
}

TEST_CASE("what a checkpoint may add is bounded, and nothing of one that is too large stays") {
  const TemporaryDirectory directory;
  REQUIRE(git(directory.path(), "init -q --bare .") == 0);
  auto objects = Objects::open(directory / "objects", {.added_bytes_max = 1'000, .disk_free_min = 0}).value();
  CHECK(objects.add(ObjectType::blob, std::string(900, 'a')).has_value());
  CHECK(objects.add(ObjectType::blob, std::string(900, 'a')).has_value());  // once is enough
  CHECK(objects.add(ObjectType::blob, std::string(200, 'b')).error().code == ErrorCode::limit);
  {
    auto gone = std::move(objects);
  }
  CHECK(directory.count("objects/pack") == 0);
  auto full = Objects::open(directory / "objects", {.added_bytes_max = 1'000, .disk_free_min = 1ULL << 60}).value();
  const auto refused = full.add(ObjectType::blob, "x");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::limit);
  CHECK(refused.error().message.find("free") != std::string::npos);
}
