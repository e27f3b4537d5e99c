// What the opaque handles of joey.h hold, and the one place where exceptions stop.
#pragma once

#include <joey/joey.h>

#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/audit_export.hpp"
#include "runtime/host.hpp"

struct joey_text {
  std::string bytes;
};

struct joey_engine {
  std::shared_ptr<joey::Host> host;
};

struct joey_session {
  std::shared_ptr<joey::Host> host;
  std::shared_ptr<joey::Session> session;
};

struct joey_task {
  std::shared_ptr<joey::Host> host;
  std::shared_ptr<joey::Session> session;
  std::string id;
};

struct joey_subscription {
  std::shared_ptr<joey::Host> host;
  std::shared_ptr<joey::Subscription> subscription;
  std::vector<joey::EventRecordPtr> taken;  // lent to the caller until the next call
};

struct joey_audit {
  joey::AuditExport exported;
};

namespace joey::capi {

// The line of joey_last_error_message(), on this thread.
std::string& last_error() noexcept;

joey_status fail(joey_status status, std::string_view message) noexcept;
inline joey_status fail(const Error& error) noexcept {
  return fail(static_cast<joey_status>(error.code), error.message);
}

// What is wrong with an argument, where it is read.
class BadArgument : public std::exception {
 public:
  explicit BadArgument(const char* message) : message_(message) {}
  [[nodiscard]] const char* what() const noexcept override { return message_; }

 private:
  const char* message_;
};

// Every function that returns a status runs its body in here.
template <class Body>
joey_status guarded(Body&& body) noexcept try {
  last_error().clear();
  return body();
} catch (const BadArgument& e) {
  return fail(JOEY_ERR_INVALID_ARGUMENT, e.what());
} catch (const std::bad_alloc&) {
  return fail(JOEY_ERR_OUT_OF_MEMORY, "out of memory");
} catch (const std::exception& e) {
  return fail(JOEY_ERR_INTERNAL, e.what());
} catch (...) {
  return fail(JOEY_ERR_INTERNAL, "unknown exception");
}

// The same for functions that cannot fail.
template <class Body>
void quietly(Body&& body) noexcept try {
  body();
} catch (...) {
}

inline joey_status invalid(std::string_view message) noexcept { return fail(JOEY_ERR_INVALID_ARGUMENT, message); }

// Outputs are set on every path.
template <class T>
void clear(T* out) {
  if (out != nullptr) *out = T{};
}

// Bytes in: NULL only with size 0. Within `guarded`.
inline std::string_view view(const char* data, std::size_t size) {
  constexpr std::size_t size_absurd = std::size_t{1} << 31;
  if (data == nullptr && size > 0) throw BadArgument("a string is NULL, and its size is not 0");
  if (size >= size_absurd) throw BadArgument("a string's size makes no sense: it is 2 GB or more");
  return data == nullptr ? std::string_view() : std::string_view(data, size);
}
// The same for functions that cannot fail.
inline std::string_view view_or_empty(const char* data, std::size_t size) {
  return data == nullptr ? std::string_view() : std::string_view(data, size);
}
inline std::string text_or(const char* text, const char* otherwise) { return text == nullptr ? otherwise : text; }

// A struct that a caller filled, as this version knows it: what an older caller's lacks is zero. False when it holds
// something past what this version knows, which could not be honoured, or when its size makes no sense.
template <class Struct>
bool read_struct(const Struct* in, Struct& out) {
  constexpr std::size_t size_absurd = 4'096;
  std::memset(static_cast<void*>(&out), 0, sizeof out);
  if (in == nullptr) return true;
  const std::size_t size = in->struct_size;
  if (size < sizeof(std::size_t) || size > size_absurd) return false;
  std::memcpy(static_cast<void*>(&out), in, size < sizeof out ? size : sizeof out);
  const auto* bytes = reinterpret_cast<const unsigned char*>(in);
  for (std::size_t i = sizeof out; i < size; ++i) {
    if (bytes[i] != 0) return false;
  }
  out.struct_size = sizeof out;
  return true;
}

// Runs a host's `destroy` once, whatever happens to the object it is in.
class UserData {
 public:
  UserData(void* data, void (*destroy)(void*)) : data_(data), destroy_(destroy) {}
  ~UserData() {
    if (destroy_ != nullptr) destroy_(data_);
  }
  UserData(const UserData&) = delete;
  UserData& operator=(const UserData&) = delete;
  [[nodiscard]] void* get() const { return data_; }

 private:
  void* data_;
  void (*destroy_)(void*);
};

inline joey_text* make_text(std::string bytes) { return new joey_text{std::move(bytes)}; }

[[nodiscard]] std::string summary_json(const TaskSummary& task);
[[nodiscard]] Result<TaskSummary> parse_summary(const std::string& json);

// Adapters of the host's vtables to the engine's ports. `user` goes with them.
std::shared_ptr<const Tool> make_host_tool(ToolSpec spec, const joey_tool_vtable& vtable, std::shared_ptr<UserData> user,
                                           std::shared_ptr<Postbox> postbox);
std::shared_ptr<HostPolicy> make_host_policy(const joey_policy_vtable& vtable, std::shared_ptr<UserData> user,
                                             std::shared_ptr<Postbox> postbox);
ModelFactory make_host_model(const joey_provider_vtable& vtable, std::shared_ptr<UserData> user);
std::unique_ptr<Transport> make_host_transport(const joey_transport_vtable& vtable, std::shared_ptr<UserData> user,
                                               std::shared_ptr<Postbox> postbox);
std::shared_ptr<SecretResolver> make_host_secrets(const joey_secrets_vtable& vtable, std::shared_ptr<UserData> user,
                                                  std::shared_ptr<Postbox> postbox);
std::unique_ptr<Store> make_host_store(const joey_store_vtable& vtable, std::shared_ptr<UserData> user,
                                       Scheduler& scheduler, std::shared_ptr<Postbox> postbox);

}  // namespace joey::capi
