// Models of the host.
#include <atomic>
#include <mutex>
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "capi/handles.hpp"
#include "provider/neutral.hpp"

// One request, from start() to joey_model_call_finish() or _fail().
struct joey_model_call {
  std::shared_ptr<joey_model_call> self;  // while the host holds the pointer
  std::string request;
  std::shared_ptr<joey::Postbox> postbox;
  joey::ModelSink* sink{nullptr};  // loop thread; null once the answer is not wanted
  bool started{false};             // loop thread: the host has it
  std::atomic<bool> cancelled{false};
  std::atomic<bool> finished{false};

  std::mutex mutex;  // guards the rest
  joey::Reply reply;
};

namespace joey::capi {
namespace {

// Sums fragments into the block they belong to.
template <class BlockType>
void append_fragment(Reply& reply, std::string_view fragment) {
  if (reply.blocks.empty() || !std::holds_alternative<BlockType>(reply.blocks.back())) {
    reply.blocks.emplace_back(BlockType{});
  }
  std::get<BlockType>(reply.blocks.back()).text += fragment;
}

class HostModelCall final : public ModelCall {
 public:
  HostModelCall(std::shared_ptr<joey_model_call> call, const joey_provider_vtable& vtable, std::shared_ptr<UserData> user)
      : call_(std::move(call)), vtable_(vtable), user_(std::move(user)) {}
  ~HostModelCall() override {
    call_->sink = nullptr;
    if (call_->finished || call_->cancelled.exchange(true)) return;
    if (call_->started && vtable_.cancel != nullptr) vtable_.cancel(user_->get(), call_.get());
  }
  [[nodiscard]] Spent spent() const override { return {}; }  // a host says what it costs when it ends

 private:
  std::shared_ptr<joey_model_call> call_;
  joey_provider_vtable vtable_;
  std::shared_ptr<UserData> user_;
};

class HostModel final : public ModelClient {
 public:
  HostModel(const joey_provider_vtable& vtable, std::shared_ptr<UserData> user, std::shared_ptr<Postbox> postbox)
      : vtable_(vtable), user_(std::move(user)), postbox_(std::move(postbox)) {}

  std::unique_ptr<ModelCall> start(ModelRequest request, ModelSink& sink) override {
    const auto call = std::make_shared<joey_model_call>();
    call->postbox = postbox_;
    call->sink = &sink;
    for (const auto& piece : request.body) call->request += *piece;
    auto handle = std::make_unique<HostModelCall>(call, vtable_, user_);
    // Not inside start(): the sink must not be called before it returned.
    postbox_->post([call, vtable = vtable_, user = user_] {
      if (call->cancelled) return;
      call->started = true;
      call->self = call;
      vtable.start(user->get(), call.get());
    });
    return handle;
  }

 private:
  joey_provider_vtable vtable_;
  std::shared_ptr<UserData> user_;
  std::shared_ptr<Postbox> postbox_;
};

}  // namespace

ModelFactory make_host_model(const joey_provider_vtable& vtable, std::shared_ptr<UserData> user) {
  return [vtable, user = std::move(user)](std::shared_ptr<Postbox> postbox) {
    return std::make_shared<HostModel>(vtable, user, std::move(postbox));
  };
}

}  // namespace joey::capi

using namespace joey;
using namespace joey::capi;

namespace {

// Shows a fragment to subscribers, on the loop thread.
template <class Show>
void show(joey_model_call& call, Show show_it) {
  call.postbox->post([self = call.self, show_it = std::move(show_it)] {
    if (self->sink != nullptr) show_it(*self->sink);
  });
}

ModelErrorClass error_class(int32_t value) {
  switch (value) {
    case JOEY_MODEL_RATE: return ModelErrorClass::rate;
    case JOEY_MODEL_OVERLOAD: return ModelErrorClass::overload;
    case JOEY_MODEL_SERVER: return ModelErrorClass::server;
    case JOEY_MODEL_NETWORK: return ModelErrorClass::network;
    case JOEY_MODEL_MALFORMED: return ModelErrorClass::malformed;
    case JOEY_MODEL_AUTH: return ModelErrorClass::auth;
    case JOEY_MODEL_QUOTA: return ModelErrorClass::quota;
    case JOEY_MODEL_TOO_LONG: return ModelErrorClass::too_long;
    case JOEY_MODEL_NOT_FOUND: return ModelErrorClass::not_found;
    default: return ModelErrorClass::bad_request;
  }
}

}  // namespace

