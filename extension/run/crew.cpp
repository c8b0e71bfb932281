#include "run/crew.hpp"

#include <algorithm>

#include "pg/door.hpp"
#include "pg/transaction.hpp"
#include "run/runner.hpp"
#include "run/steps.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "storage/procarray.h"
}

namespace zdm::run {

namespace {

// Whoever ended early may end early again: no sooner than this is he replaced.
constexpr std::int64_t kReplaceMs = 10000;
// How long helpers may take to notice that they are told to stop, before they are made to.
constexpr std::int64_t kPatienceMs = 2000;

std::int64_t now_ms() {
    instr_time now;
    INSTR_TIME_SET_CURRENT(now);
    return static_cast<std::int64_t>(INSTR_TIME_GET_MICROSEC(now)) / 1000;
}

bool is_gone(BackgroundWorkerHandle* handle) {
    pid_t pid = 0;
    const BgwHandleStatus status = GetBackgroundWorkerPid(handle, &pid);
    return status == BGWH_STOPPED || status == BGWH_POSTMASTER_DIED;
}

// In the helper: what its leader sees and says, it neither sees nor says again.
class HelperContext : public Context {
public:
    HelperContext(catalog::Migration& migration, std::uint32_t relation, const HelperOrder& order)
        : Context(migration, false, relation), order_(order) {}

    bool should_stop() override {
        return BackendPidGetProc(order_.leader) == nullptr || Context::should_stop() ||
               order_.number >= options().workers;
    }
    void sleep(std::chrono::milliseconds time, const std::string&) override {
        Context::sleep(time, {});
    }
    void show_throttle(const std::optional<std::string>&) override {}
    // Whoever runs the migration is somebody else.
    bool keeps_claim() override { return true; }

private:
    HelperOrder order_;
};

}  // namespace

Crew::Crew(Context& context, int step) : context_(context), step_(step) { context_.set_crew(this); }

Crew::~Crew() {
    context_.set_crew(nullptr);
    HOLD_INTERRUPTS();
    const std::int64_t patience = now_ms() + kPatienceMs;
    while (at_work() > 0) {
        if (now_ms() > patience)
            for (const auto& member : members_)
                if (member.handle != nullptr) TerminateBackgroundWorker(member.handle);
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20,
                  pg::compat::wait_event());
        ResetLatch(MyLatch);
    }
    RESUME_INTERRUPTS();
}

bool Crew::start(Member& member, int number) const {
    const std::int64_t migration = context_.migration().id;
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_notify_pid = MyProcPid;
    strlcpy(worker.bgw_library_name, "zdm", sizeof(worker.bgw_library_name));
    strlcpy(worker.bgw_function_name, "zdm_helper_main", sizeof(worker.bgw_function_name));
    strlcpy(worker.bgw_type, "zdm", sizeof(worker.bgw_type));
    pg_snprintf(worker.bgw_name, sizeof(worker.bgw_name), "zdm migration %lld, helper %d",
                static_cast<long long>(migration), number);
    worker.bgw_main_arg = Int64GetDatum(migration);
    const HelperOrder order{MyDatabaseId, context_.migration().login, step_, number, MyProcPid};
    static_assert(sizeof(order) <= BGW_EXTRALEN);
    memcpy(worker.bgw_extra, &order, sizeof(order));
    member.started_ms = now_ms();
    return pg::call([&] {
        MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
        const bool registered = RegisterDynamicBackgroundWorker(&worker, &member.handle);
        MemoryContextSwitchTo(before);
        return registered;
    });
}

int Crew::at_work() {
    for (auto& member : members_) {
        if (member.handle == nullptr || !is_gone(member.handle)) continue;
        pfree(member.handle);
        member.handle = nullptr;
    }
    return static_cast<int>(std::count_if(members_.begin(), members_.end(),
                                          [](const Member& m) { return m.handle != nullptr; }));
}

void Crew::keep(int wanted) {
    if (wanted <= 0 || at_work() >= wanted) return;
    if (members_.size() < static_cast<std::size_t>(wanted))
        members_.resize(static_cast<std::size_t>(wanted));
    for (int i = 0; i < wanted; ++i) {
        Member& member = members_[static_cast<std::size_t>(i)];
        if (member.handle != nullptr) continue;
        if (member.started_ms != 0 && now_ms() - member.started_ms < kReplaceMs) continue;
        const bool started = start(member, i + 1);
        if (started == !full_) continue;
        full_ = !started;
        if (!full_) continue;
        pg::Transaction transaction;
        catalog::add_event(context_.migration().id, "workers", step_,
                           "no background worker slot is free for helper " + std::to_string(i + 1) +
                               ": it goes on with fewer (max_worker_processes)");
        transaction.commit();
    }
}

void help(std::int64_t id, const HelperOrder& order) {
    std::optional<catalog::Migration> migration;
    std::vector<catalog::StoredStep> steps;
    {
        pg::Transaction transaction;
        if (pg::extension_oid() != InvalidOid) migration = catalog::find_migration(id);
        if (migration && migration->same_database) steps = catalog::load_steps(id);
        transaction.commit();
    }
    const auto stored = std::find_if(steps.begin(), steps.end(), [&](const auto& step) {
        return step.number == order.step && step.state == catalog::StepState::running;
    });
    if (stored == steps.end()) return;
    try {
        become_owner(*migration);
        HelperContext context{*migration, stored->step.relation_oid, order};
        if (context.should_stop()) return;
        backfill::help_backfill(task_of(context, *stored), context);
    } catch (const pg::Error& error) {
        take_helpers_failure(*migration, *stored, error);
    }
}

}  // namespace zdm::run
