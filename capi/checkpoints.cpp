// Checkpoints of a session's workspace.
#include "base/json.hpp"
#include "base/text.hpp"
#include "capi/handles.hpp"
#include "checkpoint/checkpoint.hpp"

using namespace joey;
using namespace joey::capi;

namespace {

// Runs `ask` on a worker thread, and waits for it.
template <class T>
Result<T> ask_checkpoints(joey_session& session, UniqueFunction<Result<T>(Checkpoints&)> ask) {
  const std::shared_ptr<Checkpoints> checkpoints = session.session->setup().checkpoints;
  if (checkpoints == nullptr) {
    return failure(ErrorCode::unsupported, "this session takes no checkpoints: set joey_session_options.checkpoints");
  }
  auto result = std::make_shared<Result<T>>(failure(ErrorCode::internal, "no answer"));
  return session.host->wait<T>([checkpoints, result, ask = std::move(ask)](Engine& engine, Completion<T> done) mutable {
    engine.scheduler().work([checkpoints, result, ask = std::move(ask)] { *result = ask(*checkpoints); },
                            [result, done = std::move(done)] { done(std::move(*result)); });
  });
}

void write_checkpoint(JsonWriter& json, const Checkpoint& checkpoint) {
  json.field("checkpoint", checkpoint.id).field("task", checkpoint.task).field("seq", checkpoint.seq);
  json.field("label", checkpoint.label).field("created_at", checkpoint.created_at).field("changed", checkpoint.changed);
}

std::string_view name_of(ChangedFile::Kind kind) {
  switch (kind) {
    case ChangedFile::Kind::added: return "added";
    case ChangedFile::Kind::modified: return "modified";
    case ChangedFile::Kind::deleted: return "deleted";
    case ChangedFile::Kind::type: return "type";
    case ChangedFile::Kind::mode: return "mode";
  }
  return "modified";
}

std::string_view name_of(NotKept::Reason reason) {
  switch (reason) {
    case NotKept::Reason::too_large: return "too_large";
    case NotKept::Reason::unreadable: return "unreadable";
    case NotKept::Reason::special: return "special";
  }
  return "special";
}

std::string taken_json(const TakenCheckpoint& taken) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_checkpoint(json, taken.checkpoint);
  json.field("unchanged", taken.unchanged).field("not_kept_count", taken.not_kept_count).key("not_kept").begin_array();
  for (const NotKept& file : taken.not_kept) {
    json.begin_object().field("path", to_utf8(file.path)).field("reason", name_of(file.reason)).field("size", file.size).end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string diff_json(const CheckpointDiff& diff) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("files").begin_array();
  for (const ChangedFile& file : diff.files) {
    json.begin_object().field("path", to_utf8(file.path)).field("change", name_of(file.kind)).field("binary", file.binary);
    json.field("mode_before", file.mode_before).field("mode_after", file.mode_after);
    json.field("diff", to_utf8(file.patch)).field("cut", file.patch_cut).end_object();
  }
  json.end_array().field("files_count", diff.files_count).end_object();
  return out;
}

std::string restored_json(const std::string& id, const RestoredCheckpoint& restored) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("restored", id).field("before", restored.before).field("written", restored.written);
  json.field("removed", restored.removed).field("left_count", restored.left_count).key("left").begin_array();
  for (const LeftAsItIs& left : restored.left) {
    json.begin_object().field("path", to_utf8(left.path)).field("why", to_utf8(left.why)).end_object();
  }
  json.end_array().end_object();
  return out;
}

// What a host asks for by hand is tied to no event.
constexpr std::uint64_t no_seq = 0;

}  // namespace

joey_status joey_session_take_checkpoint(joey_session* session, const char* task, size_t task_size, const char* label,
                                         size_t label_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    CheckpointRequest request{std::string(view(task, task_size)), no_seq, std::string(view(label, label_size))};
    const auto taken = ask_checkpoints<TakenCheckpoint>(
        *session, [request](Checkpoints& checkpoints) { return checkpoints.take(request, CancelToken()); });
    if (!taken) return fail(taken.error());
    *out_json = make_text(taken_json(*taken));
    return JOEY_OK;
  });
}

joey_status joey_session_list_checkpoints(joey_session* session, const char* task, size_t task_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    const auto list = ask_checkpoints<std::vector<Checkpoint>>(
        *session, [name = std::string(view(task, task_size))](Checkpoints& checkpoints) { return checkpoints.list(name); });
    if (!list) return fail(list.error());
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("checkpoints").begin_array();
    for (const Checkpoint& checkpoint : *list) {
      json.begin_object();
      write_checkpoint(json, checkpoint);
      json.end_object();
    }
    json.end_array().end_object();
    *out_json = make_text(std::move(out));
    return JOEY_OK;
  });
}

joey_status joey_session_diff_checkpoints(joey_session* session, const char* from, size_t from_size, const char* to,
                                          size_t to_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    const auto diff = ask_checkpoints<CheckpointDiff>(
        *session, [from_id = std::string(view(from, from_size)), to_id = std::string(view(to, to_size))](Checkpoints& checkpoints) {
          return checkpoints.diff(from_id, to_id, {}, CancelToken());
        });
    if (!diff) return fail(diff.error());
    *out_json = make_text(diff_json(*diff));
    return JOEY_OK;
  });
}

joey_status joey_session_restore_checkpoint(joey_session* session, const char* checkpoint, size_t checkpoint_size,
                                            joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (session == nullptr || out_json == nullptr) return invalid("session or out_json is NULL");
    const std::string id(view(checkpoint, checkpoint_size));
    const auto restored = ask_checkpoints<RestoredCheckpoint>(*session, [id](Checkpoints& checkpoints) {
      return checkpoints.restore(id, {"restore", no_seq, "before a restore"}, CancelToken());
    });
    if (!restored) return fail(restored.error());
    *out_json = make_text(restored_json(id, *restored));
    return JOEY_OK;
  });
}
