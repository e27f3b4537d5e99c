// Tasks: each function is one input.
#include <utility>

#include "base/text.hpp"
#include "capi/handles.hpp"

using namespace joey;
using namespace joey::capi;

namespace {

joey_status deliver(joey_task* task, Input input) {
  if (task == nullptr) return invalid("task is NULL");
  const Status status = task->host->wait<void>(
      [s = task->session, id = task->id, input = std::move(input)](Engine& engine, Completion<void> done) mutable {
        engine.deliver(s, id, std::move(input), std::move(done));
      });
  return status ? JOEY_OK : fail(status.error());
}

// Text that goes into a journal: bounded, and UTF-8 whatever came in.
Result<std::string> input_text(const char* text, std::size_t size) {
  if (size > JOEY_INPUT_SIZE_MAX) {
    return failure(ErrorCode::invalid_argument, "the message is larger than JOEY_INPUT_SIZE_MAX (4 MB): name a file instead");
  }
  return to_utf8(view(text, size));
}

}  // namespace

joey_status joey_task_start(joey_session* session, const char* input, size_t input_size, joey_task** out_task) {
  return guarded([&]() -> joey_status {
    clear(out_task);
    if (session == nullptr || out_task == nullptr) return invalid("session or out_task is NULL");
    auto text = input_text(input, input_size);
    if (!text) return fail(text.error());
    if (trim(*text).empty()) return invalid("a task needs a message: it says what to do");
    auto task = std::make_unique<joey_task>(joey_task{session->host, session->session, session->host->new_task_id()});
    session->host->post([s = task->session, id = task->id, message = *std::move(text)](Engine& engine) mutable {
      engine.start(s, id, std::move(message), [](Status) {});
    });
    *out_task = task.release();
    return JOEY_OK;
  });
}

joey_status joey_task_open(joey_session* session, const char* id, size_t id_size, joey_task** out_task) {
  return guarded([&]() -> joey_status {
    clear(out_task);
    if (session == nullptr || out_task == nullptr) return invalid("session or out_task is NULL");
    auto task = std::make_unique<joey_task>(joey_task{session->host, session->session, std::string(view(id, id_size))});
    if (task->id.empty()) return invalid("a task's id is empty");
    const Status opened = session->host->wait<void>([s = task->session, name = task->id](Engine& engine, Completion<void> done) {
      engine.open(s, name, std::move(done));
    });
    if (!opened) return fail(opened.error());
    *out_task = task.release();
    return JOEY_OK;
  });
}

void joey_task_destroy(joey_task* task) {
  quietly([&] { delete task; });
}

const char* joey_task_id(const joey_task* task) { return task == nullptr ? "" : task->id.c_str(); }

joey_status joey_task_say(joey_task* task, const char* text, size_t text_size) {
  return guarded([&]() -> joey_status {
    auto message = input_text(text, text_size);
    if (!message) return fail(message.error());
    return deliver(task, input::Say{*std::move(message), {}});
  });
}

joey_status joey_task_approve(joey_task* task, const char* call, size_t call_size, const char* feedback,
                              size_t feedback_size) {
  return guarded([&]() -> joey_status {
    auto text = input_text(feedback, feedback_size);
    if (!text) return fail(text.error());
    return deliver(task, input::Decide{std::string(view(call, call_size)), true, *std::move(text)});
  });
}

joey_status joey_task_approve_edited(joey_task* task, const char* call, size_t call_size, const char* arguments,
                                     size_t arguments_size, const char* feedback, size_t feedback_size) {
  return guarded([&]() -> joey_status {
    auto edited = input_text(arguments, arguments_size);
    if (!edited) return fail(edited.error());
    if (edited->empty()) return invalid("the changed arguments are empty");
    auto text = input_text(feedback, feedback_size);
    if (!text) return fail(text.error());
    return deliver(task, input::Decide{std::string(view(call, call_size)), true, *std::move(text), *std::move(edited)});
  });
}

joey_status joey_task_deny(joey_task* task, const char* call, size_t call_size, const char* feedback,
                           size_t feedback_size) {
  return guarded([&]() -> joey_status {
    auto text = input_text(feedback, feedback_size);
    if (!text) return fail(text.error());
    return deliver(task, input::Decide{std::string(view(call, call_size)), false, *std::move(text)});
  });
}

joey_status joey_task_answer(joey_task* task, const char* call, size_t call_size, const char* text, size_t text_size,
                             const char* mode, size_t mode_size) {
  return guarded([&]() -> joey_status {
    auto answer = input_text(text, text_size);
    if (!answer) return fail(answer.error());
    return deliver(task, input::Answer{std::string(view(call, call_size)), *std::move(answer), std::string(view(mode, mode_size))});
  });
}

joey_status joey_task_set_mode(joey_task* task, const char* mode, size_t mode_size) {
  return guarded([&] { return deliver(task, input::SetMode{std::string(view(mode, mode_size))}); });
}

joey_status joey_task_condense(joey_task* task) {
  return guarded([&] { return deliver(task, input::Condense{}); });
}

joey_status joey_task_pause(joey_task* task) {
  return guarded([&] { return deliver(task, input::Pause{}); });
}

joey_status joey_task_resume(joey_task* task) {
  return guarded([&] { return deliver(task, input::Resume{}); });
}

joey_status joey_task_cancel(joey_task* task) {
  return guarded([&] { return deliver(task, input::Cancel{"cancelled"}); });
}
