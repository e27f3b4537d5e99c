// Engines, and what they know of tasks without a session.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json.hpp"
#include "capi/handles.hpp"

using namespace joey;
using namespace joey::capi;

namespace {

constexpr std::uint32_t list_tasks_max = 1'000;

// Takes the user data of every vtable at once, so that each `destroy` runs exactly once whatever follows.
Result<HostOptions> host_options(const joey_engine_options* in) {
  joey_engine_options options;
  const bool readable = read_struct(in, options);
  std::shared_ptr<UserData> store_user;
  std::shared_ptr<UserData> transport_user;
  std::shared_ptr<UserData> clock_user;
  std::shared_ptr<UserData> secrets_user;
  joey_store_vtable store;
  joey_transport_vtable transport;
  joey_clock_vtable clock;
  joey_secrets_vtable secrets;
  const bool vtables_readable = read_struct(options.store, store) & read_struct(options.transport, transport) &
                                read_struct(options.clock, clock) & read_struct(options.secrets, secrets);
  if (options.store != nullptr) store_user = std::make_shared<UserData>(options.store_user_data, store.destroy);
  if (options.transport != nullptr) {
    transport_user = std::make_shared<UserData>(options.transport_user_data, transport.destroy);
  }
  if (options.clock != nullptr) clock_user = std::make_shared<UserData>(options.clock_user_data, clock.destroy);
  if (options.secrets != nullptr) {
    secrets_user = std::make_shared<UserData>(options.secrets_user_data, secrets.destroy);
  }
  if (!readable || !vtables_readable) {
    return failure(ErrorCode::invalid_argument,
                   "options: struct_size is wrong, or a field of a newer version is set: start from JOEY_ENGINE_OPTIONS_INIT");
  }
  if (options.durability != JOEY_DURABILITY_FULL && options.durability != JOEY_DURABILITY_PROCESS) {
    return failure(ErrorCode::invalid_argument, fmt::format("options: durability {} is not a JOEY_DURABILITY_ constant", options.durability));
  }
  if (options.loop != JOEY_LOOP_ENGINE && options.loop != JOEY_LOOP_HOST) {
    return failure(ErrorCode::invalid_argument, fmt::format("options: loop {} is not a JOEY_LOOP_ constant", options.loop));
  }
  if (options.store != nullptr && (!store.append || !store.read || !store.get_blob || !store.list || !store.get_summary)) {
    return failure(ErrorCode::invalid_argument, "options: the store lacks append, read, get_blob, list or get_summary");
  }
  if (options.transport != nullptr && transport.start == nullptr) {
    return failure(ErrorCode::invalid_argument, "options: the transport lacks start");
  }
  if (options.clock != nullptr && clock.now == nullptr) return failure(ErrorCode::invalid_argument, "options: the clock lacks now");
  if (options.secrets != nullptr && secrets.resolve == nullptr) {
    return failure(ErrorCode::invalid_argument, "options: the secrets lack resolve");
  }

  HostOptions out;
  if (options.database != nullptr) {
    out.database = options.database_size > 0 ? std::string(options.database, options.database_size) : options.database;
  }
  out.durability = options.durability == JOEY_DURABILITY_FULL ? Durability::full : Durability::process;
  out.own_thread = options.loop == JOEY_LOOP_ENGINE;
  if (options.workers_max > 0) out.workers_max = options.workers_max;
  if (options.requests_max > 0) out.requests_max = options.requests_max;
  if (store_user) {
    out.make_store = [store, store_user](Scheduler& scheduler, std::shared_ptr<Postbox> postbox) {
      return make_host_store(store, store_user, scheduler, std::move(postbox));
    };
  }
  if (transport_user) {
    out.make_transport = [transport, transport_user](std::shared_ptr<Postbox> postbox) {
      return make_host_transport(transport, transport_user, std::move(postbox));
    };
  }
  if (options.store_keys == nullptr && options.store_keys_count > 0) {
    return failure(ErrorCode::invalid_argument, "options: store_keys is NULL, and store_keys_count is not 0");
  }
  for (std::size_t i = 0; i < options.store_keys_count; ++i) {
    StoreKey key;
    key.id = text_or(options.store_keys[i].id, "");
    std::copy(std::begin(options.store_keys[i].bytes), std::end(options.store_keys[i].bytes), key.bytes.begin());
    out.store_keys.push_back(std::move(key));
  }
  if (secrets_user) {
    out.make_secrets = [secrets, secrets_user](std::shared_ptr<Postbox> postbox) {
      return make_host_secrets(secrets, secrets_user, std::move(postbox));
    };
  }
  if (clock_user) {
    out.clock = [now = clock.now, clock_user] { return now(clock_user->get()); };
  }
  return out;
}

}  // namespace

