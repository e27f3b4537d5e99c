/*
 * A task with a tool of the program's own, in C.
 *
 *   cmake -S . -B build -G Ninja && cmake --build build --target example_c
 *   ANTHROPIC_API_KEY=... build/bin/example_c
 *
 * With joey installed: cc hello.c $(pkg-config --cflags --libs joey) -o hello
 *
 * JOEY_BASE_URL names another server that speaks Anthropic's API; joey-scripted-model is one.
 */
#include <joey/joey.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tool. It runs on the engine's loop thread, so it returns soon: it could also keep `call` and finish it later. */
static void roll_dice(void *user_data, joey_tool_call *call) {
  char result[64];
  int *seed = user_data;
  *seed = (*seed * 1103515245 + 12345) & 0x7fffffff;
  snprintf(result, sizeof result, "The dice show %d.", 1 + (*seed >> 16) % 6);
  joey_tool_call_finish(call, 1, result, strlen(result));
}

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, joey_last_error_message());
  return 1;
}

/* Prints the stream until the task ends or waits for a person. Returns the program's exit code. */
static int follow(joey_subscription *events) {
  for (;;) {
    joey_event event;
    size_t count = 0;
    if (joey_subscription_next(events, &event, sizeof event, 1, -1, &count)) return failed("events");
    if (count == 0) continue;
    switch (event.kind) {
      case JOEY_EVENT_DELTA_TEXT: fwrite(event.text, 1, event.text_size, stdout); break;
      case JOEY_EVENT_TOOL_STARTED: printf("\n[%s]\n", event.name); break;
      case JOEY_EVENT_TOOL_FINISHED: printf("  %s\n", event.text); break;
      case JOEY_EVENT_MODEL_FAILED: printf("\n[%s]\n", event.text); break;
      case JOEY_EVENT_APPROVAL_REQUESTED: printf("\n%s needs an approval\n", event.name); return 3;
      case JOEY_EVENT_QUESTION_ASKED: printf("\nIt asks: %s\n", event.text); return 3;
      case JOEY_EVENT_TASK_ENDED:
        printf("\n%s: %s\n", event.name, event.text);
        return strcmp(event.name, "completed") == 0 ? 0 : 1;
      default: break;
    }
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  const char *prompt = argc > 1 ? argv[1] : "Roll the dice three times and tell me the sum.";
  int seed = 1, code = 1;
  joey_engine *engine = NULL;
  joey_session *session = NULL;
  joey_subscription *events = NULL;
  joey_task *task = NULL;

  joey_session_options options = JOEY_SESSION_OPTIONS_INIT;
  options.workspace = ".";
  options.api_key = getenv("ANTHROPIC_API_KEY");
  options.base_url = getenv("JOEY_BASE_URL");
  options.allow = "read,roll_dice";
  options.turns_max = 20;

  joey_tool_vtable tool = JOEY_TOOL_VTABLE_INIT;
  tool.name = "roll_dice";
  tool.description = "Rolls one six-sided die.";
  tool.run = roll_dice;

  if (joey_engine_create(NULL, &engine)) { /* NULL: the journal lives in memory */
    code = failed("engine");
  } else if (joey_session_create(engine, &options, &session)) {
    code = failed("session");
  } else if (joey_session_add_tool(session, &tool, &seed)) {
    code = failed("tool");
  } else if (joey_subscribe(engine, NULL, &events)) { /* before the start, so that nothing is missed */
    code = failed("events");
  } else if (joey_task_start(session, prompt, strlen(prompt), &task)) {
    code = failed("task");
  } else {
    code = follow(events);
  }
  joey_task_destroy(task);
  joey_subscription_destroy(events);
  joey_session_destroy(session);
  joey_engine_destroy(engine);
  return code;
}
