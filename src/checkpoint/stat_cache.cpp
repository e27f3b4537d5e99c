#include "checkpoint/stat_cache.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace joey::shadow {
namespace {

constexpr std::string_view cache_magic = "joey stat cache";
constexpr std::size_t cache_header_size = 16 + 8 + 8;  // magic, key, checksum of what follows

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// The size was checked.
template <class T>
T take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

// Four sums side by side, or the multiplications would wait for each other.
std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t lanes[4] = {1, 2, 3, 4};
  std::size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at + 8 * lane, 8);
      lanes[lane] = (lanes[lane] ^ word) * 0x9E37'79B9'7F4A'7C15;
      lanes[lane] ^= lanes[lane] >> 32;
    }
  }
  std::uint64_t hash = bytes.size();
  for (; at < bytes.size(); ++at) hash = (hash ^ static_cast<unsigned char>(bytes[at])) * 0x100'0000'01B3;
  for (const std::uint64_t lane : lanes) hash = (hash ^ lane) * 0x9E37'79B9'7F4A'7C15;
  return hash ^ (hash >> 32);
}

constexpr std::size_t record_fixed_size = 4 + 2 + 8 + 20 + 20 + 6 * 4;  // record size, path size, the members
constexpr std::size_t entry_fixed_size = 1 + 1 + 4 + 8 + 20;

}  // namespace

bool EntryReader::next(CachedEntry& entry) {
  if (rest_.size() < entry_fixed_size) return false;
  const std::size_t name_size = take<std::uint8_t>(rest_);
  entry.kind = static_cast<CachedEntry::Kind>(take<std::uint8_t>(rest_));
  entry.mode = take<std::uint32_t>(rest_);
  entry.stamp = take<std::uint64_t>(rest_);
  entry.id = take<Id>(rest_);
  if (rest_.size() < name_size) return false;
  entry.name = rest_.substr(0, name_size);
  rest_.remove_prefix(name_size);
  return true;
}

StatCache StatCache::load(const std::string& path, std::uint64_t key) {
  StatCache cache;
  const Handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) != 0 || status.st_size < static_cast<off_t>(cache_header_size)) return cache;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
  if (at == MAP_FAILED) return cache;
  cache.mapped_ = {static_cast<const char*>(at), size};

  std::string_view rest = cache.mapped_.substr(16);
  const bool same_key = take<std::uint64_t>(rest) == key;
  const bool whole = take<std::uint64_t>(rest) == checksum(rest);
  if (!cache.mapped_.starts_with(cache_magic) || !same_key || !whole) return cache;
  while (rest.size() >= record_fixed_size) {
    std::uint32_t record_size = 0;
    std::memcpy(&record_size, rest.data(), sizeof record_size);
    if (record_size < record_fixed_size || record_size > rest.size()) break;
    cache.starts_.push_back(size - rest.size());
    rest.remove_prefix(record_size);
  }
  if (rest.empty()) {
    cache.starts_.push_back(size);
  } else {
    cache.starts_.clear();
  }
  return cache;
}

StatCache::~StatCache() {
  if (!mapped_.empty()) ::munmap(const_cast<char*>(mapped_.data()), mapped_.size());
}

StatCache::StatCache(StatCache&& other) noexcept
    : mapped_(std::exchange(other.mapped_, {})), starts_(std::move(other.starts_)) {}

CachedDirectory StatCache::directory(std::size_t index) const {
  std::string_view rest = mapped_.substr(starts_[index], starts_[index + 1] - starts_[index]);
  CachedDirectory directory;
  take<std::uint32_t>(rest);
  const std::size_t path_size = take<std::uint16_t>(rest);
  directory.stamp = take<std::uint64_t>(rest);
  directory.rules = take<Id>(rest);
  directory.tree = take<Id>(rest);
  directory.mode = take<std::uint32_t>(rest);
  directory.directories = take<std::uint32_t>(rest);
  directory.entries = take<std::uint32_t>(rest);
  directory.notes = take<std::uint32_t>(rest);
  directory.ignored = take<std::uint32_t>(rest);
  directory.own_entries = take<std::uint32_t>(rest);
  directory.path = rest.substr(0, path_size);
  directory.own = rest.substr(directory.path.size());
  // Not so for a file that this wrote.
  directory.directories = std::clamp(directory.directories, 1U, static_cast<std::uint32_t>(index + 1));
  return directory;
}

std::string_view StatCache::subtree(std::size_t index, std::uint32_t directories) const {
  const std::size_t start = starts_[index + 1 - directories];
  return mapped_.substr(start, starts_[index + 1] - start);
}

std::vector<Id> StatCache::ids() const {
  std::vector<Id> ids;
  for (std::size_t i = 0; i < size(); ++i) {
    const CachedDirectory each = directory(i);
    ids.push_back(each.tree);
    EntryReader entries(each);
    for (CachedEntry entry; entries.next(entry);) {
      if (entry.kind <= CachedEntry::Kind::directory) ids.push_back(entry.id);
    }
  }
  return ids;
}

StatCacheWriter::StatCacheWriter() : bytes_(cache_header_size, '\0') {}

void StatCacheWriter::add(const CachedDirectory& directory, const std::vector<CachedEntry>& entries) {
  std::size_t size = record_fixed_size + directory.path.size();
  for (const CachedEntry& entry : entries) size += entry_fixed_size + entry.name.size();
  put(bytes_, static_cast<std::uint32_t>(size));
  put(bytes_, static_cast<std::uint16_t>(directory.path.size()));
  put(bytes_, directory.stamp);
  put(bytes_, directory.rules);
  put(bytes_, directory.tree);
  put(bytes_, directory.mode);
  put(bytes_, directory.directories);
  put(bytes_, directory.entries);
  put(bytes_, directory.notes);
  put(bytes_, directory.ignored);
  put(bytes_, static_cast<std::uint32_t>(entries.size()));
  bytes_ += directory.path;
  for (const CachedEntry& entry : entries) {
    put(bytes_, static_cast<std::uint8_t>(entry.name.size()));
    put(bytes_, static_cast<std::uint8_t>(entry.kind));
    put(bytes_, entry.mode);
    put(bytes_, entry.stamp);
    put(bytes_, entry.id);
    bytes_ += entry.name;
  }
}

std::string StatCacheWriter::finish(std::uint64_t key) {
  const std::uint64_t sum = checksum(std::string_view(bytes_).substr(cache_header_size));
  std::memcpy(bytes_.data(), cache_magic.data(), cache_magic.size());
  std::memcpy(bytes_.data() + 16, &key, sizeof key);
  std::memcpy(bytes_.data() + 24, &sum, sizeof sum);
  return std::move(bytes_);
}

std::uint64_t current_boot() {
  std::string text;
  static_cast<void>(read_file("/proc/sys/kernel/random/boot_id", 100, text));
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3;
  return hash;
}

}  // namespace joey::shadow
