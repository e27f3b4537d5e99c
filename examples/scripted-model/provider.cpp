#include "provider.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <system_error>

#include "text.hpp"

namespace scripted {

namespace {

constexpr std::uint64_t untimed = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t previous_bytes_max = std::size_t{256} << 20;  // kept to compare prefixes, all conversations
constexpr std::size_t endless_block_size = std::size_t{16} << 10;
constexpr std::string_view garbage = "\xff\xfe}{]garbage\r";

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 529: return "Overloaded";
    default: return status < 500 ? "Client Error" : "Server Error";
  }
}

void append_status(std::string& out, int status, std::string_view content_type) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\ncontent-type: {}\r\n", status, reason_phrase(status),
                 content_type);
}

void append_sized(std::string& out, std::string_view body) {
  fmt::format_to(std::back_inserter(out), "content-length: {}\r\n\r\n", body.size());
  out += body;
}

void append_json_answer(std::string& out, int status, std::string_view body) {
  append_status(out, status, "application/json");
  append_sized(out, body);
}

void append_chunk(std::string& out, std::string_view payload) {
  if (payload.empty()) return;  // would end the body
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", payload.size());
  out += payload;
  out += "\r\n";
}

// Puts `events` behind the first `count` of `stream`.
void insert_events(EventStream& stream, std::size_t count, const EventStream& events) {
  const std::size_t offset = count == 0 ? 0 : stream.ends[count - 1];
  stream.bytes.insert(offset, events.bytes);
  for (std::size_t i = count; i < stream.ends.size(); ++i) stream.ends[i] += events.bytes.size();
  std::vector<std::size_t> ends = events.ends;
  for (std::size_t& end : ends) end += offset;
  stream.ends.insert(stream.ends.begin() + static_cast<std::ptrdiff_t>(count), ends.begin(), ends.end());
}

void keep_events(EventStream& stream, std::size_t count) {
  if (count >= stream.ends.size()) return;
  stream.ends.resize(count);
  stream.bytes.resize(count == 0 ? 0 : stream.ends.back());
}

// Cuts the data of the middle event in half; it still ends as an event does.
void truncate_middle_event(EventStream& stream) {
  const std::size_t middle = stream.ends.size() / 2;
  const std::size_t begin = middle == 0 ? 0 : stream.ends[middle - 1];
  const std::size_t data = stream.bytes.find("data: ", begin) + 6;
  const std::size_t end = stream.ends[middle] - 2;
  const std::size_t cut = (end - data) / 2;
  stream.bytes.erase(end - cut, cut);
  for (std::size_t i = middle; i < stream.ends.size(); ++i) stream.ends[i] -= cut;
}

// Where the body stops short and how, when it does.
struct Ending {
  std::size_t at = std::numeric_limits<std::size_t>::max();
  HttpAnswer::End end = HttpAnswer::End::keep_alive;
};

Ending ending_of(const Fault& fault) {
  if (fault.cut_after_bytes) return {*fault.cut_after_bytes, HttpAnswer::End::close};
  if (fault.reset_after_bytes) return {*fault.reset_after_bytes, HttpAnswer::End::reset};
  if (fault.stall_after_bytes) return {*fault.stall_after_bytes, HttpAnswer::End::stall};
  return {};
}

// Frames `events` as one HTTP chunk each, up to where the fault ends them.
void append_chunked(HttpAnswer& answer, const EventStream& events, std::uint32_t delay_ms, const Fault& fault) {
  const Ending ending = ending_of(fault);
  std::size_t begin = 0;
  for (const std::size_t end : events.ends) {
    if (begin >= ending.at) break;
    if (begin > 0 && delay_ms > 0) answer.pauses.push_back({answer.bytes.size(), delay_ms});
    append_chunk(answer.bytes, std::string_view(events.bytes).substr(begin, std::min(end, ending.at) - begin));
    begin = end;
  }
  if (ending.end != HttpAnswer::End::keep_alive) {
    answer.end = ending.end;
  } else if (!fault.endless) {
    answer.bytes += "0\r\n\r\n";
    if (fault.no_done || fault.error_event) answer.end = HttpAnswer::End::close;
  }
}

}  // namespace

