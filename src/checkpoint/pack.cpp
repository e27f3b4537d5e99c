#include "checkpoint/pack.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <mbedtls/sha1.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/text.hpp"

namespace joey::shadow {
namespace {

constexpr std::size_t buffer_max = 256U << 10;
constexpr std::size_t checksum_size = 20;
constexpr std::string_view index_magic("\377tOc\0\0\0\2", 8);
constexpr std::size_t fanout_size = 256 * 4;

void append_be32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

std::uint32_t read_be32(const char* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

std::string_view as_text(const std::array<unsigned char, checksum_size>& checksum) {
  return {reinterpret_cast<const char*>(checksum.data()), checksum.size()};
}

std::array<unsigned char, checksum_size> sha1(std::string_view bytes) {
  std::array<unsigned char, checksum_size> checksum{};
  mbedtls_sha1_ret(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), checksum.data());
  return checksum;
}

// Maps a file whole, for reading: empty when it is not there, or is. Returns 0 or an errno.
int map(const std::string& path, std::string_view& bytes) {
  bytes = {};
  const Handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status = {};
  if (!file) return errno == ENOENT ? 0 : errno;
  if (::fstat(file.get(), &status) != 0) return errno;
  if (status.st_size == 0) return 0;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (at == MAP_FAILED) return errno;
  bytes = std::string_view(static_cast<const char*>(at), size);
  return 0;
}

void unmap(std::string_view bytes) {
  if (!bytes.empty()) ::munmap(const_cast<char*>(bytes.data()), bytes.size());
}

}  // namespace

std::string Id::hex() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

bool Id::parse(std::string_view hex, Id& id) {
  if (hex.size() != 2 * id.bytes.size()) return false;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else {
      return false;
    }
    unsigned char& byte = id.bytes[i / 2];
    byte = static_cast<unsigned char>(i % 2 == 0 ? digit << 4 : byte | digit);
  }
  return true;
}

// --- PackWriter ---

struct PackWriter::Deflater {
  Deflater() { ok = deflateInit(&stream, Z_BEST_SPEED) == Z_OK; }
  ~Deflater() {
    if (ok) deflateEnd(&stream);
  }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // Appends `bytes`, which are fewer than 4 GiB.
  bool run(std::string_view bytes, std::string& out) {
    if (!ok || deflateReset(&stream) != Z_OK) return false;
    const std::size_t before = out.size();
    out.resize(before + deflateBound(&stream, bytes.size()));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return false;
    out.resize(out.size() - stream.avail_out);
    return true;
  }

  z_stream stream{};
  bool ok{false};
  std::string packed;
};

PackWriter::PackWriter() : deflater_(std::make_unique<Deflater>()) {}

PackWriter::~PackWriter() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<std::unique_ptr<PackWriter>> PackWriter::create(const std::string& directory) {
  std::unique_ptr<PackWriter> writer(new PackWriter());
  writer->directory_ = directory;
  std::string name = directory + "/tmp_pack_XXXXXX";
  writer->file_ = Handle(::mkostemp(name.data(), O_CLOEXEC));
  if (!writer->file_) return tl::unexpected(system_error(errno, directory));
  writer->temporary_ = name;
  // The number of objects is filled in at the end.
  if (Status status = writer->write(std::string_view("PACK\0\0\0\2\0\0\0\0", 12)); !status) {
    return tl::unexpected(std::move(status.error()));
  }
  return writer;
}

Status PackWriter::add(ObjectType type, const Id& id, std::string_view bytes) {
  std::string& packed = deflater_->packed;
  packed.clear();
  std::size_t rest = bytes.size();
  auto byte = static_cast<unsigned>(type) << 4U | static_cast<unsigned>(rest & 15U);
  for (rest >>= 4; rest != 0; rest >>= 7) {
    packed += static_cast<char>(byte | 0x80U);
    byte = static_cast<unsigned>(rest & 0x7FU);
  }
  packed += static_cast<char>(byte);
  if (!deflater_->run(bytes, packed)) return failure(ErrorCode::out_of_memory, "no memory to compress a file");
  return add_packed(id, packed);
}

Status PackWriter::add_packed(const Id& id, std::string_view packed) {
  const auto crc = crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(packed.data()),
                         static_cast<uInt>(packed.size()));
  const Entry entry{static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(crc)};
  if (Status status = write(packed); !status) return status;
  entries_.emplace(id, entry);
  return {};
}

Status PackWriter::write(std::string_view bytes) {
  size_ += bytes.size();
  buffer_ += bytes;
  return buffer_.size() < buffer_max ? Status() : flush();
}

Status PackWriter::flush() {
  if (const int error = write_all(file_.get(), buffer_); error != 0) {
    return tl::unexpected(system_error(error, directory_));
  }
  buffer_.clear();
  return {};
}

