#include "provider/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/text.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t message_bytes_max = 300;
constexpr std::int64_t retry_after_ms_max = 24LL * 60 * 60 * 1000;

// What a vendor said, in its own words.
struct Complaint {
  int status{0};
  std::string type;
  std::string code;
  std::string message;
  std::int64_t retry_after_ms{-1};  // as the body says
  bool of_a_day{false};             // it is a limit of a day
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

template <std::size_t N>
bool says(std::string_view text, const std::array<std::string_view, N>& signs) {
  return std::any_of(signs.begin(), signs.end(), [&](std::string_view sign) { return text.find(sign) != text.npos; });
}

// --- words -----------------------------------------------------------------------------------------------------------

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '*' || c == '.';
}

// Vendors quote the key that they refuse, more or less masked: none of it may reach a log.
bool looks_like_key(std::string_view word) {
  constexpr std::array<std::string_view, 12> prefixes{"sk-", "sk_",  "pk-", "gsk_", "xai-", "pplx-",
                                                      "fw_", "csk-", "hf_", "tgp_", "AIza", "nvapi-"};
  if (word.size() < 8) return false;
  if (word.find("***") != word.npos) return true;
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view p) { return word.starts_with(p); });
}

std::string without_keys(std::string_view text) {
  std::string out;
  bool after_bearer = false;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_key_char(text[end])) ++end;
    if (end == i) {
      out += text[i++];
      continue;
    }
    const std::string_view word = text.substr(i, end - i);
    out += looks_like_key(word) || (after_bearer && word.size() >= 8) ? std::string_view("[key]") : word;
    after_bearer = same_name(word, "bearer");
    i = end;
  }
  return out;
}

// One short line of clean text, without the full stop that our own continuation would follow.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : to_utf8(text.substr(0, 4 * message_bytes_max))) {
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  line = without_keys(line);
  std::string_view cut = utf8_prefix(line, message_bytes_max);
  const bool whole = cut.size() == line.size();
  while (!cut.empty() && (cut.back() == ' ' || cut.back() == '.')) cut.remove_suffix(1);
  return whole ? std::string(cut) : fmt::format("{}...", cut);
}

std::string page_title(std::string_view html) {
  const std::string text = lower(html);
  std::size_t from = text.find("<title");
  if (from != text.npos) from = text.find('>', from);
  if (from == text.npos) return {};
  const std::size_t to = text.find('<', from);
  return to == text.npos ? std::string() : one_line(html.substr(from + 1, to - from - 1));
}

// --- bodies ----------------------------------------------------------------------------------------------------------

std::optional<dom::element> field(dom::object object, std::string_view name) {
  dom::element found;
  if (object.at_key(name).get(found) != simdjson::SUCCESS || found.is_null()) return std::nullopt;
  return found;
}

// Text as it is, anything else as JSON.
std::string as_text(dom::element value) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) return std::string(text);
  return simdjson::minify(value);
}

std::string text_field(dom::object object, std::string_view name) {
  const auto found = field(object, name);
  return found ? as_text(*found) : std::string();
}

int as_status(std::string_view code) {
  int number = 0;
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), number);
  return error == std::errc() && end == code.data() + code.size() && number >= 300 && number <= 599 ? number : 0;
}

std::optional<double> as_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number) || number < 0) return {};
  return number;
}

std::int64_t bounded_ms(double ms) {
  return static_cast<std::int64_t>(std::min(ms, static_cast<double>(retry_after_ms_max)));
}

// Google's {"details": [{"@type": "...RetryInfo", "retryDelay": "34.4s"}, {"violations": [{"quotaId": "...PerDay..."}]}]}: a
// limit of a day is not cured by the wait it names.
void read_details(dom::object error, Complaint& complaint) {
  dom::array details;
  if (error.at_key("details").get(details) != simdjson::SUCCESS) return;
  for (const dom::element element : details) {
    dom::object detail;
    if (element.get(detail) != simdjson::SUCCESS) continue;
    std::string delay = text_field(detail, "retryDelay");
    if (delay.ends_with('s')) delay.pop_back();
    if (const auto seconds = as_number(delay)) complaint.retry_after_ms = bounded_ms(*seconds * 1000);
    complaint.of_a_day |= text_field(detail, "violations").find("PerDay") != std::string::npos;
  }
}

