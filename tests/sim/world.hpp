// A whole world in one thread: the production core and runtime, and around them a model, tools, a disk, a network, a
// person, subscribers and an operator, all driven by one seed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/engine.hpp"
#include "sim/brain.hpp"
#include "sim/disk.hpp"
#include "sim/surroundings.hpp"

namespace joey::sim {

struct WorldOptions {
  std::uint64_t seed{1};
  std::optional<Faults> faults{};  // drawn from the seed when absent
  Sabotage sabotage{Sabotage::none};
  std::uint64_t steps_busy{0};     // of the scheduler, before the world turns calm; 0: drawn
  bool verbose{false};

  // A plain scenario instead: one task with these words, a person who allows everything at once, no other faults, and
  // the process killed at these places, counted from 1.
  std::string words{};
  std::function<Brain(Setting&)> make_brain{};
  std::set<std::uint64_t> kill_at{};
  std::uint64_t steps_calm_max{400'000};
  milliseconds settle_within{60 * 60'000};  // after the last fault
  std::int64_t context_window{0};  // of its model, in tokens; 0: as large as need be
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();

  // Plays until everything has ended or something is wrong. Empty: all invariants held.
  std::string run();

  [[nodiscard]] const Auditor& auditor() const { return auditor_; }
  [[nodiscard]] const std::map<std::string, std::string>& files() const { return setting_.files; }
  [[nodiscard]] std::uint64_t places_count() const { return places_; }  // where the process could be killed
  [[nodiscard]] std::uint64_t steps_count() const { return steps_; }
  [[nodiscard]] Timestamp time() const { return scheduler_.now(); }

 private:
  struct Subscriber {
    std::shared_ptr<Subscription> subscription;
    std::string task;                  // empty: all
    std::map<std::string, Seq> next;   // to be handed out
    std::map<std::string, Seq> at_start;  // what the disk held when it came
  };

  // The process.
  void boot();
  void die();
  void begin_stop();
  void continue_stop();
  void bury();  // what is the same after a kill and after an orderly end
  bool strikes(std::string_view place);
  void verify_disk();

  // Those around it.
  [[nodiscard]] const std::shared_ptr<Session>& session_of(const std::string& task) const;
  void start_task(std::string words);
  void send(const std::string& task, Input input, const char* what);
  void person_acts();
  void meddle(const std::string& name, const Chronicle& chronicle);
  void person_helps();  // in a calm world: allows, answers and resumes everything
  void operator_acts();
  void subscribe(std::string task);
  void subscriber_takes(std::size_t index);
  void take(Subscriber& subscriber, std::size_t max);
  void every(std::int64_t delay_ms_max, std::function<void()> act);
  void watch_cancel(const std::string& task);

  void become_calm();
  [[nodiscard]] bool everything_ended() const;
  void check_leases();
  void check_nothing_left();
  void check_end();

  WorldOptions options_;
  Random random_;
  SimScheduler scheduler_;
  Auditor auditor_;
  Setting setting_;
  Brain brain_;

  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  Timestamp disk_full_until_{0};
  std::shared_ptr<std::int64_t> exchanges_ = std::make_shared<std::int64_t>(0);
  std::shared_ptr<Process> process_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::shared_ptr<Session>> sessions_;
  std::vector<TaskConfig> configs_;
  bool has_spares_{false};   // models that stand in for the sessions' own
  UpstreamLimits limits_{};  // of the sessions' own
  std::map<std::string, std::size_t> session_index_;  // by task
  std::int64_t incarnation_{0};
  Timestamp stop_deadline_{0};  // while an orderly end is under way

  std::vector<Subscriber> subscribers_;
  std::map<std::uint64_t, std::string> unanswered_;  // inputs and starts on the way
  std::uint64_t last_input_{0};
  std::uint64_t words_count_{0};
  std::size_t tasks_max_{0};
  std::size_t requests_max_{0};
  std::int64_t keep_waiting_ms_{0};
  std::uint64_t places_{0};
  std::uint64_t steps_{0};
  Timestamp calm_since_{0};
};

}  // namespace joey::sim
