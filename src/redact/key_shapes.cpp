#include "redact/key_shapes.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <string_view>

#include "base/base64.hpp"
#include "redact/placeholder.hpp"

namespace joey {
namespace {

// Sets of characters.
using Set = std::uint16_t;
constexpr Set digit = 1;
constexpr Set upper = 2;
constexpr Set lower = 4;
constexpr Set hex_lower = 8;   // a to f
constexpr Set hex_upper = 16;
constexpr Set dash = 32;
constexpr Set underscore = 64;
constexpr Set dot = 128;
constexpr Set plus_slash = 256;
constexpr Set tilde = 512;
constexpr Set base32_digit = 1024;  // 2 to 7

constexpr Set letters = upper | lower;
constexpr Set alnum = digit | letters;
constexpr Set word = alnum | underscore;
constexpr Set hex = digit | hex_lower;
constexpr Set any_hex = hex | hex_upper;
// Padding is none of these: a run may be followed by it, and "=" comes before many a key.
constexpr Set base64 = alnum | plus_slash;
constexpr Set url64 = alnum | dash | underscore;
constexpr Set token68 = url64 | dot | tilde | plus_slash;  // what may follow "Bearer "

constexpr std::array<Set, 256> sets = [] {
  std::array<Set, 256> table{};
  const auto put = [&table](std::string_view characters, Set set) {
    for (const char c : characters) table[static_cast<unsigned char>(c)] |= set;
  };
  put("0123456789", digit);
  put("234567", base32_digit);
  put("ABCDEFGHIJKLMNOPQRSTUVWXYZ", upper);
  put("abcdefghijklmnopqrstuvwxyz", lower);
  put("abcdef", hex_lower);
  put("ABCDEF", hex_upper);
  put("-", dash);
  put("_", underscore);
  put(".", dot);
  put("+/", plus_slash);
  put("~", tilde);
  return table;
}();

bool in(unsigned char c, Set set) { return (sets[c] & set) != 0; }
char lower_case(unsigned char c) { return static_cast<char>(in(c, upper) ? c - 'A' + 'a' : c); }

bool is_jwt(std::string_view text);
bool is_credentials(std::string_view text);
bool has_digit(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return in(static_cast<unsigned char>(c), digit); });
}

// How a kind of key is found: `begin`, and then a run of `body`, which ends before `size_max`.
struct Shape {
  enum class Place : std::uint8_t {
    token,  // `begin` is part of the key, which begins where no character of `body` or letter or digit comes before
    label,  // `begin`, in lower case, names what follows in any case, after "=", ":", quotes or spaces
    path,   // `begin` is what the URL of the key begins with
  };
  std::string_view name;
  std::string_view begin;
  Set body{0};
  std::size_t size_min{0};  // of the run
  std::size_t size_max{0};
  Place place{Place::token};
  bool (*accepts)(std::string_view run){nullptr};
};

constexpr auto label = Shape::Place::label;
constexpr auto path = Shape::Place::path;