// {"error": {"type", "code", "message"}} of OpenAI and Anthropic; {"error": "text"} of Ollama and xAI; {"message"} with
// or without {"detail": [{"msg"}]} of Mistral and vLLM; {"detail": "text"} of FastAPI; [{"error"}] of Google.
Complaint read_complaint(dom::object body) {
  dom::object inner = body;
  if (const auto error = field(body, "error"); error && error->get(inner) != simdjson::SUCCESS) {
    return {0, text_field(body, "type"), text_field(body, "code"), as_text(*error)};
  }
  Complaint complaint{0, text_field(inner, "type"), text_field(inner, "code"), text_field(inner, "message")};
  if (complaint.type.empty()) complaint.type = text_field(inner, "status");
  if (complaint.message.empty()) complaint.message = text_field(inner, "detail");
  read_details(inner, complaint);
  complaint.status = as_status(complaint.code);
  dom::object metadata;
  if (const auto found = field(inner, "metadata"); found && found->get(metadata) == simdjson::SUCCESS) {
    // OpenRouter wraps the complaint of the server behind it, and says little itself.
    if (const std::string raw = text_field(metadata, "raw"); !raw.empty()) complaint.message += ": " + raw;
  }
  return complaint;
}

Complaint read_complaint(dom::element body) {
  if (dom::array list; body.get(list) == simdjson::SUCCESS && list.size() > 0) body = *list.begin();
  if (dom::object object; body.get(object) == simdjson::SUCCESS) return read_complaint(object);
  return {0, {}, {}, as_text(body)};
}

Complaint read_complaint(std::string_view body) {
  const std::string_view text = trim(body);
  if (text.empty()) return {};
  if (text.front() == '<') return {0, {}, {}, page_title(text)};
  dom::parser parser;
  dom::element root;
  if (parser.parse(text.data(), text.size()).get(root) == simdjson::SUCCESS) return read_complaint(root);
  return {0, {}, {}, std::string(text)};
}

// --- classes ---------------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 13> too_long_signs{
    "context_length",       "context length",      "context window",
    "context_window",       "context size",        "context_size",
    "prompt is too long",   "input is too long",   "maximum prompt length",
    "request too large",    "request_too_large",   "exceeds the maximum number of tokens",
    "reduce the length of"};
constexpr std::array<std::string_view, 12> quota_signs{
    "insufficient_quota",   "exceeded your current quota", "credit balance", "insufficient balance",
    "insufficient credits", "insufficient funds",          "billing_error",  "billing_hard_limit",
    "usage limits",         "spend limit",                 "spending limit", "more credits"};
constexpr std::array<std::string_view, 8> auth_signs{
    "authentication_error", "permission_error", "invalid_api_key",        "api key not valid",
    "incorrect api key",    "invalid api key",  "invalid authentication", "unauthorized"};
constexpr std::array<std::string_view, 7> model_signs{
    "model_not_found", "model not found", "not a valid model", "invalid model", "invalid_model",
    "unknown model",   "no such model"};
constexpr std::array<std::string_view, 4> rate_signs{"rate_limit", "rate limit", "too many requests", "throttl"};
constexpr std::array<std::string_view, 2> server_signs{"server_error", "api_error"};

bool names_unknown_model(std::string_view text) {
  return says(text, model_signs) || (text.find("model") != text.npos && text.find("does not exist") != text.npos) ||
         (text.find("model") != text.npos && text.find("not found") != text.npos);
}

ModelErrorClass class_of(int status, std::string_view text) {
  using enum ModelErrorClass;
  switch (status) {
    case 401: return auth;
    case 402: return quota;
    case 403: return says(text, quota_signs) ? quota : auth;
    case 404:
    case 405:
    case 410: return not_found;
    case 413: return too_long;
    default: break;
  }
  if (says(text, too_long_signs)) return too_long;
  // Google uses OpenAI's words for a limit that a moment's wait cures.
  if (says(text, quota_signs) && text.find("retry in") == text.npos) return quota;
  if (status == 429) return rate;
  if (status == 503 || status == 529 || status == 498) return overload;
  if (text.find("overloaded") != text.npos) return overload;
  if (status == 408 || status == 409 || status == 425 || status >= 500) return server;
  if (says(text, auth_signs)) return auth;
  if (names_unknown_model(text) || text.find("not_found_error") != text.npos) return not_found;
  if (status >= 400) return bad_request;
  if (status >= 300) return not_found;  // a redirect, which a POST does not follow
  if (says(text, rate_signs)) return rate;
  if (text.find("timeout_error") != text.npos || says(text, server_signs)) return server;
  return text.find("invalid_request") != text.npos ? bad_request : server;
}