Provider::Provider(const Script& script, ProviderOptions options)
    : script_(script), options_(std::move(options)), validator_(script) {
  if (!options_.bodies_path.empty()) {
    bodies_.reset(std::fopen(options_.bodies_path.c_str(), "we"));
    if (!bodies_) throw std::system_error(errno, std::generic_category(), options_.bodies_path);
    std::setvbuf(bodies_.get(), nullptr, _IOLBF, 64 << 10);
  }
  if (options_.log_path.empty()) return;
  log_.reset(std::fopen(options_.log_path.c_str(), "we"));
  if (!log_) throw std::system_error(errno, std::generic_category(), options_.log_path);
  std::setvbuf(log_.get(), nullptr, _IOLBF, 64 << 10);
}

void Provider::answer(const HttpRequest& request, HttpAnswer& answer) {
  answer.tag = untimed;
  std::string_view path = request.path;
  if (path == "/healthz") return health(answer);
  if (path.starts_with("/v1/")) path.remove_prefix(3);

  if (request.method == "POST" && path == "/messages") return complete(Wire::anthropic, request, answer);
  if (request.method == "POST" && path == "/chat/completions") return complete(Wire::openai, request, answer);

  if (request.method == "POST" && path == "/images") return draw(ImageApi::openrouter, request, answer);
  if (request.method == "POST" && path == "/images/generations") return draw(ImageApi::openai_generations, request, answer);
  if (request.method == "POST" && path == "/images/edits") return draw(ImageApi::openai_edits, request, answer);

  const WireFormat& format = wire_format(request.field("anthropic-version").empty() ? Wire::openai : Wire::anthropic);
  if (request.method == "GET" && path == "/models") {
    if (!authorized(request)) return fail(format, {401, "", ""}, {}, answer);
    body_.clear();
    format.models(script_.model, body_);
    return append_json_answer(answer.bytes, 200, body_);
  }
  const std::string message = fmt::format("Unknown request URL: {} {}", request.method, request.path);
  fail(format, {404, message, "", "", "unknown_url"}, {}, answer);
}

void Provider::health(HttpAnswer& answer) const {
  append_json_answer(answer.bytes, 200,
                     fmt::format(R"({{"status":"ok","requests":{},"invalid":{},"mismatches":{}}})", requests_count_,
                                 invalid_count_, mismatches_count_));
}

bool Provider::authorized(const HttpRequest& request) const {
  if (options_.api_key.empty() || request.field("x-api-key") == options_.api_key) return true;
  std::string_view bearer = request.field("authorization");
  if (!bearer.starts_with("Bearer ")) return false;
  bearer.remove_prefix(7);
  return bearer == options_.api_key;
}

