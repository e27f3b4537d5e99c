#include "sim/brain.hpp"

#include <array>
#include <memory>

#include "core/context.hpp"

namespace joey::sim {
namespace {

constexpr std::array<const char*, 6> modes{"architect", "code", "ask", "debug", "orchestrator", "no-such-mode"};
constexpr std::int64_t answers_max = 40;

std::size_t habit_of(std::string_view first_words, std::size_t habits_count) {
  std::size_t hash = 0;
  for (const char c : first_words) hash = hash * 131 + static_cast<unsigned char>(c);
  return hash % habits_count;
}

class RandomBrain {
 public:
  explicit RandomBrain(Setting& setting) : setting_(setting), random_(setting.random.split()) {}

  Answer answer(const Seen& seen) {
    Answer out;
    if (is_asked_for_summary(seen) && random_.chance(0.8)) {
      out.blocks.push_back({AnswerBlock::Kind::text, "What we did so far: " + words(), ""});
      return out;
    }
    if (random_.chance(0.3)) out.blocks.push_back({AnswerBlock::Kind::reasoning, words(), ""});
    if (random_.chance(0.5)) out.blocks.push_back({AnswerBlock::Kind::text, words(), ""});
    if (setting_.calm || seen.answers > answers_max) return calm(std::move(out));
    constexpr std::size_t habits_count = 30;
    switch (habit_of(seen.first_words, habits_count)) {
      case 0: out.blocks.push_back(call_of("read_file", R"({"path":"the/same"})")); break;
      case 1: out.blocks.push_back(call_of("execute_command", R"({"command":"the same"})")); break;
      case 2:
        for (int i = 0; i < 3; ++i) out.blocks.push_back(call_of("peek", R"({"what":"the same"})"));
        break;
      case 3:
        if (random_.chance(0.7)) return silent(std::move(out));
        [[fallthrough]];
      default: calls(seen, out);
    }
    out.stop = random_.chance(0.03) ? Answer::Stop::length : Answer::Stop::calls;
    return out;
  }

 private:
  std::string nonce() { return fmt::format("n{}", ++nonces_); }
  std::string words() {
    std::string text = "Word";
    for (std::size_t i = random_.below(30); i > 0; --i) text += random_.chance(0.1) ? " wörd \"\\\n" : " word";
    return text;
  }

  Answer calm(Answer out) {
    if (random_.chance(0.2)) {
      out.blocks.push_back(call_of("read_file", fmt::format(R"({{"path":"{}"}})", nonce())));
    } else {
      out.blocks.push_back(call_of("attempt_completion", R"({"result":"Done at last."})"));
    }
    out.stop = Answer::Stop::calls;
    return out;
  }

  // An answer without a call: words, a refusal, or nothing at all.
  Answer silent(Answer out) {
    out.stop = random_.chance(0.2) ? Answer::Stop::refusal : Answer::Stop::end;
    return out;
  }

  void calls(const Seen& seen, Answer& out) {
    const std::size_t count = random_.chance(0.6) ? 1 : random_.below(5);
    for (std::size_t i = 0; i < count; ++i) out.blocks.push_back(call(seen));
  }

  AnswerBlock call(const Seen& seen) {
    const std::string n = nonce();
    switch (random_.below(26)) {
      case 0:
      case 1:
      case 2: return call_of("read_file", fmt::format(R"({{"path":"{}"}})", n));
      case 3: return call_of("list_files", fmt::format(R"({{"path":"{}","recursive":true}})", n));
      case 4:
      case 5: return call_of("peek", fmt::format(R"({{"what":"{}"}})", n));
      case 6:
      case 7:
      case 8: return call_of("write_to_file", fmt::format(R"({{ "path": "notes/{}.{}", "content": "x" }})", n, random_.chance(0.5) ? "md" : "cpp"));
      case 9:
      case 10: return call_of("execute_command", fmt::format(R"({{"command":"make {}"}})", n));
      case 11: return call_of("deploy", fmt::format(R"({{"target":"{}"}})", n));
      case 12: return call_of("execute_command", random_.chance(0.5) ? fmt::format(R"({{"command":"{})", n) : "[1,2]");
      case 13: return call_of(random_.chance(0.5) ? "no_such_tool" : "bad name/" + std::string(70, 'x'), "{}");
      case 14: return call_of("", "");
      case 15: return question(n);
      case 16: return call_of("switch_mode", fmt::format(R"({{"mode_slug":"{}","reason":"{}"}})", random_.pick(modes), n));
      case 17: return subtask(seen, n);
      case 18: return call_of("update_todo_list", fmt::format(R"({{"todos":"[x] one {}\n[-] two\n[ ] three"}})", n));
      case 19: return call_of("attempt_completion", random_.chance(0.2) ? "{}" : fmt::format(R"({{"result":"Done: {}."}})", n));
      case 20: return call_of("attempt_completion", fmt::format(R"({{"result":"Done: {}."}})", n));
      case 21: return call_of("peek", R"({"what":"again"})");
      case 22: return subtask(seen, n);
      case 23: return call_of("execute_command", fmt::format(R"({{"command":"test {}"}})", n));
      case 24: return call_of("read_file", fmt::format(R"({{"path":"more/{}"}})", n));
      default: return question(n);
    }
  }

  AnswerBlock question(const std::string& n) {
    if (random_.chance(0.2)) return call_of("ask_followup_question", "{}");
    return call_of("ask_followup_question",
                   fmt::format(R"({{"question":"What about {}?","follow_up":[{{"text":"yes","mode":null}},{{"text":"no","mode":"ask"}}]}})", n));
  }

  // Its first words say how deep it is: some go on until joey stops them.
  AnswerBlock subtask(const Seen& seen, const std::string& n) {
    const std::size_t depth = seen.first_words.starts_with("sub") ? static_cast<std::size_t>(seen.first_words[3] - '0') + 1 : 1;
    if (depth > 2 && !random_.chance(0.5)) return call_of("peek", fmt::format(R"({{"what":"{}"}})", n));
    return call_of("new_task", fmt::format(R"({{"mode":"{}","message":"sub{} {}","todos":"[ ] {}"}})", random_.pick(modes), depth, n, n));
  }

  Setting& setting_;
  Random random_;
  std::uint64_t nonces_{0};
};

}  // namespace

bool is_asked_for_summary(const Seen& seen) { return seen.last_words.ends_with(condense_instruction()); }

Brain make_random_brain(Setting& setting) {
  return [brain = std::make_shared<RandomBrain>(setting)](const Seen& seen) { return brain->answer(seen); };
}

}  // namespace joey::sim
