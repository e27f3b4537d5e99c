#include "store/lease_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace joey {
namespace {

// Every process has to come to the same lock, of every build: so not std::hash. FNV-1a, mixed once more because names
// differ mostly at their ends.
std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3;
  hash = (hash ^ (hash >> 32)) * 0x9E37'79B9'7F4A'7C15;
  return hash;
}

int set_lock(int file, short type, std::uint64_t hash) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(hash >> 2);  // the high bits: an offset is signed, and so is the end behind it
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

LeaseFiles::~LeaseFiles() {
  for (const int file : files_) {
    if (file >= 0) close(file);  // and with it every lock
  }
}

Status LeaseFiles::acquire(const std::string& stream) {
  const std::uint64_t hash = hash_of(stream);
  if (const auto found = held_.find(hash); found != held_.end()) {
    found->second.insert(stream);
    return {};
  }
  const Result<int> file = open(hash % files_count);
  if (!file) return tl::unexpected(file.error());
  const int number = set_lock(*file, F_WRLCK, hash);
  if (number == EAGAIN || number == EACCES) {
    return failure(ErrorCode::busy, stream + ": another engine works on it; wait until it ends or is closed");
  }
  if (number != 0) return tl::unexpected(system_error(number, directory_));
  held_[hash].insert(stream);
  return {};
}

void LeaseFiles::release(const std::string& stream) {
  const std::uint64_t hash = hash_of(stream);
  const auto found = held_.find(hash);
  if (found == held_.end() || found->second.erase(stream) == 0 || !found->second.empty()) return;
  held_.erase(found);
  set_lock(files_[hash % files_count], F_UNLCK, hash);
}

Result<int> LeaseFiles::open(std::size_t index) {
  int& file = files_[index];
  if (file >= 0) return file;
  if (mkdir(directory_.c_str(), 0777) != 0 && errno != EEXIST) {
    return tl::unexpected(system_error(errno, directory_));
  }
  file = ::open((directory_ + "/" + std::to_string(index)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return tl::unexpected(system_error(errno, directory_));
  return file;
}

}  // namespace joey
