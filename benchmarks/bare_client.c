/*
 * The least a client can do: what joey's figures are compared with. Blocking sockets, no JSON parser, no journal.
 *
 *   bench_bare_client turns PORT TURNS SYSTEM_BYTES WORKSPACE     one conversation that reads notes/N.txt in turn N
 *   bench_bare_client many PORT TASKS TURNS SYSTEM_BYTES WORKSPACE  the same for many at once, over epoll
 *   bench_bare_client once PORT                                   one request
 *
 * Prints "wall_ns cpu_ns peak_rss_kb".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

typedef struct conversation {
  int fd;
  int turn;
  char *body; /* Without its end: "]}". */
  size_t size;
  size_t capacity;
  char answer[16384];
  size_t answer_size;
} conversation;

static const char end_of_body[] = "]}";

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  const int on = 1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void append(conversation *c, const char *text, size_t size) {
  if (c->size + size > c->capacity) {
    c->capacity = (c->size + size) * 2;
    c->body = realloc(c->body, c->capacity);
    if (c->body == NULL) die("realloc");
  }
  memcpy(c->body + c->size, text, size);
  c->size += size;
}

static void append_text(conversation *c, const char *text) { append(c, text, strlen(text)); }

static void begin(conversation *c, int port, int number, int system_bytes) {
  char text[128];
  memset(c, 0, sizeof *c);
  c->fd = connect_to(port);
  append_text(c, "{\"model\":\"bare\",\"max_tokens\":1000,\"stream\":true,\"system\":\"");
  for (int i = 0; i < system_bytes; ++i) append(c, "s", 1);
  snprintf(text, sizeof text, "\",\"messages\":[{\"role\":\"user\",\"content\":\"Read the notes, bare %d.\"}", number);
  append_text(c, text);
}

static void send_request(conversation *c) {
  char head[256];
  const int head_size = snprintf(head, sizeof head,
                                 "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                                 "content-length: %zu\r\n\r\n",
                                 c->size + sizeof end_of_body - 1);
  struct iovec parts[3] = {
      {head, (size_t)head_size}, {c->body, c->size}, {(char *)(uintptr_t)end_of_body, sizeof end_of_body - 1}};
  int first = 0;
  while (first < 3) {
    ssize_t sent = writev(c->fd, parts + first, 3 - first);
    if (sent < 0) die("writev");
    while (first < 3 && (size_t)sent >= parts[first].iov_len) sent -= (ssize_t)parts[first++].iov_len;
    if (first < 3) {
      parts[first].iov_base = (char *)parts[first].iov_base + sent;
      parts[first].iov_len -= (size_t)sent;
    }
  }
  c->answer_size = 0;
}

/* Whether the answer is whole now. */
static int receive(conversation *c) {
  const ssize_t got = recv(c->fd, c->answer + c->answer_size, sizeof c->answer - c->answer_size, 0);
  if (got <= 0) die("recv");
  c->answer_size += (size_t)got;
  return c->answer_size >= 5 && memcmp(c->answer + c->answer_size - 5, "0\r\n\r\n", 5) == 0;
}

/* Reads the file that the answer asked for and adds call and result to the conversation. */
static void take_turn(conversation *c, const char *workspace) {
  char path[512];
  char text[512];
  char content[2048];
  char escaped[2 * sizeof content];
  size_t size = 0;
  ++c->turn;
  snprintf(path, sizeof path, "%s/notes/%d.txt", workspace, c->turn);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read(fd, content, sizeof content);
  if (got < 0) die(path);
  close(fd);
  for (ssize_t i = 0; i < got; ++i) {
    if (content[i] == '\n') {
      escaped[size++] = '\\';
      escaped[size++] = 'n';
    } else {
      escaped[size++] = content[i];
    }
  }
  snprintf(text, sizeof text,
           ",{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"call_%d\",\"name\":\"read_file\","
           "\"input\":{\"path\":\"notes/%d.txt\"}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
           "\"tool_use_id\":\"call_%d\",\"content\":\"",
           c->turn, c->turn, c->turn);
  append_text(c, text);
  append(c, escaped, size);
  append_text(c, "\"}]}");
}

static void run_turns(int port, int turns, int system_bytes, const char *workspace) {
  static conversation c;
  begin(&c, port, 0, system_bytes);
  for (;;) {
    send_request(&c);
    while (!receive(&c)) {
    }
    if (c.turn == turns) return;
    take_turn(&c, workspace);
  }
}

static void run_many(int port, int tasks, int turns, int system_bytes, const char *workspace) {
  conversation *all = calloc((size_t)tasks, sizeof *all);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  int left = tasks;
  if (all == NULL || epoll < 0) die("epoll_create1");
  for (int i = 0; i < tasks; ++i) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &all[i]}};
    begin(&all[i], port, i + 1, system_bytes);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) != 0) die("epoll_ctl");
    send_request(&all[i]);
  }
  while (left > 0) {
    struct epoll_event events[256];
    const int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      conversation *c = events[i].data.ptr;
      if (!receive(c)) continue;
      if (c->turn == turns) {
        close(c->fd);
        --left;
        continue;
      }
      take_turn(c, workspace);
      send_request(c);
    }
  }
}

static void run_once(int port) {
  static conversation c;
  begin(&c, port, 0, 0);
  send_request(&c);
  while (!receive(&c)) {
  }
}

int main(int count, char **arguments) {
  const int64_t began = now_ns(CLOCK_MONOTONIC);
  struct rlimit files;
  struct rusage usage;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (count == 6 && strcmp(arguments[1], "turns") == 0) {
    run_turns(atoi(arguments[2]), atoi(arguments[3]), atoi(arguments[4]), arguments[5]);
  } else if (count == 7 && strcmp(arguments[1], "many") == 0) {
    run_many(atoi(arguments[2]), atoi(arguments[3]), atoi(arguments[4]), atoi(arguments[5]), arguments[6]);
  } else if (count == 3 && strcmp(arguments[1], "once") == 0) {
    run_once(atoi(arguments[2]));
  } else {
    return 2;
  }
  getrusage(RUSAGE_SELF, &usage);
  printf("%lld %lld %ld\n", (long long)(now_ns(CLOCK_MONOTONIC) - began), (long long)now_ns(CLOCK_PROCESS_CPUTIME_ID),
         usage.ru_maxrss);
  return 0;
}