void Provider::complete(Wire wire, const HttpRequest& request, HttpAnswer& answer) {
  const WireFormat& format = wire_format(wire);
  Entry entry{.wire = format.name()};
  ++requests_count_;
  if (!authorized(request)) {
    entry.status = 401;
    fail(format, {401, wire == Wire::anthropic ? "invalid x-api-key" : "", ""}, {}, answer);
    return log(entry, request.body);
  }

  const auto refusal =
      options_.validate ? validator_.read(wire, request.body, facts_) : scan(request.body, facts_);
  if (refusal) {
    ++invalid_count_;
    entry.status = 400;
    entry.error = refusal->message;
    fail(format, {400, refusal->message, "", refusal->param, refusal->code}, {}, answer);
    return log(entry, request.body);
  }

  entry.key = fnv64(facts_.first_user);
  entry.turn = facts_.turn;
  Known& known = known_[entry.key];
  known.attempt = known.turn == facts_.turn ? known.attempt + 1 : 1;
  known.turn = facts_.turn;
  entry.attempt = known.attempt;
  if (log_) entry.prefix_shared = compare_with_previous(known, request.body);
  if (!options_.timing_path.empty()) {
    answer.tag = timings_.size();
    timings_.push_back({entry.key, facts_.turn, request.first_byte_at, request.last_byte_at, 0,
                        known.answered_at == 0 ? -1 : request.first_byte_at - known.answered_at});
  }

  // The size tells apart requests at the same turn count, as before and after the client condensed its history.
  const std::uint64_t seed = mix(entry.key ^ mix(facts_.turn ^ mix(request.body.size())));
  const Conversation* conversation = choose();
  const Turn* turn = conversation == nullptr ? nullptr : conversation->turn(facts_.turn);
  std::string complaint;
  if (conversation == nullptr) {
    complaint = "scripted-model: no conversation of the script matches this task";
  } else if (turn == nullptr) {
    complaint = fmt::format("scripted-model: the script ends before turn {}", facts_.turn);
  } else if (!facts_.latest_has(turn->expect)) {
    complaint = fmt::format("scripted-model: turn {} expected \"{}\" in the latest message", facts_.turn,
                            turn->expect.plain);
  }
  if (!complaint.empty()) {
    ++mismatches_count_;
    entry.mismatch = true;
    entry.error = complaint;
    Turn apology;
    apology.text = Template(complaint);
    reply(wire, request, apology, seed, {}, answer);
    return log(entry, request.body);
  }

  const Fault& fault = fault_at(*turn, entry.key);
  if (fault.status != 0) {
    entry.status = fault.status;
    fail(format, {fault.status, fault.error_message, fault.error_type, "", fault.error_code}, fault, answer);
  } else {
    reply(wire, request, *turn, seed, fault, answer);
  }
  if (turn->delay_ms > 0) answer.pauses.insert(answer.pauses.begin(), {0, turn->delay_ms});
  log(entry, request.body);
}

// Images need no script: the picture follows from the request.
void Provider::draw(ImageApi api, const HttpRequest& request, HttpAnswer& answer) {
  const WireFormat& format = wire_format(Wire::openai);  // whose errors both vendors answer with
  Entry entry{.wire = "images"};
  ++requests_count_;
  ImageOrder order;
  std::optional<Refusal> refusal;
  if (!authorized(request)) {
    entry.status = 401;
    fail(format, {401, "", ""}, {}, answer);
  } else if ((refusal = read_image_request(api, request, order))) {
    ++invalid_count_;
    entry.status = 400;
    entry.error = refusal->message;
    fail(format, {400, refusal->message, "", refusal->param, refusal->code}, {}, answer);
  } else {
    entry.key = fnv64(order.prompt);
    body_.clear();
    append_image_answer(body_, order, std::time(nullptr));
    append_json_answer(answer.bytes, 200, body_);
  }
  log(entry, request.body);
}

// The first conversation whose `match` the first user message has; else a system prompt has; else one without `match`.
const Conversation* Provider::choose() const {
  const Conversation* without = nullptr;
  for (const Conversation& conversation : script_.conversations) {
    if (!conversation.match.plain.empty()) {
      if (facts_.first_user.find(conversation.match.plain) != std::string::npos) return &conversation;
    } else if (without == nullptr) {
      without = &conversation;
    }
  }
  for (const Conversation& conversation : script_.conversations) {
    if (!conversation.match.plain.empty() && facts_.system_has(conversation.match)) return &conversation;
  }
  return without;
}

const Fault& Provider::fault_at(const Turn& turn, std::uint64_t key) {
  static const Fault none;
  if (turn.faults.empty()) return none;
  std::uint32_t attempt = fault_attempts_[mix(key ^ mix(facts_.turn))]++;
  for (const Fault& fault : turn.faults) {
    if (attempt < fault.times) return fault;
    attempt -= fault.times;
  }
  return none;
}