joey_status joey_engine_create(const joey_engine_options* options, joey_engine** out_engine) {
  return guarded([&]() -> joey_status {
    auto parsed = host_options(options);
    clear(out_engine);
    if (out_engine == nullptr) return invalid("out_engine is NULL");
    if (!parsed) return fail(parsed.error());
    auto host = Host::create(*std::move(parsed));
    if (!host) return fail(host.error());
    *out_engine = new joey_engine{*std::move(host)};
    return JOEY_OK;
  });
}

void joey_engine_destroy(joey_engine* engine) {
  quietly([&] { delete engine; });
}

joey_status joey_engine_poll_fd(const joey_engine* engine, int32_t* out_fd) {
  return guarded([&]() -> joey_status {
    if (out_fd != nullptr) *out_fd = -1;
    if (engine == nullptr || out_fd == nullptr) return invalid("engine or out_fd is NULL");
    if (engine->host->owns_thread()) return invalid("the engine owns its loop: create it with JOEY_LOOP_HOST");
    *out_fd = engine->host->loop().poll_fd();
    return JOEY_OK;
  });
}

joey_status joey_engine_poll_timeout(const joey_engine* engine, int32_t* out_timeout_ms) {
  return guarded([&]() -> joey_status {
    if (out_timeout_ms != nullptr) *out_timeout_ms = -1;
    if (engine == nullptr || out_timeout_ms == nullptr) return invalid("engine or out_timeout_ms is NULL");
    if (engine->host->owns_thread()) return invalid("the engine owns its loop: create it with JOEY_LOOP_HOST");
    *out_timeout_ms = engine->host->loop().poll_timeout_ms();
    return JOEY_OK;
  });
}

joey_status joey_engine_step(joey_engine* engine, int32_t timeout_ms) {
  return guarded([&]() -> joey_status {
    if (engine == nullptr) return invalid("engine is NULL");
    if (engine->host->owns_thread()) return invalid("the engine owns its loop: create it with JOEY_LOOP_HOST");
    const Status stepped = engine->host->step(timeout_ms);
    return stepped ? JOEY_OK : fail(stepped.error());
  });
}

joey_status joey_engine_list_tasks(joey_engine* engine, const char* parent, size_t parent_size, const char* cursor,
                                   size_t cursor_size, uint32_t tasks_max, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (engine == nullptr || out_json == nullptr) return invalid("engine or out_json is NULL");
    if (tasks_max > list_tasks_max) return invalid("tasks_max is above 1,000");
    ListQuery query{std::string(view(parent, parent_size)), std::string(view(cursor, cursor_size)),
                    tasks_max == 0 ? 100 : tasks_max};
    auto page = engine->host->wait<ListPage>([query = std::move(query)](Engine& e, Completion<ListPage> done) {
      e.store().list(query, std::move(done));
    });
    if (!page) return fail(page.error());
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("tasks").begin_array();
    for (const TaskSummary& task : page->tasks) json.raw(summary_json(task));
    json.end_array().field("next", page->next).end_object();
    *out_json = make_text(std::move(out));
    return JOEY_OK;
  });
}

joey_status joey_engine_get_task(joey_engine* engine, const char* task, size_t task_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (engine == nullptr || out_json == nullptr) return invalid("engine or out_json is NULL");
    auto summary = engine->host->wait<TaskSummary>(
        [id = std::string(view(task, task_size))](Engine& e, Completion<TaskSummary> done) {
          e.store().get_summary(id, std::move(done));
        });
    if (!summary) return fail(summary.error());
    *out_json = make_text(summary_json(*summary));
    return JOEY_OK;
  });
}

joey_status joey_engine_read_events(joey_engine* engine, const char* task, size_t task_size, uint64_t from_seq,
                                    uint32_t events_max, joey_text** out_lines) {
  return guarded([&]() -> joey_status {
    clear(out_lines);
    if (engine == nullptr || out_lines == nullptr) return invalid("engine or out_lines is NULL");
    ReadQuery query;
    query.stream = view(task, task_size);
    query.from = from_seq == 0 ? 1 : from_seq;
    if (events_max > 0) query.entries_max = events_max;
    using Entries = std::vector<StoredEntry>;
    const auto read = [&](const ReadQuery& q) {
      return engine->host->wait<Entries>([q](Engine& e, Completion<Entries> done) { e.store().read(q, std::move(done)); });
    };
    auto entries = read(query);
    if (!entries) return fail(entries.error());
    if (entries->empty()) {  // past the end, or no such task
      ReadQuery first{query.stream, 1, 1, 1};
      auto any = query.from == 1 ? std::move(entries) : read(first);
      if (!any) return fail(any.error());
      if (any->empty()) {
        return fail(JOEY_ERR_NOT_FOUND, fmt::format("there is no task \"{}\" in this store", query.stream));
      }
      *out_lines = make_text({});
      return JOEY_OK;
    }
    std::string lines;
    for (const StoredEntry& entry : *entries) lines.append(*entry.bytes).append("\n");
    *out_lines = make_text(std::move(lines));
    return JOEY_OK;
  });
}

