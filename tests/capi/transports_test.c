/* Time: waits by the host's clock, and servers that fall silent. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "host.h"

static void an_hour(int32_t loop) {
  world w = {0};
  seen e;
  const int64_t began = steady_ms();
  int i;
  w.with_clock = 1;
  world_open(&w, loop);
  world_session(&w, "all");
  for (i = 0; i < 6; ++i) wire_fails(&w.wire, 429, "600", "slow down");
  wire_completes(&w.wire, "Patience pays.");
  world_start(&w, "Wait for it.");
  for (i = 0; i < 6; ++i) {
    if (!world_wait(&w, JOEY_EVENT_MODEL_FAILED, &e)) break;
    CHECK_HOLDS(e.text, "slow down");
    if (i == 0) {
      world_run(&w, 100);
      CHECK(wire_asked(&w.wire) == 1); /* not a moment too early */
      hands_move(&w.hands, 599999);
      world_run(&w, 100);
      CHECK(wire_asked(&w.wire) == 1);
      hands_move(&w.hands, 1);
    } else {
      hands_move(&w.hands, 600000);
    }
  }
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(e.text, "Patience pays.");
  CHECK(wire_asked(&w.wire) == 7 && steady_ms() - began < 30000);
  world_close(&w);
}

/* A server that takes connections, answers `part`, and says nothing more. */
typedef struct silent {
  int listener;
  const char *part;
  int taken[8];
  int taken_count;
} silent;

static void *serve_silence(void *argument) {
  silent *s = argument;
  for (;;) {
    char buffer[4096];
    const int fd = accept(s->listener, NULL, NULL);
    if (fd < 0 || s->taken_count == 8) return NULL;
    s->taken[s->taken_count++] = fd;
    if (recv(fd, buffer, sizeof buffer, 0) > 0) (void)!write(fd, s->part, strlen(s->part));
  }
}

static void silence(const char *part) {
  joey_engine_options engine_options = JOEY_ENGINE_OPTIONS_INIT;
  joey_session_options options = JOEY_SESSION_OPTIONS_INIT;
  joey_engine *engine = NULL;
  joey_session *session = NULL;
  joey_subscription *events = NULL;
  joey_task *task = NULL;
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  silent s = {0};
  pthread_t thread;
  char url[64], directory[] = "/tmp/joey-capi.XXXXXX";
  int failures = 0, ended = 0;
  const int64_t began = steady_ms();

  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  s.part = part;
  s.listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(s.listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(s.listener, 8) == 0);
  CHECK(getsockname(s.listener, (struct sockaddr *)&address, &size) == 0);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
  pthread_create(&thread, NULL, serve_silence, &s);

  CHECK(mkdtemp(directory) != NULL);
  options.workspace = directory;
  options.model = "m";
  options.base_url = url;
  options.idle_timeout_ms = 300;
  options.retries_max = 1;
  OK(joey_engine_create(&engine_options, &engine));
  OK(joey_session_create(engine, &options, &session));
  OK(joey_subscribe(engine, NULL, &events));
  OK(joey_task_start(session, "Hello?", 6, &task));
  while (!ended) {
    joey_event event;
    size_t count = 0;
    if (!OK(joey_subscription_next(events, &event, sizeof event, 1, 30000, &count)) || count == 0) break;
    if (event.kind == JOEY_EVENT_MODEL_FAILED) {
      ++failures;
      CHECK(event.text_size > 0 && strchr(event.text, '\n') == NULL);
    }
    ended = event.kind == JOEY_EVENT_TASK_ENDED;
    if (ended) CHECK(strcmp(event.name, "failed") == 0);
  }
  CHECK(ended && failures == 2);
  CHECK(steady_ms() - began >= 600 && steady_ms() - began < 30000);
  joey_task_destroy(task);
  joey_session_destroy(session);
  joey_subscription_destroy(events);
  joey_engine_destroy(engine);
  shutdown(s.listener, SHUT_RDWR);
  close(s.listener);
  pthread_join(thread, NULL);
  while (s.taken_count > 0) close(s.taken[--s.taken_count]);
  rmdir(directory);
}

static void silent_from_the_start(void) { silence(""); }
static void silent_after_the_head(void) {
  silence("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}
static void silent_in_an_event(void) {
  silence("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\nevent: message_start\ndata: {\"type\":");
}

void test_transports(void) {
  run_case_on_both_loops("an hour by the host's clock passes in milliseconds", an_hour);
  run_case("a server that never answers is given up after the idle timeout", silent_from_the_start);
  run_case("and one that falls silent after the head", silent_after_the_head);
  run_case("and one that falls silent within an event", silent_in_an_event);
}
