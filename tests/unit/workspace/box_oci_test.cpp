// Bundles of containers: what config.json says, and what is particular to boxes that runc makes.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "box_support.hpp"
#include "workspace/box_parts.hpp"

namespace joey {
namespace {

using namespace test;

// A config.json, parsed.
class Config {
 public:
  explicit Config(const Container& container) {
    auto written = container_config(container);
    REQUIRE(written);
    text_ = *written;
    REQUIRE(parser_.parse(text_).get(root_) == simdjson::SUCCESS);
  }
  [[nodiscard]] simdjson::dom::element at(const char* pointer) const {
    simdjson::dom::element found;
    REQUIRE_MESSAGE(root_.at_pointer(pointer).get(found) == simdjson::SUCCESS, std::string(pointer));
    return found;
  }
  [[nodiscard]] bool has(const char* pointer) const { return root_.at_pointer(pointer).error() == simdjson::SUCCESS; }
  [[nodiscard]] std::string json(const char* pointer) const { return simdjson::minify(at(pointer)); }
  [[nodiscard]] const std::string& text() const { return text_; }

  // "type source option,option" of the mount at `destination`; of several, the last, which is what is seen.
  [[nodiscard]] std::string mount(std::string_view destination) const {
    std::string found;
    for (const simdjson::dom::element each : simdjson::dom::array(at("/mounts"))) {
      if (std::string_view(each["destination"]) != destination) continue;
      found = fmt::format("{} {}", std::string_view(each["type"]), std::string_view(each["source"]));
      char separator = ' ';
      for (const simdjson::dom::element option : simdjson::dom::array(each["options"])) {
        found += fmt::format("{}{}", separator, std::string_view(option));
        separator = ',';
      }
    }
    return found;
  }

