// What the confine program is told: the last thing that runs before a boxed command's shell.
//
//   engine --- supervisor --- confine = shell                        (landlock)
//   engine --- supervisor --- confine --- confine = bwrap --- confine --- shell   (bubblewrap)
//   engine --- supervisor --- confine --- confine --- shell                       (OCI)
//                                |
//                                +------- confine = runc, which leaves when the container has begun
//
// Where "=" stands, the process becomes the next one. The program is freestanding like the supervisor and runs from
// memory, so what loads or preloads libraries for a command has no say before the box is closed. It decides nothing:
// the engine has opened, counted and compiled everything, and this carries it out or exits with exit_code_start_failed
// and a line on standard error. Nothing of it is skipped when it fails.
#pragma once

#include <linux/filter.h>

#include <cstdint>

namespace joey::confine {

// The arguments of the program: its name, the descriptor of a Plan, the path of what it becomes, then the arguments of
// that.
inline constexpr int arguments_count = 3;
inline constexpr int exit_code_unused = 2;  // of a program that is told nothing

inline constexpr int cgroups_max = 4;
inline constexpr int limits_max = 16;
inline constexpr int filter_max = 512;  // instructions

struct Limit {
  std::int32_t resource;
  std::uint64_t value;  // soft and hard; more than the hard limit there is means that one
};

// What may be done with a directory and beneath it, as Landlock counts rights. For those that are only in the box; it need
// not be there.
struct PathRule {
  char path[24];
  std::uint64_t rights;
};
inline constexpr int path_rules_max = 8;

// A command that does not travel in arguments: which need not be UTF-8, as all is that runc is told, and which no list of
// processes or file shows. A file holds this, the guarded paths, then as many strings as are counted, each with its NUL: the
// directory to run it in, its path, its arguments, its environment.
struct Command {
  std::uint32_t guarded_count;
  std::uint32_t arguments_count;
  std::uint32_t environment_count;
};
inline constexpr int command_header_size = 16;  // where the guarded paths begin
// A path that must be a mount of exactly this file: what mounts by name may have been led elsewhere.
struct GuardedPath {
  std::uint64_t inode;
  std::uint32_t device_major;
  std::uint32_t device_minor;
  char path[4096];
};

// Carried out in this order. A descriptor below 0 is not there.
struct Plan {
  std::uint32_t size;  // of this structure: both sides are of one build

  // A mount namespace of its own: mounts of the next program end with it, however it ends.
  std::uint32_t has_own_mounts;

  // The process forks, and its child goes on to make the box; it may leave when the box is there. This one stays as the
  // keeper: it adopts what there is, ends with the last of it, and with it ends `lifeline`, a pipe's writing end. SIGTERM
  // and its like are blocked in both: they must reach the commands in the box, and nothing around them.
  std::uint32_t is_keeper;
  // Descriptor 3 must be taken: the next program passes on all from there to close_from, and would use a free one itself.
  std::uint32_t fills_gap;

  std::int32_t cgroups[cgroups_max];  // cgroup.procs files: the process joins
  std::uint32_t limits_count;
  Limit limits[limits_max];

  // The process is the init of a pid namespace: it forks, its child goes on and has a session of its own, with standard
  // input as its terminal if so asked. The init reports the child's end on `control`, reaps, and ends with the last.
  std::uint32_t is_init;
  std::uint32_t has_terminal;
  std::int32_t control;
  std::int32_t lifeline;  // of an init, the reading end: it ends, and all in its namespace, when its keeper has
  std::int32_t command;   // a file with a Command, instead of arguments

  std::uint32_t clears_environment;
  std::uint32_t drops_privileges;  // all capabilities, and every way to new ones
  std::int32_t ruleset;            // of Landlock; the path rules are added
  std::uint32_t path_rules_count;
  PathRule path_rules[path_rules_max];
  // How the engine gets the connections that are made in the box: a Unix socket on which one descriptor is sent to it, of
  // which no copy stays. In a network of the box's own that is a socket that listens at `proxy_port` on loopback; with port
  // 0 it is the listener of the filter, whose notifications are then the engine's to answer.
  std::int32_t network;
  std::uint16_t proxy_port;
  std::uint32_t filter_count;
  std::int32_t close_from;  // descriptors from this one on do not reach the next program
  sock_filter filter[filter_max];
};

}  // namespace joey::confine