void Provider::reply(Wire wire, const HttpRequest& request, const Turn& scripted_turn, std::uint64_t seed,
                     const Fault& fault, HttpAnswer& answer) {
  const WireFormat& format = wire_format(wire);
  // These two need text to grow.
  const bool grows = fault.endless || fault.huge_line_bytes > 0;
  Turn wordy;
  if (grows && scripted_turn.text.empty()) {
    wordy = scripted_turn;
    wordy.text = Template("...");
  }
  const Turn& turn = grows && scripted_turn.text.empty() ? wordy : scripted_turn;

  Reply made{.turn = turn,
             .number = facts_.turn,
             .seed = seed,
             .model = script_.model,
             .created = std::time(nullptr),
             .usage_in_stream = facts_.usage_in_stream};
  if (fault.duplicate_ids) made.ids = Reply::Ids::duplicate;
  if (fault.missing_ids) made.ids = Reply::Ids::missing;

  // Four bytes a token, as a rule of thumb.
  std::string scratch;
  const auto tokens = [&](const Template& text) {
    return static_cast<std::int64_t>(text.at(made.number, scratch).size() + 3) / 4;
  };
  made.reasoning_tokens = tokens(turn.reasoning);
  made.output_tokens = made.reasoning_tokens + tokens(turn.text) + 1;
  for (const ToolCall& tool : turn.tools) made.output_tokens += tokens(tool.name) + tokens(tool.arguments);
  made.output_tokens = turn.usage.output.value_or(made.output_tokens);
  made.input_tokens = turn.usage.input.value_or(static_cast<std::int64_t>(request.body.size() / 4));

  std::string_view type = facts_.stream ? "text/event-stream; charset=utf-8" : "application/json";
  if (fault.wrong_content_type) type = "text/html; charset=utf-8";
  std::string request_id;
  append_id(request_id, "req_", requests_count_, 0);
  append_status(answer.bytes, 200, type);
  answer.bytes.append(format.request_id_field()).append(": ").append(request_id).append("\r\n");

  const int overloaded = wire == Wire::anthropic ? 529 : 503;
  const ErrorBody error{overloaded, fault.error_message, fault.error_type, "", fault.error_code};
  if (!facts_.stream) {
    body_.clear();
    format.message(made, body_);
    if (fault.truncate_json) body_.resize(body_.size() / 2);
    if (fault.error_event) body_.clear(), format.error(error, request_id, body_);
    if (fault.garbage_after_bytes) body_.insert(std::min(*fault.garbage_after_bytes, body_.size()), garbage);
    append_sized(answer.bytes, body_);
    const Ending ending = ending_of(fault);
    if (ending.end != HttpAnswer::End::keep_alive && ending.at < body_.size()) {
      answer.bytes.resize(answer.bytes.size() - (body_.size() - ending.at));
      answer.end = ending.end;
    }
    return;
  }

  answer.bytes += "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
  events_.clear();
  format.stream(made, events_);
  if (fault.huge_line_bytes > 0) {
    extra_.clear();
    format.text_event(made, std::string(fault.huge_line_bytes, 'x'), events_, extra_);
    insert_events(events_, events_.text_open, extra_);
  }
  if (fault.truncate_json) truncate_middle_event(events_);
  if (fault.error_event) {
    keep_events(events_, events_.ends.size() / 2);
    format.error_event(error, events_);
  }
  if (fault.no_done) keep_events(events_, events_.ends.size() - 1);
  if (fault.garbage_after_bytes) {
    const std::size_t at = std::min(*fault.garbage_after_bytes, events_.bytes.size());
    events_.bytes.insert(at, garbage);
    for (std::size_t& end : events_.ends) end += end > at ? garbage.size() : 0;
    if (at + garbage.size() == events_.bytes.size()) events_.ends.push_back(events_.bytes.size());
  }
  if (fault.endless) {
    keep_events(events_, events_.text_open);
    extra_.clear();
    format.text_event(made, "and on it goes, ", events_, extra_);
    const std::size_t size_wanted = turn.chunk_delay_ms > 0 ? 1 : endless_block_size;
    while (answer.loop.size() < size_wanted) append_chunk(answer.loop, extra_.bytes);
    answer.loop_ms = std::max(turn.chunk_delay_ms, 1U);
    answer.end = HttpAnswer::End::endless;
  }
  append_chunked(answer, events_, turn.chunk_delay_ms, fault);
}