 private:
  std::string text_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

std::vector<Mount> some_mounts() {
  std::vector<Mount> mounts;
  mounts.push_back({Mount::Kind::symlink, "/bin", "usr/bin", {}});
  mounts.push_back({Mount::Kind::shown, "/usr", "/usr", {}});
  mounts.push_back({Mount::Kind::changeable, "/work", "/home/me/work", {}});
  mounts.push_back({Mount::Kind::hidden_file, "/work/.env", {}, {}});
  mounts.push_back({Mount::Kind::hidden_directory, "/work/secrets", {}, {}});
  return mounts;
}

Container some_container(const std::vector<Mount>& mounts) {
  Container container;
  container.root = "/private/root";
  container.arguments = {"/proc/self/fd/4", "6"};
  container.mounts = &mounts;
  container.nothing = "/private/nothing";
  container.user = 1000;
  container.group = 1001;
  return container;
}

TEST_CASE("a container has every namespace, no privilege, and a root that cannot be changed") {
  const auto mounts = some_mounts();
  const Config config(some_container(mounts));
  CHECK(std::string_view(config.at("/ociVersion")) == "1.0.2");
  CHECK(config.json("/root") == R"({"path":"/private/root","readonly":true})");
  CHECK(config.json("/process/args") == R"(["/proc/self/fd/4","6"])");
  CHECK(config.json("/process/terminal") == "false");
  CHECK(config.json("/process/noNewPrivileges") == "true");
  CHECK(config.json("/process/capabilities") == R"({"bounding":[],"effective":[],"inheritable":[],"permitted":[],"ambient":[]})");
  std::string namespaces;
  for (const simdjson::dom::element each : simdjson::dom::array(config.at("/linux/namespaces"))) namespaces += std::string(std::string_view(each["type"])) + " ";
  CHECK(namespaces == "user pid ipc uts mount cgroup network ");
  CHECK(config.json("/linux/uidMappings") == R"([{"containerID":0,"hostID":1000,"size":1}])");
  CHECK(config.json("/linux/gidMappings") == R"([{"containerID":0,"hostID":1001,"size":1}])");
  CHECK(config.json("/linux/readonlyPaths").find("\"/proc/sys\"") != std::string::npos);
  CHECK(config.json("/linux/maskedPaths").find("\"/proc/kcore\"") != std::string::npos);
  CHECK(config.json("/linux/resources/devices") == R"([{"allow":false,"access":"rwm"}])");
  CHECK_FALSE(config.has("/process/env"));  // what a command is given lies on no disk
}

TEST_CASE("a container shows what it is to show, and covers what it is to hide") {
  const auto mounts = some_mounts();
  const Config config(some_container(mounts));
  CHECK(config.mount("/usr") == "bind /usr rbind,rro,rnosuid,rnodev");
  CHECK(config.mount("/work") == "bind /home/me/work rbind,rnosuid,rnodev");
  CHECK(config.mount("/work/.env") == "bind /dev/null bind,ro,nosuid,nodev,noexec");
  CHECK(config.mount("/work/secrets") == "bind /private/nothing bind,ro,nosuid,nodev,noexec");
  CHECK(config.mount("/bin").empty());  // a symlink of the root directory
  CHECK(config.mount("/proc") == "proc proc nosuid,noexec,nodev");
  CHECK(config.mount("/dev/shm").starts_with("tmpfs shm nosuid,noexec,nodev"));
  // What covers comes after what it covers.
  CHECK(config.text().find("/work/.env") > config.text().find("/home/me/work"));
}

TEST_CASE("limits of a container are those of its cgroup, and nothing is said of what is not limited") {
  const auto mounts = some_mounts();
  Container container = some_container(mounts);
  {
    const Config config(container);
    for (const char* part : {"memory", "pids", "cpu"}) CHECK_FALSE(config.has(fmt::format("/linux/resources/{}", part).c_str()));
    CHECK_FALSE(config.has("/linux/cgroupsPath"));
  }
  container.limits = {.memory = 256U << 20, .processes = 100, .cpu_percent = 150};
  container.cgroup = "/user/joey-box-1-2-3";
  {
    const Config config(container);
    CHECK(config.json("/linux/resources/memory") == R"({"limit":268435456})");
    CHECK(config.json("/linux/resources/pids") == R"({"limit":100})");
    CHECK(config.json("/linux/resources/cpu") == R"({"period":100000,"quota":150000})");
    CHECK(config.json("/linux/cgroupsPath") == R"("/user/joey-box-1-2-3")");
  }
  container.limits_swap = true;
  CHECK(Config(container).json("/linux/resources/memory") == R"({"limit":268435456,"swap":268435456})");
}

TEST_CASE("names that JSON has to escape stay what they are, and those it cannot say are refused") {
  const std::string odd = "/work/a\"b\\c\nd\u00e9";
  std::vector<Mount> mounts;
  mounts.push_back({Mount::Kind::shown, odd, odd, {}});
  Container container = some_container(mounts);
  CHECK(Config(container).mount(odd).starts_with("bind " + odd));
  mounts.push_back({Mount::Kind::shown, "/work/\xff", "/work/\xff", {}});
  const auto refused = container_config(container);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_argument);
}

// ---------------------------------------------------------------------------------------------------------------------
// Containers that run

TEST_CASE("what a command of a container is told reaches it byte for byte") {
  BoxWorld world;
  const auto box = try_box(BoxKind::oci, world.plain_rules());
  if (!box) return;
  CommandSpec spec = world.spec_of("");
  spec.argv = {"/usr/bin/printf", "%s|", "\xff\xfe", "", "a b", "\xc3\xa9\n", std::string(100'000, 'x')};
  spec.box = box;
  CHECK(world.run(spec).output == "\xff\xfe||a b|\xc3\xa9\n|" + std::string(100'000, 'x') + "|");
  spec = world.spec_of("printf %s \"$ODD\"; pwd");
  spec.environment.emplace_back("ODD", "\xff=\n\x01");
  spec.directory = "src";
  spec.box = box;
  CHECK(world.run(std::move(spec)).output == "\xff=\n\x01" + world.root() + "/src\n");
}

TEST_CASE("what a command of a container is told lies in no file") {
  BoxWorld world;
  const auto box = try_box(BoxKind::oci, world.plain_rules());
  if (!box) return;
  CommandSpec spec = world.spec_of("echo up; read line; : a-secret-of-the-command-line");
  spec.environment.emplace_back("SECRET", "a-secret-of-the-environment");
  spec.terminal = TerminalSize{};  // nobody types
  spec.box = box;
  Recorder recorder;
  const auto command = world.start(std::move(spec), recorder);
  REQUIRE(world.loop().run_until([&] { return recorder.output.find("up") != std::string::npos; }));
  CHECK(std::system(fmt::format("grep -rqs 'a-secret-of-' {}/../private", world.root()).c_str()) != 0);
  command->terminate(0ms);
  CHECK(world.loop().run_until([&] { return recorder.ended; }));
}

TEST_CASE("a folder can be the system of a container") {
  BoxWorld world;
  const TemporaryDirectory system("/var/tmp");
  for (const char* directory : {"lib", "lib64", "bin", "usr/lib", "srv", "etc"}) system.make(directory);
  REQUIRE(std::system(fmt::format("cp /bin/bash /bin/cat /bin/ls {0}/bin/ && for f in $(ldd /bin/bash /bin/cat /bin/ls | grep -o '/[^ ]*\\.so[^ ]*' | sort -u); "
                                  "do mkdir -p {0}$(dirname $f) && cp -L $f {0}$f; done", system.path()).c_str()) == 0);
  system.put("srv/data", "of the folder\n");
  system.put("etc/name", "folder\n");
  system.put("etc/secret", "s");
  std::filesystem::permissions(system / "etc/secret", std::filesystem::perms::owner_read);
  BoxRules rules = world.plain_rules();
  rules.oci_root = system.path();
  const auto box = try_box(BoxKind::oci, rules);
  if (!box) return;
  CHECK(world.run(box, "cat /srv/data /etc/name").output == "of the folder\nfolder\n");
  CHECK(world.run(box, "cat /etc/secret").exit.code == 1);
  CHECK(world.run(box, "ls /usr/share /etc/passwd").exit.code == 2);
  CHECK(world.run(box, "echo x > /srv/data || echo y > /new || echo kept").output.ends_with("kept\n"));
  CHECK(world.run(box, "cat src/harmless; echo z > src/new; cat src/new").output == "harmless\nz\n");
  CHECK(system.count("") == 6);  // no mount points were made in it
  rules.oci_root = "relative";
  CHECK(prepare_box(BoxKind::oci, rules).error().code == ErrorCode::invalid_argument);
  rules.oci_root = system / "none";
  CHECK(prepare_box(BoxKind::oci, rules).error().code == ErrorCode::invalid_argument);
}

TEST_CASE("a container that would not guard what it is to guard runs nothing") {
  BoxWorld world;
  BoxRules rules = world.plain_rules();
  rules.read_only = {"AGENTS.md"};
  const auto box = try_box(BoxKind::oci, rules);
  if (!box) return;
  // Another file takes the name after the box has looked, and before runc mounts.
  int ran = 0;
  int refused = 0;
  for (int i = 0; i < 12; ++i) {
    world.put("AGENTS.md", "rules\n");
    Recorder recorder;
    CommandSpec spec = world.spec_of("echo evil > AGENTS.md; cat AGENTS.md");
    spec.box = box;
    const auto command = world.start(std::move(spec), recorder);
    if (i % 2 == 0) {
      world.put("other", "rules\n");
      std::filesystem::rename(world.root() + "/other", world.root() + "/AGENTS.md");
    }
    REQUIRE(world.loop().run_until([&] { return recorder.ended; }));
    CHECK(world.get("AGENTS.md") == "rules\n");
    const bool started = recorder.exit->code != 126;
    (started ? ran : refused)++;
    if (!started) CHECK(recorder.output.find("a guarded path changed meanwhile") != std::string::npos);
  }
  CHECK(ran >= 6);  // all of those that nobody disturbed
  CHECK(refused >= 1);
}

}  // namespace
}  // namespace joey
