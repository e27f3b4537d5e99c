// Tools of the host.
#include <atomic>
#include <mutex>
#include <utility>

#include "base/text.hpp"
#include "capi/handles.hpp"

// One call, from run() to joey_tool_call_finish(). The host's pointer is one owner; the loop's side is another, so that
// a cancel that crosses a finish finds it there.
struct joey_tool_call {
  std::shared_ptr<joey_tool_call> self;  // while the host holds the pointer
  std::string arguments;
  std::string task;
  std::shared_ptr<joey::ToolContext> context;
  std::shared_ptr<joey::Postbox> postbox;
  joey::UniqueFunction<void(joey::ToolOutcome)> done;
  std::atomic<bool> finished{false};
};

namespace joey::capi {
namespace {

class HostTool final : public Tool {
 public:
  HostTool(ToolSpec spec, const joey_tool_vtable& vtable, std::shared_ptr<UserData> user, std::shared_ptr<Postbox> postbox)
      : spec_(std::move(spec)), vtable_(vtable), user_(std::move(user)), postbox_(std::move(postbox)) {}

  const ToolSpec& spec() const override { return spec_; }

  void run(std::string arguments, std::shared_ptr<ToolContext> context,
           UniqueFunction<void(ToolOutcome)> done) const override {
    const auto call = std::make_shared<joey_tool_call>();
    call->self = call;
    call->arguments = std::move(arguments);
    call->task = context->task;
    call->context = context;
    call->postbox = postbox_;
    call->done = std::move(done);
    if (vtable_.cancel != nullptr) {
      context->cancel.on_cancel([weak = std::weak_ptr(call), cancel = vtable_.cancel, user = user_] {
        const auto live = weak.lock();
        if (live && !live->finished) cancel(user->get(), live.get());
      });
    }
    vtable_.run(user_->get(), call.get());
  }

 private:
  ToolSpec spec_;
  joey_tool_vtable vtable_;
  std::shared_ptr<UserData> user_;
  std::shared_ptr<Postbox> postbox_;
};

}  // namespace

std::shared_ptr<const Tool> make_host_tool(ToolSpec spec, const joey_tool_vtable& vtable, std::shared_ptr<UserData> user,
                                           std::shared_ptr<Postbox> postbox) {
  return std::make_shared<HostTool>(std::move(spec), vtable, std::move(user), std::move(postbox));
}

}  // namespace joey::capi

using namespace joey;
using namespace joey::capi;

const char* joey_tool_call_arguments(const joey_tool_call* call, size_t* out_size) {
  if (out_size != nullptr) *out_size = call == nullptr ? 0 : call->arguments.size();
  return call == nullptr ? "" : call->arguments.c_str();
}

const char* joey_tool_call_task(const joey_tool_call* call) { return call == nullptr ? "" : call->task.c_str(); }

void joey_tool_call_output(joey_tool_call* call, const char* text, size_t text_size) {
  quietly([&] {
    if (call == nullptr || call->finished) return;
    call->postbox->post([context = call->context, fragment = to_utf8(view_or_empty(text, text_size))] {
      if (context->on_output && !context->cancel.cancelled()) context->on_output(fragment);
    });
  });
}

int32_t joey_tool_call_cancelled(const joey_tool_call* call) {
  return call != nullptr && call->context->cancel.cancelled() ? 1 : 0;
}

void joey_tool_call_finish(joey_tool_call* call, int32_t ok, const char* text, size_t text_size) {
  quietly([&] {
    if (call == nullptr || call->finished.exchange(true)) return;
    const auto self = std::move(call->self);
    ToolOutcome outcome{ok != 0, to_utf8(view_or_empty(text, text_size)), {}, {}};
    if (outcome.text.size() > self->context->result_bytes_max) {
      outcome.text = elide_middle(outcome.text, self->context->result_bytes_max);
    }
    Postbox& postbox = *self->postbox;
    postbox.post([self, outcome = std::move(outcome)]() mutable { self->done(std::move(outcome)); });
  });
}
