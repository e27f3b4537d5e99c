// Packs of git objects: written here, because libgit2's writer looks for deltas first, which takes longer than all of a
// checkpoint; read by libgit2, and here only to move objects from packs into another.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.hpp"
#include "checkpoint/files.hpp"

namespace joey::shadow {

// The name of an object: SHA-1, as git's.
struct Id {
  std::array<unsigned char, 20> bytes{};

  auto operator<=>(const Id&) const = default;
  [[nodiscard]] bool zero() const { return *this == Id{}; }
  [[nodiscard]] std::string hex() const;
  [[nodiscard]] static bool parse(std::string_view hex, Id& id);
};

struct IdHash {
  std::size_t operator()(const Id& id) const {
    std::size_t hash = 0;
    std::memcpy(&hash, id.bytes.data(), sizeof hash);
    return hash;
  }
};

using IdSet = std::unordered_set<Id, IdHash>;

enum class ObjectType : std::uint8_t { commit = 1, tree = 2, blob = 3 };  // git's numbers

// A new pack. It exists for readers, whole, once finish() returned; destroyed before, it leaves nothing.
class PackWriter {
 public:
  // In the directory objects/pack of a repository.
  [[nodiscard]] static Result<std::unique_ptr<PackWriter>> create(const std::string& directory);
  ~PackWriter();
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;

  [[nodiscard]] Status add(ObjectType type, const Id& id, std::string_view bytes);
  // As another pack holds it.
  [[nodiscard]] Status add_packed(const Id& id, std::string_view packed);
  [[nodiscard]] bool has(const Id& id) const { return entries_.contains(id); }
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  [[nodiscard]] std::uint64_t size() const { return size_; }

  // Its path without ".pack". `synced`: it also survives a loss of power.
  [[nodiscard]] Result<std::string> finish(bool synced);

 private:
  struct Entry {
    std::uint32_t offset{0};
    std::uint32_t crc{0};
  };
  struct Deflater;

  PackWriter();
  [[nodiscard]] Status write(std::string_view bytes);
  [[nodiscard]] Status flush();
  [[nodiscard]] std::string index(const std::array<unsigned char, 20>& trailer) const;

  std::string directory_;
  std::string temporary_;
  Handle file_;
  std::uint64_t size_{0};
  std::string buffer_;
  std::unordered_map<Id, Entry, IdHash> entries_;
  std::unique_ptr<Deflater> deflater_;
};

constexpr std::uint64_t pack_size_max = 1ULL << 30;  // bytes at which a writer begins another: offsets have 31 bits

// A pack to move objects out of.
class PackReader {
 public:
  // `corrupt` when it is not there, or its index or its last bytes are not what they should be.
  [[nodiscard]] static Result<PackReader> open(const std::string& index_path);
  ~PackReader();
  PackReader(PackReader&& other) noexcept;
  PackReader& operator=(PackReader&&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }  // path without ".pack"
  [[nodiscard]] std::uint64_t size() const { return pack_size_; }
  [[nodiscard]] std::size_t count() const { return objects_.size(); }
  [[nodiscard]] const Id& id(std::size_t index) const { return objects_[index].id; }
  [[nodiscard]] std::string_view packed(std::size_t index) const;
  // Some object is stored as a difference to another, as git packs: such a pack is left as it is.
  [[nodiscard]] bool has_deltas() const;
  // Its checksum holds.
  [[nodiscard]] bool intact() const;

 private:
  struct Object {
    Id id;
    std::uint32_t offset{0};
    std::uint32_t end{0};
  };
  PackReader() = default;

  std::string name_;
  const char* pack_{nullptr};
  std::uint64_t pack_size_{0};
  std::vector<Object> objects_;  // in the order of the pack
};

}  // namespace joey::shadow
