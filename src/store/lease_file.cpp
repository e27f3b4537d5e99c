#include "store/lease_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace joey {
namespace {

// Every process has to come to the same offset, of every build: so not std::hash. FNV-1a, mixed once more because names
// differ mostly at their ends.
off_t offset_of(std::string_view name) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3;
  hash = (hash ^ (hash >> 32)) * 0x9E37'79B9'7F4A'7C15;
  return static_cast<off_t>(hash >> 2);  // an offset is signed, and its end must be one too
}

int set_lock(int file, short type, off_t offset) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = offset;
  lock.l_len = 1;
  int code = 0;
  do {
    code = fcntl(file, F_OFD_SETLK, &lock);
  } while (code != 0 && errno == EINTR);
  return code == 0 ? 0 : errno;
}

Error system_error(int number, const std::string& path) {
  const bool denied = number == EACCES || number == EPERM || number == EROFS;
  return {denied ? ErrorCode::denied : ErrorCode::io, path + ": " + std::generic_category().message(number)};
}

}  // namespace

LeaseFile::~LeaseFile() {
  if (file_ >= 0) close(file_);  // and with it every lock
}

Status LeaseFile::acquire(const std::string& stream) {
  if (Status status = open(); !status) return status;
  const off_t offset = offset_of(stream);
  if (const auto found = held_.find(offset); found != held_.end()) {
    found->second.insert(stream);
    return {};
  }
  const int number = set_lock(file_, F_WRLCK, offset);
  if (number == EAGAIN || number == EACCES) {
    return failure(ErrorCode::busy, stream + ": another engine works on it; wait until it ends or is closed");
  }
  if (number != 0) return tl::unexpected(system_error(number, path_));
  held_[offset].insert(stream);
  return {};
}

void LeaseFile::release(const std::string& stream) {
  const off_t offset = offset_of(stream);
  const auto found = held_.find(offset);
  if (found == held_.end() || found->second.erase(stream) == 0 || !found->second.empty()) return;
  held_.erase(found);
  set_lock(file_, F_UNLCK, offset);
}

Status LeaseFile::open() {
  if (file_ >= 0) return {};
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) return tl::unexpected(system_error(errno, path_));
  return {};
}

}  // namespace joey
