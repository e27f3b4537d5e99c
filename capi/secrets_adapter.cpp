// Secrets of the host.
#include <atomic>
#include <utility>

#include "base/text.hpp"
#include "capi/handles.hpp"

// One question, from resolve() to joey_secret_resolved() or joey_secret_failed(). The host's pointer is one owner; the
// cancel of the loop's side is another.
struct joey_secret_request {
  std::shared_ptr<joey_secret_request> self;  // while the host holds the pointer
  std::string name;
  std::shared_ptr<joey::Postbox> postbox;
  joey::Completion<std::string> done;
  std::atomic<bool> ended{false};
};

namespace joey::capi {
namespace {

class HostSecrets final : public SecretResolver {
 public:
  HostSecrets(const joey_secrets_vtable& vtable, std::shared_ptr<UserData> user, std::shared_ptr<Postbox> postbox)
      : vtable_(vtable), user_(std::move(user)), postbox_(std::move(postbox)) {}

  void resolve(const std::string& name, CancelToken cancel, Completion<std::string> done) override {
    const auto request = std::make_shared<joey_secret_request>();
    request->self = request;
    request->name = name;
    request->postbox = postbox_;
    request->done = std::move(done);
    if (vtable_.cancel != nullptr) {
      cancel.on_cancel([weak = std::weak_ptr(request), give_up = vtable_.cancel, user = user_] {
        const auto live = weak.lock();
        if (live && !live->ended) give_up(user->get(), live.get());
      });
    }
    vtable_.resolve(user_->get(), request.get());
  }

 private:
  joey_secrets_vtable vtable_;
  std::shared_ptr<UserData> user_;
  std::shared_ptr<Postbox> postbox_;
};

void end(joey_secret_request* request, Result<std::string> result) {
  if (request == nullptr || request->ended.exchange(true)) return;
  const auto self = std::move(request->self);
  self->postbox->post([self, result = std::move(result)]() mutable { self->done(std::move(result)); });
}

}  // namespace

std::shared_ptr<SecretResolver> make_host_secrets(const joey_secrets_vtable& vtable, std::shared_ptr<UserData> user,
                                                  std::shared_ptr<Postbox> postbox) {
  return std::make_shared<HostSecrets>(vtable, std::move(user), std::move(postbox));
}

}  // namespace joey::capi

using namespace joey;
using namespace joey::capi;

const char* joey_secret_request_name(const joey_secret_request* request, size_t* out_size) {
  if (out_size != nullptr) *out_size = request == nullptr ? 0 : request->name.size();
  return request == nullptr ? "" : request->name.c_str();
}

void joey_secret_resolved(joey_secret_request* request, const char* value, size_t value_size) {
  quietly([&] { end(request, std::string(view_or_empty(value, value_size))); });
}

void joey_secret_failed(joey_secret_request* request, joey_status status, const char* message, size_t message_size) {
  quietly([&] {
    const std::string_view why = view_or_empty(message, message_size);
    end(request, failure(status < 0 ? static_cast<ErrorCode>(status) : ErrorCode::not_found,
                         why.empty() ? "the host did not say why" : to_utf8(why)));
  });
}
