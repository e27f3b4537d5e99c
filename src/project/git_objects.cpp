// Git's objects: one compressed file each, or many in a pack, whole or as what differs from another.
#include <fcntl.h>
#include <fmt/format.h>
#include <git2/odb.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "project/git_files.hpp"
#include "project/loading.hpp"

namespace joey {
namespace {

constexpr std::size_t packs_max = 100;            // each costs a descriptor or two
constexpr std::size_t pack_directory_names_max = 10'000;
constexpr std::size_t loose_names_max = 100'000;  // in one of their 256 directories
constexpr std::size_t delta_chain_max = 4'096;
constexpr std::uint64_t index_header_size = 8;    // of a pack's index: before the table of first bytes
constexpr std::uint64_t index_ids_start = index_header_size + 4 * 256;

tl::unexpected<Error> damaged_object() {
  return failure(ErrorCode::corrupt, "git: an object is damaged: see git fsck");
}
tl::unexpected<Error> too_large_object(std::size_t size_max) {
  return failure(ErrorCode::limit, fmt::format("git: an object is larger than {} bytes", size_max));
}

// Exactly `size` bytes from `offset`.
bool read_exactly(const Descriptor& file, void* into, std::size_t size, std::uint64_t offset) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t count = ::pread(file.get(), at, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += count;
    size -= static_cast<std::size_t>(count);
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

bool is_regular(const Descriptor& file) {
  struct stat status = {};
  return file && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
}

// Decompresses what begins at an offset of a file.
class Inflater {
 public:
  Inflater(const Descriptor& file, std::uint64_t offset) : file_(file), offset_(offset) {
    ok_ = inflateInit(&stream_) == Z_OK;
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Up to `size` bytes; fewer where it ends, or where it is damaged.
  std::string take(std::size_t size) {
    std::string out;
    while (ok_ && !ended_ && out.size() < size) {
      if (stream_.avail_in == 0 && !fill()) break;
      const std::size_t had = out.size();
      out.resize(std::min(size, had + piece_max));
      stream_.next_out = reinterpret_cast<Bytef*>(out.data()) + had;
      stream_.avail_out = static_cast<uInt>(out.size() - had);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      out.resize(out.size() - stream_.avail_out);
      ended_ = code == Z_STREAM_END;
      ok_ = code == Z_OK || code == Z_STREAM_END || (code == Z_BUF_ERROR && stream_.avail_in == 0);
    }
    return out;
  }
  // Exactly `size` bytes and no more.
  std::optional<std::string> take_all(std::size_t size) {
    std::string out = take(size);
    if (out.size() != size || !take(1).empty() || !ended_) return std::nullopt;
    return out;
  }

 private:
  static constexpr std::size_t piece_max = 1U << 20;  // grown by, so that a size that lies costs nothing

  bool fill() {
    const ssize_t count = ::pread(file_.get(), input_, sizeof input_, static_cast<off_t>(offset_));
    if (count < 0 && errno == EINTR) return fill();
    ok_ = count > 0;
    if (!ok_) return false;
    offset_ += static_cast<std::uint64_t>(count);
    stream_.next_in = input_;
    stream_.avail_in = static_cast<uInt>(count);
    return true;
  }

  const Descriptor& file_;
  std::uint64_t offset_;
  z_stream stream_{};
  unsigned char input_[16U << 10];
  bool ok_{false};
  bool ended_{false};
};

// Seven bits a byte, the lowest first. Nothing when it is too long.
std::optional<std::uint64_t> take_size(std::string_view& bytes, unsigned shift = 0) {
  std::uint64_t value = 0;
  while (!bytes.empty() && shift < 60) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) return value;
    shift += 7;
  }
  return std::nullopt;
}

// Makes an object of what it was derived from: pieces to copy, and bytes to insert.
std::optional<std::string> apply_delta(std::string_view base, std::string_view delta, std::size_t size_max) {
  const std::optional<std::uint64_t> base_size = take_size(delta);
  const std::optional<std::uint64_t> size = take_size(delta);
  if (!base_size || !size || *base_size != base.size() || *size > size_max) return std::nullopt;
  std::string out;
  while (!delta.empty()) {
    const auto code = static_cast<unsigned char>(delta.front());
    delta.remove_prefix(1);
    if ((code & 0x80) == 0) {
      if (code == 0 || code > delta.size() || out.size() + code > *size) return std::nullopt;
      out += delta.substr(0, code);
      delta.remove_prefix(code);
      continue;
    }
    std::size_t offset = 0;
    std::size_t count = 0;
    for (unsigned bit = 0; bit < 7; ++bit) {
      if ((code & 1U << bit) == 0) continue;
      if (delta.empty()) return std::nullopt;
      const std::size_t byte = static_cast<unsigned char>(delta.front());
      delta.remove_prefix(1);
      (bit < 4 ? offset : count) |= byte << 8 * (bit < 4 ? bit : bit - 4);
    }
    if (count == 0) count = 0x10000;
    if (offset > base.size() || count > base.size() - offset || out.size() + count > *size) return std::nullopt;
    out += base.substr(offset, count);
  }
  if (out.size() != *size) return std::nullopt;
  return out;
}

// The head of an object in a pack.
struct PackedHead {
  unsigned kind{0};  // as GitKind; 6: a delta to an earlier object of the pack, 7: to one by name
  std::uint64_t size{0};
  std::uint64_t base_offset{0};
  GitId base_id{};
  std::uint64_t content{0};  // where its compressed bytes begin
};

constexpr unsigned offset_delta = 6;
constexpr unsigned named_delta = 7;

std::optional<PackedHead> read_packed_head(const Descriptor& pack, std::uint64_t offset) {
  char buffer[64];
  const ssize_t got = ::pread(pack.get(), buffer, sizeof buffer, static_cast<off_t>(offset));
  if (got <= 0) return std::nullopt;
  const std::string_view all(buffer, static_cast<std::size_t>(got));
  std::string_view rest = all.substr(1);
  const auto first = static_cast<unsigned char>(all[0]);
  PackedHead head;
  head.kind = first >> 4 & 7;
  head.size = first & 15;
  if ((first & 0x80) != 0) {
    const std::optional<std::uint64_t> more = take_size(rest, 4);
    if (!more) return std::nullopt;
    head.size |= *more;
  }
  if (head.kind == offset_delta) {
    std::uint64_t back = 0;
    for (bool more = true, begun = false; more; begun = true) {
      if (rest.empty() || back >> 56 != 0) return std::nullopt;
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      back = ((begun ? back + 1 : 0) << 7) | (byte & 0x7FU);
      more = (byte & 0x80) != 0;
    }
    if (back == 0 || back >= offset) return std::nullopt;
    head.base_offset = offset - back;
  } else if (head.kind == named_delta) {
    if (rest.size() < head.base_id.size()) return std::nullopt;
    std::copy_n(rest.begin(), head.base_id.size(), head.base_id.begin());
    rest.remove_prefix(head.base_id.size());
  }
  head.content = offset + (all.size() - rest.size());
  return head;
}

std::uint32_t number_at(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

// Whether the digits of `id` begin with `digits`.
bool begins_with(const GitId& id, std::string_view digits) { return hex_of(id).starts_with(digits); }

}  // namespace

GitId id_of(GitKind kind, std::string_view bytes) {
  git_oid id = {};
  GitId made{};
  if (git_odb_hash(&id, bytes.data(), bytes.size(), static_cast<git_object_t>(kind)) == 0) {
    std::copy_n(id.id, made.size(), made.begin());
  }
  return made;
}

Result<GitObject> GitObjects::read(const GitId& id, std::size_t size_max) {
  Result<GitObject> object = read_unchecked(id, size_max);
  if (object && id_of(object->kind, object->bytes) != id) return damaged_object();
  return object;
}

Result<std::string> GitObjects::read(const GitId& id, GitKind kind, std::size_t size_max) {
  Result<GitObject> object = read(id, size_max);
  if (!object) return tl::unexpected(std::move(object.error()));
  if (object->kind != kind) {
    return failure(ErrorCode::invalid_argument, fmt::format("git: {} is of another kind", hex_of(id)));
  }
  return std::move(object->bytes);
}

Result<GitObject> GitObjects::read_unchecked(const GitId& id, std::size_t size_max) {
  const std::string name = hex_of(id);
  const Descriptor loose = place_.root->open_at(
      place_.path(fmt::format("objects/{}/{}", name.substr(0, 2), name.substr(2))), O_RDONLY, Root::Links::follow);
  if (is_regular(loose)) return read_loose(loose, size_max);
  if (Status opened = open_packs(); !opened) return tl::unexpected(std::move(opened.error()));
  const std::optional<Place> place = locate(id);
  if (!place) return failure(ErrorCode::not_found, fmt::format("git: there is no object {}", name));
  return read_packed(*place, size_max);
}

// "blob 12", a NUL, and the content, all compressed.
Result<GitObject> GitObjects::read_loose(const Descriptor& file, std::size_t size_max) const {
  constexpr std::size_t head_max = 32;
  static constexpr std::pair<std::string_view, GitKind> kinds[] = {
      {"commit", GitKind::commit}, {"tree", GitKind::tree}, {"blob", GitKind::blob}, {"tag", GitKind::tag}};
  Inflater inflater(file, 0);
  const std::string beginning = inflater.take(head_max);
  const std::string_view head = std::string_view(beginning).substr(0, beginning.find('\0'));
  const std::size_t space = head.find(' ');
  if (head.size() == beginning.size() || space == std::string_view::npos) return damaged_object();
  const auto kind = std::find_if(std::begin(kinds), std::end(kinds),
                                 [&](const auto& each) { return each.first == head.substr(0, space); });
  const std::string_view digits = head.substr(space + 1);
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  if (kind == std::end(kinds) || error != std::errc() || end != digits.data() + digits.size()) return damaged_object();
  if (size > size_max) return too_large_object(size_max);
  GitObject object{kind->second, beginning.substr(head.size() + 1)};
  if (object.bytes.size() > size) return damaged_object();
  std::optional<std::string> rest = inflater.take_all(static_cast<std::size_t>(size) - object.bytes.size());
  if (!rest) return damaged_object();
  object.bytes += *rest;
  return object;
}

Status GitObjects::open_packs() {
  if (packs_opened_) return {};
  const std::string directory = place_.path("objects/pack");
  Descriptor opened = place_.root->open_at(directory, O_RDONLY | O_DIRECTORY, Root::Links::follow);
  if (!opened && errno == ENOENT) return {};
  const auto names = read_directory(std::move(opened), directory, pack_directory_names_max);
  if (!names) return tl::unexpected(names.error());
  for (const DirectoryEntry& entry : *names) {
    constexpr std::string_view ending = ".idx";
    if (!entry.name.ends_with(ending)) continue;
    if (packs_.size() == packs_max) {
      return failure(ErrorCode::limit, fmt::format("git: there are more than {} packs: run git gc", packs_max));
    }
    Pack pack;
    pack.name = join_path(directory, entry.name.substr(0, entry.name.size() - ending.size()));
    pack.index = place_.root->open_at(pack.name + ".idx", O_RDONLY, Root::Links::follow);
    unsigned char head[index_ids_start];
    if (!is_regular(pack.index) || !read_exactly(pack.index, head, sizeof head, 0)) continue;
    if (std::memcmp(head, "\377tOc\0\0\0\2", index_header_size) != 0) continue;
    for (std::size_t i = 0; i < pack.fanout.size(); ++i) pack.fanout[i] = number_at(head + index_header_size + 4 * i);
    if (!std::is_sorted(pack.fanout.begin(), pack.fanout.end())) continue;
    pack.count = pack.fanout.back();
    packs_.push_back(std::move(pack));
  }
  std::sort(packs_.begin(), packs_.end(), [](const Pack& a, const Pack& b) { return a.name < b.name; });
  packs_opened_ = true;
  return {};
}

std::optional<GitObjects::Place> GitObjects::locate(const GitId& id) const {
  for (std::size_t p = 0; p < packs_.size(); ++p) {
    const Pack& pack = packs_[p];
    std::uint64_t low = id[0] == 0 ? 0 : pack.fanout[id[0] - 1U];
    std::uint64_t high = pack.fanout[id[0]];
    while (low < high) {
      const std::uint64_t middle = (low + high) / 2;
      GitId found{};
      if (!read_exactly(pack.index, found.data(), found.size(), index_ids_start + middle * found.size())) break;
      if (found == id) {
        // Behind the names come checksums, then offsets, and those beyond 31 bits in a table of their own.
        unsigned char number[8];
        const std::uint64_t offsets = index_ids_start + std::uint64_t{pack.count} * (id.size() + 4);
        if (!read_exactly(pack.index, number, 4, offsets + 4 * middle)) break;
        std::uint64_t offset = number_at(number);
        if ((offset & 0x80000000U) != 0) {
          const std::uint64_t far = offsets + 4 * std::uint64_t{pack.count} + 8 * (offset & 0x7FFFFFFFU);
          if (!read_exactly(pack.index, number, 8, far)) break;
          offset = std::uint64_t{number_at(number)} << 32 | number_at(number + 4);
          if (offset >> 62 != 0) break;
        }
        return Place{p, offset};
      }
      (found < id ? low : high) = found < id ? middle + 1 : middle;
    }
  }
  return std::nullopt;
}

Result<GitObject> GitObjects::read_packed(Place place, std::size_t size_max) {
  std::vector<std::string> deltas;
  std::size_t held = 0;
  while (true) {
    Pack& pack = packs_[place.pack];
    if (!pack.bytes) pack.bytes = place_.root->open_at(pack.name + ".pack", O_RDONLY, Root::Links::follow);
    if (!is_regular(pack.bytes)) return damaged_object();
    const std::optional<PackedHead> head = read_packed_head(pack.bytes, place.offset);
    if (!head) return damaged_object();
    held += static_cast<std::size_t>(std::min<std::uint64_t>(head->size, size_max + 1));
    if (head->size > size_max || held > 4 * size_max) return too_large_object(size_max);
    Inflater inflater(pack.bytes, head->content);
    std::optional<std::string> content = inflater.take_all(static_cast<std::size_t>(head->size));
    if (!content) return damaged_object();
    if (head->kind >= 1 && head->kind <= 4) {
      GitObject object{static_cast<GitKind>(head->kind), std::move(*content)};
      for (; !deltas.empty(); deltas.pop_back()) {
        std::optional<std::string> made = apply_delta(object.bytes, deltas.back(), size_max);
        if (!made) return damaged_object();
        object.bytes = std::move(*made);
      }
      return object;
    }
    if (deltas.size() == delta_chain_max) return damaged_object();
    deltas.push_back(std::move(*content));
    if (head->kind == offset_delta) {
      place.offset = head->base_offset;
    } else if (head->kind == named_delta) {
      const std::optional<Place> base = locate(head->base_id);
      if (!base) return damaged_object();
      place = *base;
    } else {
      return damaged_object();
    }
  }
}

Result<GitId> GitObjects::find(std::string_view digits) {
  const auto none = [&] { return failure(ErrorCode::not_found, fmt::format("git: there is no commit {}", digits)); };
  const bool valid = digits.size() >= 4 && digits.size() <= 40 &&
                     digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!valid) return failure(ErrorCode::invalid_argument, "git: a commit is named by 4 to 40 hexadecimal digits");
  if (Status opened = open_packs(); !opened) return tl::unexpected(std::move(opened.error()));

