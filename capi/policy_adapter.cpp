// The host's own word on tool calls.
#include <atomic>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "capi/handles.hpp"

// One question, from decide() to joey_policy_call_finish(). The host's pointer is one owner; the loop's side is another.
struct joey_policy_call {
  std::shared_ptr<joey_policy_call> self;  // while the host holds the pointer
  std::string request;
  joey::CancelToken cancel;
  std::shared_ptr<joey::Postbox> postbox;
  joey::UniqueFunction<void(joey::PolicyAnswer)> done;
  std::atomic<bool> finished{false};
};

namespace joey::capi {
namespace {

std::string request_json(const PolicyQuestion& question) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("task", question.task).field("call", question.call).field("tool", question.tool);
  json.key("arguments").raw(question.arguments).field("mode", question.mode);
  json.field("verdict", name_of(question.rules.verdict)).field("rule", to_utf8(question.rules.rule)).end_object();
  return out;
}

class VtablePolicy final : public HostPolicy {
 public:
  VtablePolicy(const joey_policy_vtable& vtable, std::shared_ptr<UserData> user, std::shared_ptr<Postbox> postbox)
      : vtable_(vtable), user_(std::move(user)), postbox_(std::move(postbox)) {}

  void decide(PolicyQuestion question, CancelToken cancel, UniqueFunction<void(PolicyAnswer)> done) override {
    const auto call = std::make_shared<joey_policy_call>();
    call->self = call;
    call->request = request_json(question);
    call->cancel = cancel;
    call->postbox = postbox_;
    call->done = std::move(done);
    if (vtable_.cancel != nullptr) {
      cancel.on_cancel([weak = std::weak_ptr(call), cancel = vtable_.cancel, user = user_] {
        const auto live = weak.lock();
        if (live && !live->finished) cancel(user->get(), live.get());
      });
    }
    vtable_.decide(user_->get(), call.get());
  }

 private:
  joey_policy_vtable vtable_;
  std::shared_ptr<UserData> user_;
  std::shared_ptr<Postbox> postbox_;
};

// What is no verdict denies.
Verdict verdict_of(int32_t verdict) {
  return verdict == JOEY_VERDICT_ALLOW ? Verdict::allow : verdict == JOEY_VERDICT_ASK ? Verdict::ask : Verdict::deny;
}

}  // namespace

std::shared_ptr<HostPolicy> make_host_policy(const joey_policy_vtable& vtable, std::shared_ptr<UserData> user,
                                             std::shared_ptr<Postbox> postbox) {
  return std::make_shared<VtablePolicy>(vtable, std::move(user), std::move(postbox));
}

}  // namespace joey::capi

using namespace joey;
using namespace joey::capi;

const char* joey_policy_call_request(const joey_policy_call* call, size_t* out_size) {
  if (out_size != nullptr) *out_size = call == nullptr ? 0 : call->request.size();
  return call == nullptr ? "" : call->request.c_str();
}

int32_t joey_policy_call_cancelled(const joey_policy_call* call) {
  return call != nullptr && call->cancel.cancelled() ? 1 : 0;
}

void joey_policy_call_finish(joey_policy_call* call, int32_t verdict, const char* reason, size_t reason_size) {
  constexpr std::size_t reason_size_max = 2'000;
  quietly([&] {
    if (call == nullptr || call->finished.exchange(true)) return;
    const auto self = std::move(call->self);
    PolicyAnswer answer{verdict_of(verdict), to_utf8(utf8_prefix(view_or_empty(reason, reason_size), reason_size_max))};
    Postbox& postbox = *self->postbox;
    postbox.post([self, answer = std::move(answer)]() mutable { self->done(std::move(answer)); });
  });
}
