// The bytes of a task's next request, kept from turn to turn so that a turn costs what it adds.
#pragma once

#include <memory>
#include <string>

#include "base/digest.hpp"
#include "core/conversation.hpp"
#include "provider/image_fitter.hpp"
#include "provider/provider.hpp"
#include "transport/transport.hpp"

namespace joey {

// What every request of a prompt begins with, encoded once and shared by all tasks that have it.
using RequestHead = std::shared_ptr<const std::string>;

// head + messages + tail, growing at its end. Each message is encoded and hashed once, when a model has answered it or
// when it is the answer; only the last user message, while it waits, may be replaced.
class RequestRope final : public MessageSink {
 public:
  explicit RequestRope(std::shared_ptr<const Provider> provider, ImageLimits images = {});

  // Starts the digest anew: the conversation is hashed again, once.
  void set_head(RequestHead head);
  [[nodiscard]] const RequestHead& head() const { return head_; }

  void append(const Message& message) override;
  void replace_last(const Message& message) override;
  void restart(std::span<const Message> messages) override;

  struct Request {
    BodyRope body;
    std::size_t bytes{0};
    Digest digest;
  };
  // The request as it stands. Its pieces stay valid and unchanged while somebody holds them.
  [[nodiscard]] Request request() const;

  // How many bytes this request begins with as the other does.
  [[nodiscard]] static std::size_t common_bytes(const BodyRope& a, const BodyRope& b);

  // Bytes before the last user message: what the next request will share with this one at least.
  [[nodiscard]] std::size_t settled_bytes() const { return (head_ ? head_->size() : 0) + settled_bytes_; }

 private:
  void open(const Message& message);
  void settle_open();
  void settle(std::string_view bytes);
  void merge_chunks();

  std::shared_ptr<const Provider> provider_;
  ImageLimits image_limits_;
  ImageFitter images_;         // of all messages
  ImageFitter images_before_;  // of those before the open one
  RequestHead head_;
  std::vector<std::shared_ptr<std::string>> settled_;  // in chunks, so that a long conversation is few pieces
  std::size_t settled_bytes_{0};
  Digester digester_;      // of head and settled
  std::string open_;       // the last user message, encoded
  std::string last_;        // the same as it is sent while it is the last; empty: as it is
  bool open_first_{false};  // nothing is before it
  bool has_open_{false};
  std::size_t answer_blocks_{0};  // of what the model said before it
  std::shared_ptr<const std::string> tail_;
};

}  // namespace joey