  std::vector<GitId> found;
  const auto add = [&](const GitId& id) {
    if (begins_with(id, digits) && std::find(found.begin(), found.end(), id) == found.end()) found.push_back(id);
  };
  const std::string directory = place_.path(fmt::format("objects/{}", digits.substr(0, 2)));
  const auto names = read_directory(place_.root->open_at(directory, O_RDONLY | O_DIRECTORY, Root::Links::follow),
                                    directory, loose_names_max);
  if (names) {
    for (const DirectoryEntry& entry : *names) {
      if (const auto id = id_of_hex(fmt::format("{}{}", digits.substr(0, 2), entry.name))) add(*id);
    }
  }
  // The first name of a pack that is not before the digits, and the one after.
  GitId least{};
  if (const auto id = id_of_hex(std::string(digits) + std::string(40 - digits.size(), '0'))) least = *id;
  for (const Pack& pack : packs_) {
    std::uint64_t low = 0;
    std::uint64_t high = pack.count;
    GitId id{};
    while (low < high) {
      const std::uint64_t middle = (low + high) / 2;
      if (!read_exactly(pack.index, id.data(), id.size(), index_ids_start + middle * id.size())) break;
      (id < least ? low : high) = id < least ? middle + 1 : middle;
    }
    for (std::uint64_t i = low; i < std::min<std::uint64_t>(low + 2, pack.count); ++i) {
      if (read_exactly(pack.index, id.data(), id.size(), index_ids_start + i * id.size())) add(id);
    }
  }
  if (found.empty()) return none();
  if (found.size() > 1) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("git: several objects begin with {}: give more digits", digits));
  }
  return found.front();
}

}  // namespace joey
