#include "egress/exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/base64.hpp"

namespace joey::egress {
namespace {

tl::unexpected<Refusal> refuse(int status, std::string message) { return tl::unexpected(Refusal{status, std::move(message)}); }

tl::unexpected<Refusal> refuse_large() {
  return refuse(413, fmt::format("a placeholder in a body of more than {} bytes: send it with Transfer-Encoding: chunked", collected_size_max));
}

// How a value is written in a body of this type.
Spelling spelling_of(const std::string* content_type) {
  if (content_type == nullptr) return Spelling::plain;
  const std::string_view type = std::string_view(*content_type).substr(0, content_type->find_first_of("; \t"));
  const auto ends_with = [&](std::string_view end) {
    return type.size() >= end.size() && equal_ignoring_case(type.substr(type.size() - end.size()), end);
  };
  if (ends_with("/json") || ends_with("+json") || ends_with("/x-ndjson")) return Spelling::json;
  return equal_ignoring_case(type, "application/x-www-form-urlencoded") ? Spelling::percent : Spelling::plain;
}

bool is_plain(const std::vector<Field>& fields) {
  const std::string* coding = find_field(fields, "Content-Encoding");
  return coding == nullptr || coding->empty() || equal_ignoring_case(*coding, "identity");
}

std::size_t size_of(const RequestHead& request) {
  std::size_t size = request.method.size() + request.target.size();
  for (const Field& field : request.fields) size += field.name.size() + field.value.size();
  return size;
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// The request

Parsed<void> Exchange::begin(RequestHead request, std::string& up, std::string& down) {
  const auto framing = framing_of(request);
  if (!framing) return tl::unexpected(framing.error());
  request_ = std::move(request);
  request_body_ = BodyMeter(*framing);
  if (secrets_.empty()) {
    up += forwarded(request_, target_);
  } else {
    if (const auto checked = check_host(request_, target_); !checked) return checked;
    if (const auto revealed = reveal_head(request_); !revealed) return revealed;
    up_substitution_ = Substitution(revealing(secrets_, spelling_of(find_field(request_.fields, "Content-Type"))));
    if (framing->kind == Framing::Kind::chunked) {
      up_way_ = Way::chunked;
    } else if (framing->kind == Framing::Kind::length) {
      up_way_ = framing->length <= collected_size_max ? Way::collected : Way::watched;
    }
    if (up_way_ == Way::collected) {  // the server cannot say so before it has seen the head
      if (find_field(request_.fields, "Expect") != nullptr) down += continue_answer;
      remove_fields(request_.fields, "Expect");
    } else {
      up += forwarded(request_, target_);
    }
  }
  return request_body_.complete() ? finish_request(up) : Parsed<void>{};
}

Parsed<void> Exchange::reveal_head(RequestHead& request) {
  Substitution in_target(revealing(secrets_, Spelling::percent));
  target_.path = in_target.replace(target_.path);
  Substitution in_fields(revealing(secrets_, Spelling::plain));
  for (Field& field : request.fields) {
    const std::string revealed = in_fields.replace(field.value);
    field.value = revealed == field.value ? reveal_credentials(field.value, in_fields) : revealed;
  }
  // An answer that is compressed cannot be looked into.
  remove_fields(request.fields, "Accept-Encoding");
  used_.insert(in_target.used().begin(), in_target.used().end());
  used_.insert(in_fields.used().begin(), in_fields.used().end());
  if (size_of(request) + target_.path.size() <= revealed_head_size_max) return {};
  return refuse(431, fmt::format("the request has more than {} bytes of headers with the secrets in them", revealed_head_size_max));
}

// "Basic" and user:password in base64.
std::string Exchange::reveal_credentials(std::string_view value, Substitution& substitution) {
  constexpr std::string_view scheme = "Basic ";
  if (!equal_ignoring_case(value.substr(0, scheme.size()), scheme)) return std::string(value);
  const std::size_t begin = std::min(value.find_first_not_of(' ', scheme.size()), value.size());
  const std::string_view coded = value.substr(begin);
  const auto decoded = decode_base64(coded);
  if (!decoded) return std::string(value);
  const std::string revealed = substitution.replace(*decoded);
  if (revealed == *decoded) return std::string(value);
  const std::string recoded = encode_base64(revealed);
  credentials_.push_back({recoded, std::string(coded), {}});
  return std::string(value.substr(0, begin)) + recoded;
}

Parsed<void> Exchange::take_up(std::string_view bytes, std::string& up) {
  if (request_complete_) return {};
  std::string content;
  const auto taken = request_body_.take(bytes, &content);
  if (!taken) return tl::unexpected(taken.error());
  switch (up_way_) {
    case Way::passing: up += bytes.substr(0, *taken); break;
    case Way::collected: collected_ += content; break;
    case Way::bare:
    case Way::chunked: {
      std::string revealed;
      up_substitution_.feed(content, revealed);
      append_chunk(up, revealed);
      break;
    }
    case Way::watched: {
      std::string watched;
      up_substitution_.feed(content, watched);
      if (!up_substitution_.used().empty()) return refuse_large();
      up += watched;
      break;
    }
  }
  return request_body_.complete() ? finish_request(up) : Parsed<void>{};
}

Parsed<void> Exchange::finish_request(std::string& up) {
  request_complete_ = true;
  std::string rest;
  switch (up_way_) {
    case Way::passing:
    case Way::bare: return {};
    case Way::watched:
      up_substitution_.finish(rest);
      if (!up_substitution_.used().empty()) return refuse_large();
      up += rest;
      break;
    case Way::chunked:
      up_substitution_.finish(rest);
      append_chunk(up, rest);
      up += last_chunk;
      break;
    case Way::collected:
      rest = up_substitution_.replace(std::exchange(collected_, {}));
      if (rest.size() > revealed_body_size_max) {
        return refuse(413, fmt::format("the body has more than {} bytes with the secrets in it", revealed_body_size_max));
      }
      for (Field& field : request_.fields) {
        if (equal_ignoring_case(field.name, "Content-Length")) field.value = fmt::to_string(rest.size());
      }
      up.append(forwarded(request_, target_)).append(rest);
      break;
  }
  used_.insert(up_substitution_.used().begin(), up_substitution_.used().end());
  return {};
}

// ---------------------------------------------------------------------------------------------------------------------
// The answer

Refusal Exchange::from_host(const std::string& message) const {
  return {502, fmt::format("{}: {}", to_string(target_.host), message)};
}

Parsed<void> Exchange::take_down(std::string_view bytes, std::string& down) {
  while (!answer_body_ && !bytes.empty()) {
    if (const auto taken = take_answer_head(bytes, down); !taken) return taken;
  }
  if (!answer_body_ || answer_complete_) return {};
  std::string content;
  const auto taken = answer_body_->take(bytes, &content);
  if (!taken) return tl::unexpected(from_host(taken.error().message));
  if (down_way_ == Way::passing) {
    down += bytes.substr(0, *taken);
  } else {
    std::string concealed;
    down_substitution_.feed(content, concealed);
    down_way_ == Way::chunked ? append_chunk(down, concealed) : void(down += concealed);
  }
  if (answer_body_->complete()) finish_answer(down);
  return {};
}

Parsed<void> Exchange::end_down(std::string& down) {
  if (!answer_body_) return refuse(502, fmt::format("{} closed the connection without an answer", to_string(target_.host)));
  if (!answer_body_->may_end()) return refuse(502, fmt::format("{} closed the connection within its answer", to_string(target_.host)));
  finish_answer(down);
  return {};
}

bool Exchange::cut_down(std::string& down) {
  if (!answer_body_ || !answer_body_->may_end() || answer_complete_) return false;
  answer_complete_ = true;
  std::string rest;
  down_substitution_.finish(rest);
  down_way_ == Way::chunked ? append_chunk(down, rest) : void(down += rest);
  return true;
}

Parsed<void> Exchange::take_answer_head(std::string_view& bytes, std::string& down) {
  const auto taken = answer_head_.feed(bytes);
  if (!taken) return refuse(502, fmt::format("the answer of {}: {}", to_string(target_.host), taken.error().message));
  bytes.remove_prefix(*taken);
  if (!answer_head_.complete()) return {};
  auto answer = parse_answer(answer_head_.text());
  if (!answer) return tl::unexpected(answer.error());
  answer_head_ = {};
  if (answer->status == 101) {
    return refuse(502, fmt::format("{} changes the protocol, which nobody asked for", to_string(target_.host)));
  }
  if (answer->status / 100 == 1) {
    if (answer->status == 100) down += continue_answer;
    return {};
  }
  const auto framing = framing_of(*answer, request_.method);
  if (!framing) return tl::unexpected(framing.error());
  begin_answer(*std::move(answer), *framing, down);
  return {};
}

void Exchange::begin_answer(AnswerHead answer, const Framing& framing, std::string& down) {
  answer_body_.emplace(framing);
  Framing shown = framing;
  if (!secrets_.empty()) {
    std::vector<Replacement> replacements = concealing(secrets_);
    std::move(credentials_.begin(), credentials_.end(), std::back_inserter(replacements));
    down_substitution_ = Substitution(std::move(replacements));
    answer.reason = down_substitution_.replace(answer.reason);
    for (Field& field : answer.fields) field.value = down_substitution_.replace(field.value);
    if (framing.kind != Framing::Kind::none && is_plain(answer.fields)) {
      remove_fields(answer.fields, "Content-Length");
      down_way_ = request_.minor_version == 0 || answer.minor_version == 0 ? Way::bare : Way::chunked;
      shown.kind = down_way_ == Way::bare ? Framing::Kind::until_close : Framing::Kind::chunked;
    }
  }
  down += forwarded(answer, shown);
  if (answer_body_->complete()) finish_answer(down);
}

void Exchange::finish_answer(std::string& down) {
  if (std::exchange(answer_complete_, true) || down_way_ == Way::passing) return;
  std::string rest;
  down_substitution_.finish(rest);
  if (down_way_ == Way::bare) {
    down += rest;
  } else {
    append_chunk(down, rest);
    down += last_chunk;
  }
}

}  // namespace joey::egress