Result<std::string> PackWriter::finish(bool synced) {
  if (Status status = flush(); !status) return tl::unexpected(std::move(status.error()));
  std::string header("PACK\0\0\0\2", 8);
  append_be32(header, static_cast<std::uint32_t>(entries_.size()));
  const auto failed = [this](int error) { return tl::unexpected(system_error(error, directory_)); };
  if (::pwrite(file_.get(), header.data(), header.size(), 0) != static_cast<ssize_t>(header.size())) return failed(errno);

  // Hashed from the file: it begins with what was just written.
  std::string_view mapped;
  if (const int error = map(temporary_, mapped); error != 0) return failed(error);
  if (mapped.size() != size_) {
    unmap(mapped);
    return failure(ErrorCode::io, fmt::format("{}: a new pack has another size than was written", quoted_path(directory_)));
  }
  const auto trailer = sha1(mapped);
  unmap(mapped);
  if (const int error = write_all(file_.get(), as_text(trailer)); error != 0) return failed(error);
  if (synced && ::fdatasync(file_.get()) != 0) return failed(errno);

  Id name;
  name.bytes = trailer;
  const std::string base = directory_ + "/pack-" + name.hex();
  const std::string index_temporary = temporary_ + ".idx";
  {
    const Handle index_file(
        ::open(index_temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    int error = index_file ? write_all(index_file.get(), index(trailer)) : errno;
    if (error == 0 && synced && ::fdatasync(index_file.get()) != 0) error = errno;
    // Readers look for the index: it comes last.
    if (error == 0 && ::rename(temporary_.c_str(), (base + ".pack").c_str()) != 0) error = errno;
    if (error == 0) {
      temporary_.clear();
      if (::rename(index_temporary.c_str(), (base + ".idx").c_str()) != 0) error = errno;
    }
    if (error != 0) {
      ::unlink(index_temporary.c_str());
      return failed(error);
    }
  }
  return base;
}

std::string PackWriter::index(const std::array<unsigned char, 20>& trailer) const {
  std::vector<std::pair<Id, Entry>> sorted(entries_.begin(), entries_.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });

  std::string out(index_magic);
  out.reserve(index_magic.size() + fanout_size + sorted.size() * 28 + 2 * checksum_size);
  std::size_t at = 0;
  for (unsigned first = 0; first < 256; ++first) {
    while (at < sorted.size() && sorted[at].first.bytes[0] <= first) ++at;
    append_be32(out, static_cast<std::uint32_t>(at));
  }
  for (const auto& [id, entry] : sorted) out += as_text(id.bytes);
  for (const auto& [id, entry] : sorted) append_be32(out, entry.crc);
  for (const auto& [id, entry] : sorted) append_be32(out, entry.offset);
  out += as_text(trailer);
  out += as_text(sha1(out));
  return out;
}

// --- PackReader ---

Result<PackReader> PackReader::open(const std::string& index_path) {
  PackReader reader;
  reader.name_ = index_path.substr(0, index_path.size() - 4);
  const auto damaged = [&] {
    return failure(ErrorCode::corrupt, fmt::format("{}: is not the index of a pack", quoted_path(index_path)));
  };
  std::string_view index;
  if (const int error = map(index_path, index); error != 0) return tl::unexpected(system_error(error, index_path));
  struct Unmap {
    std::string_view bytes;
    ~Unmap() { unmap(bytes); }
  } const guard{index};
  const std::string pack_path = reader.name_ + ".pack";
  std::string_view pack;
  if (const int error = map(pack_path, pack); error != 0) return tl::unexpected(system_error(error, pack_path));
  reader.pack_ = pack.data();
  reader.pack_size_ = pack.size();
  if (index.size() < index_magic.size() + fanout_size + 2 * checksum_size || !index.starts_with(index_magic) ||
      pack.size() < 12 + checksum_size || pack.size() > pack_size_max * 2) {
    return damaged();
  }
  const std::size_t count = read_be32(index.data() + index_magic.size() + fanout_size - 4);
  const std::size_t ids = index_magic.size() + fanout_size;
  // Shorter: damaged; longer: it has 64-bit offsets, and no pack of ours.
  if (index.size() != ids + count * 28 + 2 * checksum_size || read_be32(pack.data() + 8) != count ||
      pack.substr(pack.size() - checksum_size) != index.substr(index.size() - 2 * checksum_size, checksum_size)) {
    return damaged();
  }
  reader.objects_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(reader.objects_[i].id.bytes.data(), index.data() + ids + i * 20, 20);
    reader.objects_[i].offset = read_be32(index.data() + ids + count * 24 + i * 4);
  }
  std::sort(reader.objects_.begin(), reader.objects_.end(),
            [](const Object& a, const Object& b) { return a.offset < b.offset; });
  auto end = static_cast<std::uint32_t>(pack.size() - checksum_size);
  for (std::size_t i = count; i-- > 0;) {
    if (reader.objects_[i].offset < 12 || reader.objects_[i].offset >= end) return damaged();
    reader.objects_[i].end = end;
    end = reader.objects_[i].offset;
  }
  return reader;
}

PackReader::~PackReader() { unmap({pack_, pack_ == nullptr ? 0 : pack_size_}); }

PackReader::PackReader(PackReader&& other) noexcept
    : name_(std::move(other.name_)),
      pack_(std::exchange(other.pack_, nullptr)),
      pack_size_(other.pack_size_),
      objects_(std::move(other.objects_)) {}

std::string_view PackReader::packed(std::size_t index) const {
  const Object& object = objects_[index];
  return {pack_ + object.offset, object.end - object.offset};
}

bool PackReader::has_deltas() const {
  return std::any_of(objects_.begin(), objects_.end(), [this](const Object& object) {
    const auto type = static_cast<unsigned char>(pack_[object.offset]) >> 4 & 7;
    return type == 0 || type > 4;
  });
}

bool PackReader::intact() const {
  const std::string_view pack(pack_, pack_size_);
  const auto trailer = sha1(pack.substr(0, pack.size() - checksum_size));
  return as_text(trailer) == pack.substr(pack.size() - checksum_size);
}

}  // namespace joey::shadow