joey_status joey_engine_replay(joey_engine* engine, const char* task, size_t task_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (engine == nullptr || out_json == nullptr) return invalid("engine or out_json is NULL");
    const std::string id(view(task, task_size));
    auto report = engine->host->wait<ReplayReport>(
        [id](Engine& e, Completion<ReplayReport> done) { e.replay(id, std::move(done)); });
    if (!report) return fail(report.error());
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("task", id).field("requests", report->requests);
    json.field("matched", report->requests - static_cast<std::int64_t>(report->mismatches.size()));
    json.key("mismatched").begin_array();
    for (const ReplayMismatch& m : report->mismatches) {
      json.begin_object().field("seq", m.seq).field("turn", m.turn).field("attempt", m.attempt);
      json.field("expected", m.expected).field("actual", m.actual).end_object();
    }
    json.end_array().end_object();
    *out_json = make_text(std::move(out));
    return JOEY_OK;
  });
}

joey_status joey_engine_bill(joey_engine* engine, const char* task, size_t task_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (engine == nullptr || out_json == nullptr) return invalid("engine or out_json is NULL");
    const std::string id(view(task, task_size));
    auto ledger = engine->host->wait<Ledger>([id](Engine& e, Completion<Ledger> done) { e.bill(id, std::move(done)); });
    if (!ledger) return fail(ledger.error());
    *out_json = make_text(to_json(id, *ledger));
    return JOEY_OK;
  });
}

joey_status joey_engine_audit(joey_engine* engine, const char* task, size_t task_size, joey_audit** out_audit) {
  return guarded([&]() -> joey_status {
    clear(out_audit);
    if (engine == nullptr || out_audit == nullptr) return invalid("engine or out_audit is NULL");
    *out_audit = new joey_audit{AuditExport(engine->host, std::string(view(task, task_size)))};
    return JOEY_OK;
  });
}

void joey_audit_destroy(joey_audit* audit) {
  quietly([&] { delete audit; });
}

joey_status joey_audit_next(joey_audit* audit, joey_text** out_lines) {
  return guarded([&]() -> joey_status {
    clear(out_lines);
    if (audit == nullptr || out_lines == nullptr) return invalid("audit or out_lines is NULL");
    auto lines = audit->exported.next();
    if (!lines) return fail(lines.error());
    *out_lines = make_text(*std::move(lines));
    return JOEY_OK;
  });
}

joey_status joey_audit_verify(const char* lines, size_t lines_size, joey_text** out_json) {
  return guarded([&]() -> joey_status {
    clear(out_json);
    if (out_json == nullptr || (lines == nullptr && lines_size > 0)) return invalid("lines or out_json is NULL");
    const AuditCheck check = verify_audit(view_or_empty(lines, lines_size));
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("valid", check.problem.empty()).field("lines", check.lines).field("tasks", check.tasks);
    json.field("problem", to_utf8(check.problem)).end_object();
    *out_json = make_text(std::move(out));
    return JOEY_OK;
  });
}

joey_status joey_engine_add_provider(joey_engine* engine, const char* name, size_t name_size,
                                     const joey_provider_vtable* in, void* user_data) {
  return guarded([&]() -> joey_status {
    joey_provider_vtable vtable;
    const bool readable = read_struct(in, vtable);
    const auto user = std::make_shared<UserData>(user_data, vtable.destroy);
    if (engine == nullptr || in == nullptr) return invalid("engine or vtable is NULL");
    if (!readable || vtable.start == nullptr) return invalid("vtable: struct_size is wrong, or start is NULL");
    if (view(name, name_size).empty()) return invalid("a provider needs a name");
    const Status added = engine->host->add_provider(std::string(view(name, name_size)), make_host_model(vtable, user));
    return added ? JOEY_OK : fail(added.error());
  });
}

joey_status joey_engine_rewrap_store_keys(joey_engine* engine) {
  return guarded([&]() -> joey_status {
    if (engine == nullptr) return invalid("engine is NULL");
    const Status done = engine->host->wait<void>(
        [host = engine->host.get()](Engine&, Completion<void> then) { host->rewrap_store_keys(std::move(then)); });
    return done ? JOEY_OK : fail(done.error());
  });
}