std::string_view advice(ModelErrorClass error, std::string_view text) {
  switch (error) {
    case ModelErrorClass::auth: return "; check the API key";
    case ModelErrorClass::quota: return "; check the account's credit and limits";
    case ModelErrorClass::not_found:
      return names_unknown_model(text) || text.find("model:") != text.npos ? "; check the model's name"
                                                                          : "; check the base URL and the model's name";
    default: return {};
  }
}

std::string_view in_our_words(ModelErrorClass error) {
  switch (error) {
    case ModelErrorClass::auth: return "the provider refuses the key";
    case ModelErrorClass::quota: return "the account has no credit left";
    case ModelErrorClass::rate: return "the provider limits the rate of requests";
    case ModelErrorClass::overload: return "the provider is overloaded";
    case ModelErrorClass::server: return "the provider failed";
    case ModelErrorClass::too_long: return "the conversation is too long for the model";
    case ModelErrorClass::not_found: return "there is no such model or address";
    case ModelErrorClass::bad_request: return "the provider refuses the request";
    case ModelErrorClass::network:
    case ModelErrorClass::malformed:
    case ModelErrorClass::interrupted: break;
  }
  return "the request failed";
}

ModelError understand(int status, const Complaint& complaint) {
  const std::string text = lower(fmt::format("{} {} {}", complaint.type, complaint.code, complaint.message));
  ModelErrorClass error = class_of(complaint.status != 0 ? complaint.status : status, text);
  if (complaint.of_a_day) error = ModelErrorClass::quota;
  if (error == ModelErrorClass::quota && !complaint.of_a_day && complaint.retry_after_ms >= 0) error = ModelErrorClass::rate;
  std::string words = one_line(complaint.message);
  if (words.empty()) words = in_our_words(error);
  if (status != 0) words += fmt::format(" (HTTP {})", status);
  words += advice(error, text);
  return {error, std::move(words), status, complaint.of_a_day ? -1 : complaint.retry_after_ms};
}

// --- Retry-After -----------------------------------------------------------------------------------------------------

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that HTTP lets a server send.
std::optional<std::chrono::sys_seconds> as_date(std::string_view text) {
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(25) != " GMT") return std::nullopt;
  const auto digits = [&](std::size_t from, std::size_t size) {
    int number = -1;
    const char* const end = text.data() + from + size;
    return std::from_chars(text.data() + from, end, number).ptr == end ? number : -1;
  };
  const std::size_t month = months.find(text.substr(8, 3));
  const int day = digits(5, 2), year = digits(12, 4);
  const int hour = digits(17, 2), minute = digits(20, 2), second = digits(23, 2);
  if (month == months.npos || month % 3 != 0 || day < 1 || year < 0 || hour < 0 || minute < 0 || second < 0) return {};
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

// A date is measured from the answer's own Date, so that no clock of ours is needed.
std::int64_t retry_after_ms(std::span<const HttpHeader> headers) {
  if (const auto ms = as_number(header_of(headers, "retry-after-ms"))) return bounded_ms(*ms);
  const std::string_view text = header_of(headers, "retry-after");
  if (const auto seconds = as_number(text)) return bounded_ms(*seconds * 1000);
  const auto until = as_date(text);
  const auto now = as_date(header_of(headers, "date"));
  if (!until || !now) return -1;
  return bounded_ms(std::max(0.0, static_cast<double>((*until - *now).count()) * 1000));
}

}  // namespace

std::string_view header_of(std::span<const HttpHeader> headers, std::string_view name) {
  const auto is_it = [&](const HttpHeader& h) { return same_name(h.name, name); };
  const auto found = std::find_if(headers.begin(), headers.end(), is_it);
  return found == headers.end() ? std::string_view() : trim(found->value);
}

ModelError error_from_answer(int status, std::span<const HttpHeader> headers, std::string_view body) {
  ModelError error = understand(status, read_complaint(body));
  if (const std::int64_t asked = retry_after_ms(headers); asked >= 0) error.retry_after_ms = asked;
  return error;
}

ModelError error_from_event(simdjson::dom::object event) { return understand(0, read_complaint(event)); }

ModelError malformed_answer(std::string_view what) {
  return {ModelErrorClass::malformed, fmt::format("the answer {}", what), 0, -1};
}

}  // namespace joey