const char* joey_model_call_request(const joey_model_call* call, size_t* out_size) {
  if (out_size != nullptr) *out_size = call == nullptr ? 0 : call->request.size();
  return call == nullptr ? "" : call->request.c_str();
}

void joey_model_call_text(joey_model_call* call, const char* text, size_t text_size) {
  quietly([&] {
    if (call == nullptr || call->finished || text_size == 0) return;
    std::string fragment = to_utf8(view_or_empty(text, text_size));
    {
      const std::lock_guard lock(call->mutex);
      append_fragment<Text>(call->reply, fragment);
    }
    show(*call, [fragment = std::move(fragment)](ModelSink& sink) { sink.on_text(fragment); });
  });
}

void joey_model_call_reasoning(joey_model_call* call, const char* text, size_t text_size) {
  quietly([&] {
    if (call == nullptr || call->finished || text_size == 0) return;
    std::string fragment = to_utf8(view_or_empty(text, text_size));
    {
      const std::lock_guard lock(call->mutex);
      append_fragment<Reasoning>(call->reply, fragment);
    }
    show(*call, [fragment = std::move(fragment)](ModelSink& sink) { sink.on_reasoning(fragment); });
  });
}

void joey_model_call_tool(joey_model_call* call, const char* name, size_t name_size, const char* arguments,
                          size_t arguments_size) {
  quietly([&] {
    if (call == nullptr || call->finished) return;
    ToolCall block;
    block.name = to_utf8(view_or_empty(name, name_size));
    block.arguments = view_or_empty(arguments, arguments_size);
    std::size_t index = 0;
    {
      const std::lock_guard lock(call->mutex);
      for (const Block& earlier : call->reply.blocks) index += std::holds_alternative<ToolCall>(earlier) ? 1U : 0U;
      call->reply.blocks.emplace_back(block);
    }
    show(*call, [index, block = std::move(block)](ModelSink& sink) {
      sink.on_tool_arguments(index, block.name, to_utf8(block.arguments));
    });
  });
}

int32_t joey_model_call_cancelled(const joey_model_call* call) { return call != nullptr && call->cancelled ? 1 : 0; }

void joey_model_call_finish(joey_model_call* call, const joey_usage* in, size_t usage_size) {
  quietly([&] {
    if (call == nullptr || call->finished.exchange(true)) return;
    joey_usage usage{};
    if (in != nullptr) std::memcpy(&usage, in, std::min(usage_size, sizeof usage));
    const auto self = std::move(call->self);
    Postbox& postbox = *self->postbox;
    postbox.post([self, usage] {
      if (self->sink == nullptr) return;
      Reply reply;
      {
        const std::lock_guard lock(self->mutex);
        reply = std::move(self->reply);
      }
      reply.usage = {usage.input, usage.output, usage.cache_read, usage.cache_write, 0};
      reply.cost_usd = usage.cost_usd;
      const bool calls = !reply.blocks.empty() && std::holds_alternative<ToolCall>(reply.blocks.back());
      reply.stop = calls ? StopReason::tool_calls : StopReason::end_turn;
      std::exchange(self->sink, nullptr)->on_reply(std::move(reply));
    });
  });
}

void joey_model_call_fail(joey_model_call* call, int32_t error, const char* message, size_t message_size,
                          int64_t retry_after_ms) {
  quietly([&] {
    if (call == nullptr || call->finished.exchange(true)) return;
    const auto self = std::move(call->self);
    Postbox& postbox = *self->postbox;
    postbox.post([self, failed = ModelError{error_class(error), to_utf8(view_or_empty(message, message_size)), 0, retry_after_ms}] {
      if (self->sink != nullptr) std::exchange(self->sink, nullptr)->on_error(failed);
    });
  });
}