void Provider::fail(const WireFormat& format, const ErrorBody& error, const Fault& fault, HttpAnswer& answer) {
  std::string request_id;
  append_id(request_id, "req_", requests_count_, 0);
  body_.clear();
  if (fault.html) {
    body_ = fmt::format("<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n<center><h1>{0} {1}</h1></center>"
                        "\r\n</body>\r\n</html>\r\n", error.status, reason_phrase(error.status));
  } else {
    format.error(error, request_id, body_);
  }
  append_status(answer.bytes, error.status, fault.html ? "text/html" : "application/json");
  answer.bytes.append(format.request_id_field()).append(": ").append(request_id).append("\r\n");
  const auto out = std::back_inserter(answer.bytes);
  if (fault.retry_after_s) fmt::format_to(out, "retry-after: {}\r\n", *fault.retry_after_s);
  if (fault.retry_after_ms) fmt::format_to(out, "retry-after-ms: {}\r\n", *fault.retry_after_ms);
  append_sized(answer.bytes, body_);
}

void Provider::answered(std::uint64_t tag, Nanoseconds at) {
  if (tag >= timings_.size()) return;
  Timing& timing = timings_[tag];
  timing.answered_at = at;
  known_[timing.key].answered_at = at;
}

// How many leading bytes `body` shares with the request before it, -1 for the first. Remembers `body` for the next.
std::int64_t Provider::compare_with_previous(Known& known, std::string_view body) {
  std::string& previous = known.previous_body;
  std::int64_t shared = -1;
  if (!previous.empty()) {
    // Whole blocks first: bodies are long, and mostly the same.
    constexpr std::size_t block = 4096;
    std::size_t same = 0;
    const std::size_t end = std::min(previous.size(), body.size());
    while (same + block <= end && std::memcmp(previous.data() + same, body.data() + same, block) == 0) same += block;
    while (same < end && previous[same] == body[same]) ++same;
    shared = static_cast<std::int64_t>(same);
  }
  previous_bytes_ -= previous.size();
  if (previous_bytes_ + body.size() <= previous_bytes_max) {
    previous.assign(body);
  } else {
    previous = {};
  }
  previous_bytes_ += previous.size();
  return shared;
}

void Provider::log(const Entry& entry, std::string_view body) {
  if (bodies_) {
    std::fwrite(body.data(), 1, body.size(), bodies_.get());
    std::fputc('\n', bodies_.get());
  }
  if (!log_) return;
  std::string line = fmt::format(R"({{"n":{},"wire":"{}","conversation":"{:016x}","turn":{},"attempt":{},)"
                                 R"("status":{},"bytes":{},"fnv64":"{:016x}")",
                                 requests_count_, entry.wire, entry.key, entry.turn, entry.attempt, entry.status,
                                 body.size(), fnv64(body));
  if (entry.prefix_shared >= 0) line += fmt::format(R"(,"prefix_shared":{})", entry.prefix_shared);
  if (entry.mismatch) line += R"(,"mismatch":true)";
  if (!entry.error.empty()) {
    line += R"(,"error":)";
    append_quoted(line, entry.error);
  }
  line += "}\n";
  std::fwrite(line.data(), 1, line.size(), log_.get());
}

void Provider::write_timing() const {
  if (options_.timing_path.empty()) return;
  const std::unique_ptr<std::FILE, Closer> file(std::fopen(options_.timing_path.c_str(), "we"));
  if (!file) throw std::system_error(errno, std::generic_category(), options_.timing_path);
  std::fputs("conversation,turn,request_first_byte_ns,request_last_byte_ns,answer_last_byte_ns,client_ns\n",
             file.get());
  for (const Timing& t : timings_) {
    const std::string line = fmt::format("{:016x},{},{},{},{},{}\n", t.key, t.turn, t.first_byte_at, t.last_byte_at,
                                         t.answered_at, t.client_ns);
    std::fwrite(line.data(), 1, line.size(), file.get());
  }
}

}  // namespace scripted