// As their makers document them, or as they are seen. A longer `begin` stands before one that it begins with.
constexpr auto shapes = std::to_array<Shape>({
    {"anthropic-key", "sk-ant-", url64, 40, 300},
    {"openai-key", "sk-proj-", url64, 40, 300},
    {"openai-key", "sk-svcacct-", url64, 40, 300},
    {"openai-key", "sk-admin-", url64, 40, 300},
    {"openrouter-key", "sk-or-", url64, 40, 200},
    {"openai-key", "sk-", alnum, 32, 128},
    {"google-key", "AIza", url64, 35, 35},
    {"google-secret", "GOCSPX-", url64, 28, 28},
    {"google-token", "ya29.", url64 | dot, 30, 2048},
    {"groq-key", "gsk_", alnum, 40, 64},
    {"xai-key", "xai-", alnum, 60, 100},
    {"perplexity-key", "pplx-", alnum, 32, 64},
    {"huggingface-token", "hf_", alnum, 34, 40},
    {"huggingface-token", "api_org_", alnum, 34, 40},
    {"replicate-token", "r8_", alnum, 37, 40},
    {"nvidia-key", "nvapi-", url64, 60, 80},

    {"github-token", "ghp_", alnum, 36, 251},
    {"github-token", "gho_", alnum, 36, 251},
    {"github-token", "ghu_", alnum, 36, 251},
    {"github-token", "ghs_", alnum, 36, 251},
    {"github-token", "ghr_", alnum, 36, 251},
    {"github-token", "github_pat_", word, 40, 251},
    {"gitlab-token", "glpat-", url64 | dot, 20, 320},
    {"gitlab-token", "glptt-", url64, 20, 320},
    {"gitlab-token", "glrt-", url64 | dot, 20, 320},
    {"gitlab-token", "gldt-", url64, 20, 320},
    {"gitlab-token", "glft-", url64, 20, 320},
    {"gitlab-token", "glimt-", url64, 20, 320},
    {"gitlab-token", "glcbt-", url64, 20, 320},
    {"gitlab-token", "gloas-", url64, 20, 320},
    {"gitlab-token", "glsoat-", url64, 20, 320},
    {"gitlab-token", "glagent-", url64, 40, 320},
    {"atlassian-token", "ATATT3", url64, 100, 300},
    {"npm-token", "npm_", alnum, 36, 36},
    {"pypi-token", "pypi-AgE", url64, 50, 1024},
    {"rubygems-key", "rubygems_", hex, 48, 48},
    {"docker-token", "dckr_pat_", url64, 27, 40},
    {"sonar-token", "squ_", hex, 40, 40},
    {"sonar-token", "sqp_", hex, 40, 40},
    {"sonar-token", "sqa_", hex, 40, 40},
    {"postman-key", "PMAK-", hex | dash, 59, 59},
    {"figma-token", "figd_", url64, 40, 80},
    {"linear-key", "lin_api_", alnum, 40, 40},
    {"notion-token", "ntn_", alnum, 40, 60},

    {"slack-token", "xoxb-", alnum | dash, 20, 300},
    {"slack-token", "xoxp-", alnum | dash, 20, 300},
    {"slack-token", "xoxa-", alnum | dash, 20, 300},
    {"slack-token", "xoxr-", alnum | dash, 20, 300},
    {"slack-token", "xoxs-", alnum | dash, 20, 300},
    {"slack-token", "xoxo-", alnum | dash, 20, 300},
    {"slack-token", "xoxe-", alnum | dash, 20, 300},
    {"slack-token", "xoxe.xox", alnum | dash, 20, 300},
    {"slack-token", "xapp-", alnum | dash, 20, 300},
    {"slack-webhook", "hooks.slack.com/services/", word | plus_slash, 40, 80, path},
    {"slack-webhook", "hooks.slack.com/workflows/", word | plus_slash, 40, 80, path},
    {"discord-webhook", "discord.com/api/webhooks/", url64 | plus_slash, 70, 120, path},
    {"stripe-key", "sk_live_", alnum, 16, 251},
    {"stripe-key", "rk_live_", alnum, 16, 251},
    {"stripe-key", "sk_test_", alnum, 16, 251},
    {"stripe-key", "rk_test_", alnum, 16, 251},
    {"stripe-key", "whsec_", base64, 32, 80},
    {"shopify-token", "shpat_", any_hex, 32, 32},
    {"shopify-token", "shpca_", any_hex, 32, 32},
    {"shopify-token", "shppa_", any_hex, 32, 32},
    {"shopify-token", "shpss_", any_hex, 32, 32},
    {"square-token", "sq0atp-", url64, 22, 60},
    {"square-token", "sq0csp-", url64, 22, 60},
    {"sendgrid-key", "SG.", url64 | dot, 66, 72},
    {"twilio-key", "SK", hex, 32, 32},
    {"twilio-token", "twilio_auth_token", hex, 32, 32, label},

    {"aws-key", "AKIA", upper | base32_digit, 16, 16},
    {"aws-key", "ASIA", upper | base32_digit, 16, 16},
    {"aws-key", "ABIA", upper | base32_digit, 16, 16},
    {"aws-key", "ACCA", upper | base32_digit, 16, 16},
    {"aws-key", "ABSK", base64, 100, 400},
    {"aws-secret", "secret_access_key", base64, 40, 40, label},
    {"aws-secret", "secretaccesskey", base64, 40, 40, label},
    {"aws-secret", "aws_secret_key", base64, 40, 40, label},
    {"aws-token", "session_token", base64, 100, 4096, label},
    {"aws-token", "sessiontoken", base64, 100, 4096, label},
    {"azure-key", "accountkey", base64, 40, 100, label},
    {"azure-key", "sharedaccesskey", base64, 40, 100, label},
    {"digitalocean-token", "dop_v1_", hex, 64, 64},
    {"digitalocean-token", "doo_v1_", hex, 64, 64},
    {"digitalocean-token", "dor_v1_", hex, 64, 64},
    {"heroku-key", "HRKU-", url64, 36, 80},
    {"flyio-token", "fm2_", base64, 100, 4096},
    {"supabase-key", "sbp_", hex, 40, 40},
    {"databricks-token", "dapi", hex, 32, 32},
    {"vault-token", "hvs.", url64, 24, 300},
    {"vault-token", "hvb.", url64, 100, 400},
    {"doppler-token", "dp.pt.", alnum, 40, 48},
    {"planetscale-key", "pscale_tkn_", url64 | dot, 32, 64},
    {"planetscale-key", "pscale_pw_", url64 | dot, 32, 64},
    {"pulumi-token", "pul-", hex, 40, 40},
    {"tailscale-key", "tskey-", alnum | dash, 20, 100},
    {"grafana-token", "glsa_", word, 41, 41},
    {"grafana-token", "glc_", base64, 32, 400},
    {"sentry-token", "sntrys_", base64 | underscore, 80, 500},
    {"newrelic-key", "NRAK-", alnum, 27, 27},
    {"dynatrace-token", "dt0c01.", alnum | dot, 80, 100},
    {"onepassword-token", "ops_eyJ", base64, 200, 4096},
    {"age-key", "AGE-SECRET-KEY-1", upper | digit, 58, 58},

    {"jwt", "eyJ", url64 | dot, 30, 16'384, Shape::Place::token, is_jwt},
    // "-----BEGIN PRIVATE KEY-----" and its kin, in base64.
    {"private-key", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0", base64, 60, 16'384},
    {"private-key", "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt", base64, 60, 16'384},
    {"private-key", "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0", base64, 60, 16'384},
    {"private-key", "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZ", base64, 60, 16'384},

    {"api-key", "x-api-key", token68, 16, 512, label, has_digit},
    {"basic-auth", "basic", base64, 8, 1024, label, is_credentials},
    {"token", "authorization: token", token68, 16, 4096, label, has_digit},
    {"bearer-token", "bearer", token68, 20, 4096, label, has_digit},
});

// Which shapes may begin with a byte; labels in either case.
struct Beginnings {
  std::vector<const Shape*> tokens;
  std::vector<const Shape*> others;
};
const std::array<Beginnings, 256>& beginnings() {
  static const auto table = [] {
    std::array<Beginnings, 256> by_byte;
    for (const Shape& shape : shapes) {
      const auto first = static_cast<unsigned char>(shape.begin.front());
      if (shape.place == Shape::Place::token) {
        by_byte[first].tokens.push_back(&shape);
        continue;
      }
      by_byte[first].others.push_back(&shape);
      if (shape.place == label) by_byte[static_cast<std::size_t>(first - 'a' + 'A')].others.push_back(&shape);
    }
    return by_byte;
  }();
  return table;
}

// header.payload.signature, the first two of them JSON objects.
bool is_jwt(std::string_view text) {
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos || text.substr(first + 1, 3) != "eyJ") return false;
  const std::size_t second = text.find('.', first + 1);
  return second != std::string_view::npos && second - first > 10 && text.size() - second > 10;
}

// name:password in base64.
bool is_credentials(std::string_view text) {
  std::string padded(text);
  padded.resize((text.size() + 3) / 4 * 4, '=');
  const auto decoded = decode_base64(padded);
  return decoded && decoded->find(':') != std::string::npos && !has_host_placeholder(*decoded) &&
         std::all_of(decoded->begin(), decoded->end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// Documentation's, not anybody's; or what stands for a secret already.
bool is_made_up(std::string_view run) {
  if (has_host_placeholder(run)) return true;
  constexpr std::size_t distinct_min = 8;
  std::bitset<256> seen;
  bool wordy = true;
  for (const char c : run) {
    const auto byte = static_cast<unsigned char>(c);
    seen.set(byte);
    wordy = wordy && in(byte, lower | dash | underscore | dot);
  }
  // Credentials of a name and a password may be short.
  const std::size_t wanted = std::min(distinct_min, run.size() / 2 + 1);
  if (seen.count() < wanted || wordy) return true;
  constexpr std::string_view signs[] = {"EXAMPLE", "example", "xxxxx", "XXXXX", "your-", "your_", "YOUR-", "YOUR_"};
  return std::any_of(std::begin(signs), std::end(signs),
                     [run](std::string_view sign) { return run.find(sign) != std::string_view::npos; });
}

// Whether what comes before a place is the end of an escape (\n, %3D, \u003d), or the mark of a line in a diff.
bool follows_mark(const TextWindow& window, std::uint64_t at) {
  const auto before = [&](std::uint64_t back) -> unsigned char {
    return at >= back && at - back >= window.begin ? window.at(at - back) : 0;
  };
  const auto is_hex = [](unsigned char c) { return in(c, any_hex); };
  constexpr std::string_view letters_escaped = "nrtbfv0";
  if (before(2) == '\\' && letters_escaped.find(static_cast<char>(before(1))) != std::string_view::npos) return true;
  if ((before(1) == '-' || before(1) == '+') && (at == 1 || before(2) == '\n')) return true;
  if (!is_hex(before(1)) || !is_hex(before(2))) return false;
  if (before(3) == '%') return true;
  return is_hex(before(3)) && is_hex(before(4)) && before(5) == 'u' && before(6) == '\\';
}

using Run = KeyShapeScan::Run;

// What there is at a place.
struct Look {
  enum class Answer : std::uint8_t { none, found, wait } answer{Answer::none};
  SecretSpan span{};
};
constexpr Look none{};
constexpr Look wait{Look::Answer::wait, {}};
Look found(std::uint64_t begin, std::uint64_t end, std::string_view name) {
  return {Look::Answer::found, {begin, end, name}};
}

// A run of `body` from `begin` on, less the marks that may follow a key in a sentence.
Look look_at_run(const TextWindow& window, const Shape& shape, std::uint64_t begin, std::uint64_t key_begin, Run& known) {
  std::uint64_t end = known.of == &shape && known.begin == begin ? known.end : begin;
  while (end < window.end() && end - begin <= shape.size_max && in(window.at(end), shape.body)) ++end;
  if (end - begin > shape.size_max) return none;
  if (end == window.end() && !window.last) {
    known = {begin, end, &shape};
    return wait;
  }
  while (end > begin && window.at(end - 1) == '.') --end;
  if (end - begin < shape.size_min) return none;
  const std::string_view run = window.from(begin).substr(0, static_cast<std::size_t>(end - begin));
  if (is_made_up(run)) return none;
  if (shape.accepts != nullptr && !shape.accepts(run)) return none;
  constexpr std::uint64_t padding_max = 2;
  const std::uint64_t padded = end + ((shape.body & plus_slash) != 0 ? padding_max : 0);
  while (end < padded) {
    if (end == window.end() && !window.last) return wait;
    if (end == window.end() || window.at(end) != '=') break;
    ++end;
  }
  return found(key_begin, end, shape.name);
}

Look look_for(const TextWindow& window, const Shape& shape, std::uint64_t at, Run& known) {
  const bool any_case = shape.place == label;
  const std::string_view text = window.from(at);
  for (std::size_t i = 0; i < shape.begin.size(); ++i) {
    if (i == text.size()) return window.last ? none : wait;
    const auto c = static_cast<unsigned char>(text[i]);
    if ((any_case ? lower_case(c) : static_cast<char>(c)) != shape.begin[i]) return none;
  }
  std::uint64_t body = at + shape.begin.size();
  if (shape.place == Shape::Place::token) {
    if (at > window.begin && in(window.at(at - 1), shape.body) && !follows_mark(window, at)) return none;
    return look_at_run(window, shape, body, at, known);
  }
  if (shape.place == path) return look_at_run(window, shape, body, body, known);
  constexpr std::string_view separators = " \t\"'`=:>,\\";
  constexpr std::uint64_t separators_max = 8;
  const std::uint64_t named = body;
  while (body < window.end() && body - named < separators_max &&
         separators.find(static_cast<char>(window.at(body))) != std::string_view::npos) {
    ++body;
  }
  if (body == window.end()) return window.last ? none : wait;
  return body == named ? none : look_at_run(window, shape, body, body, known);
}

// The password of a URL: scheme://user:password@host. `at` is that of "://".
Look look_for_password(const TextWindow& window, std::uint64_t at) {
  constexpr std::string_view scheme_end = "://";
  constexpr std::size_t user_max = 128;
  constexpr std::size_t password_max = 512;
  constexpr std::size_t password_min = 3;
  const std::string_view text = window.from(at);
  const auto cut = [&] { return window.last ? none : wait; };
  for (std::size_t i = 0; i < scheme_end.size(); ++i) {
    if (i == text.size()) return cut();
    if (text[i] != scheme_end[i]) return none;
  }
  constexpr std::string_view stops = " \t\r\n/\"'`<>@\\";
  std::size_t i = scheme_end.size();
  for (; i < text.size() && text[i] != ':'; ++i) {
    if (i > user_max || stops.find(text[i]) != std::string_view::npos) return none;
  }
  const std::size_t begin = i + 1;
  for (++i; i < text.size() && text[i] != '@'; ++i) {
    if (i > begin + password_max || stops.find(text[i]) != std::string_view::npos) return none;
  }
  if (i + 1 >= text.size()) return cut();
  const std::string_view user = text.substr(scheme_end.size(), begin - 1 - scheme_end.size());
  const std::string_view password = text.substr(begin, i - begin);
  constexpr std::string_view names[] = {"password", "passwd", "pass", "pwd", "secret", "PASSWORD", "token"};
  // What stands for a password, or is known to everybody.
  if (password.size() < password_min || password == user || password.find_first_of("${}*[]") != std::string_view::npos ||
      password.find_first_not_of("xX.") == std::string_view::npos || has_host_placeholder(password) ||
      std::find(std::begin(names), std::end(names), password) != std::end(names)) {
    return none;
  }
  const auto host = static_cast<unsigned char>(text[i + 1]);
  if (!in(host, alnum) && host != '[') return none;
  return found(at + begin, at + i, "url-password");
}

// The token of a Telegram bot: digits, and after a colon 35 characters. `at` is that of the colon.
Look look_for_bot(const TextWindow& window, std::uint64_t at, Run& known) {
  constexpr std::uint64_t digits_min = 8;
  for (std::uint64_t back = 1; back <= digits_min; ++back) {
    if (at < window.begin + back || !in(window.at(at - back), digit)) return none;
  }
  static constexpr Shape shape{"telegram-token", ":AA", url64, 33, 33};
  for (std::size_t i = 0; i < shape.begin.size(); ++i) {
    if (at + i == window.end()) return window.last ? none : wait;
    if (window.at(at + i) != static_cast<unsigned char>(shape.begin[i])) return none;
  }
  return look_at_run(window, shape, at + shape.begin.size(), at + 1, known);
}

Look look_at(const TextWindow& window, std::uint64_t at, Run& known) {
  const unsigned char c = window.at(at);
  if (c == ':') {
    const Look look = look_for_password(window, at);
    return look.answer == Look::Answer::none ? look_for_bot(window, at, known) : look;
  }
  const Beginnings& shapes_here = beginnings()[c];
  if (!shapes_here.tokens.empty() &&
      (at == window.begin || !in(window.at(at - 1), alnum) || follows_mark(window, at))) {
    for (const Shape* shape : shapes_here.tokens) {
      const Look look = look_for(window, *shape, at, known);
      if (look.answer != Look::Answer::none) return look;
    }
  }
  for (const Shape* shape : shapes_here.others) {
    const Look look = look_for(window, *shape, at, known);
    if (look.answer != Look::Answer::none) return look;
  }
  return none;
}

}  // namespace

void KeyShapeScan::advance(const TextWindow& window, std::vector<SecretSpan>& spans) {
  const auto& by_byte = beginnings();
  while (at_ < window.end()) {
    const unsigned char c = window.at(at_);
    if (by_byte[c].tokens.empty() && by_byte[c].others.empty() && c != ':') {
      ++at_;
      continue;
    }
    const Look look = look_at(window, at_, run_);
    switch (look.answer) {
      case Look::Answer::none: ++at_; break;
      case Look::Answer::wait: return;
      case Look::Answer::found:
        spans.push_back(look.span);
        at_ = look.span.end;
        break;
    }
  }
}

}  // namespace joey
