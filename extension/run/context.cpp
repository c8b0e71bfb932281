#include "run/context.hpp"

#include <algorithm>

#include "backfill/hold.hpp"
#include "pg/transaction.hpp"
#include "run/crew.hpp"
#include "run/launch.hpp"
#include "run/limits.hpp"
#include "run/options.hpp"
#include "run/session.hpp"
#include "settings.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
}

namespace zdm::run {

namespace {

// How long a sleeping worker may take to notice a pause.
constexpr std::chrono::milliseconds kSlice{200};

void reload_if_asked() {
    if (!ConfigReloadPending) return;
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
}

std::chrono::microseconds steady() {
    instr_time now;
    INSTR_TIME_SET_CURRENT(now);
    return std::chrono::microseconds{static_cast<std::int64_t>(INSTR_TIME_GET_MICROSEC(now))};
}

void nap(std::chrono::milliseconds time) {
    pg::call([&] {
        pgstat_report_activity(STATE_IDLE, nullptr);
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                  static_cast<long>(time.count()), pg::compat::wait_event());
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        reload_if_asked();
    });
}

}  // namespace

bool Context::should_stop() {
    pg::check_for_interrupts();
    // Here too: whoever never sleeps would not hear of the kill switch.
    pg::call([] { reload_if_asked(); });
    // Short rests don't notice that the server was killed, and it can't start before we are gone.
    if (!PostmasterIsAlive()) proc_exit(1);
    if (!settings::enabled()) return true;
    pg::Transaction transaction;
    const bool stop = told_to_stop() || !keeps_claim();
    transaction.commit();
    // Who would start now would have to wait as well.
    if (crew_ != nullptr && !stop && !shown_) crew_->keep(std::min(options().workers - 1, shared_));
    return stop;
}

// A function of the user's may have released all locks of this session.
bool Context::keeps_claim() { return keep_claim(migration_.id); }

bool Context::told_to_stop() {
    const auto now = catalog::find_migration(migration_.id);
    if (!now) return true;
    migration_ = *now;
    return now->paused || (now->state == catalog::State::rolling_back) != undoing_ ||
           (now->state == catalog::State::failed);
}

void Context::stop_if_asked() {
    if (should_stop()) throw Stopped{};
}

backfill::Options Context::options() const {
    backfill::Options defaults;
    defaults.batch_target = settings::batch_target();
    defaults.standby_grace = settings::standby_grace();
    defaults.limits = default_limits();
    defaults.workers = settings::workers();
    return apply_options(migration_.options, defaults);
}

void Context::sleep(std::chrono::milliseconds time, const std::string& reason) {
    if (!reason.empty()) show_waiting(reason);
    backfill::move_horizon_on(options().standby_grace.count(), now_ms());
    const std::int64_t until = now_ms() + time.count();
    for (std::int64_t left = time.count(); left > 0; left = until - now_ms()) {
        nap(std::min(kSlice, std::chrono::milliseconds{left}));
        // Long sleeps notice a pause; short ones are followed by should_stop anyway.
        if (time > kSlice && should_stop()) return;
    }
}

void Context::rest(std::chrono::microseconds time) {
    pg::call([&] {
        pgstat_report_wait_start(pg::compat::wait_event());
        pg_usleep(static_cast<long>(time.count()));
        pgstat_report_wait_end();
        CHECK_FOR_INTERRUPTS();
    });
}

std::chrono::microseconds Context::now() const { return steady(); }

std::int64_t steady_ms() { return steady().count() / 1000; }

void Context::batch_begins(std::uint32_t leaf) {
    set_local_settings(migration_.settings);
    own_writes_.emplace(relation_, leaf);
}

void Context::share_work(int chunks) {
    shared_ = chunks;
    if (crew_ != nullptr) crew_->keep(std::min(options().workers - 1, shared_));
}

bool Context::gathered() { return crew_ == nullptr || crew_->at_work() == 0; }

void Context::batch_ends() noexcept { own_writes_.reset(); }

void Context::show_throttle(const std::optional<std::string>& reason) { show_waiting(reason); }

void Context::show_waiting(const std::optional<std::string>& reason) {
    if (reason == shown_) return;
    pg::Transaction transaction;
    catalog::set_waiting(migration_.id, reason);
    transaction.commit();
    shown_ = reason;
}

}  // namespace zdm::run
