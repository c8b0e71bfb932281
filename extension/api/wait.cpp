// CALL zdm_wait: waits without a snapshot, so that it never holds back vacuum or an index build.
#include <algorithm>

#include "catalog/migration.hpp"
#include "pg/arguments.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "run/control.hpp"
#include "settings.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "storage/latch.h"
#include "utils/timestamp.h"
}

namespace {

using zdm::catalog::Migration;
using zdm::catalog::State;
using zdm::pg::Error;

// Whether the state asked for is reached or passed. `done` is the end of all. Where there is
// nothing to switch, ready is as far as a migration gets without contract.
bool reached(const Migration& m, State wanted) {
    if (wanted == State::switched && !m.switches) wanted = State::ready;
    if (m.state == wanted) return true;
    if (m.state == State::rolled_back || m.state == State::rolling_back || m.state == State::failed)
        return false;
    return static_cast<int>(m.state) > static_cast<int>(wanted);
}

[[noreturn]] void will_not_come(const Migration& m, const std::string& wanted) {
    const zdm::pg::PinnedPath pinned;
    const auto row = zdm::pg::query(
        "SELECT m.sqlstate, m.message, m.detail, m.hint FROM zdm.migrations m WHERE m.name = $1",
        {m.name});
    const auto& error = row.front();
    if (m.state == State::failed)
        throw Error{zdm::pg::state::kNotInPrerequisiteState,
                    "ZD307: migration \"" + m.name + "\" failed: " + error.text(1), error.text(2),
                    error.text(3)};
    throw Error{zdm::pg::state::kNotInPrerequisiteState,
                "ZD307: migration \"" + m.name + "\" was rolled back",
                "It will not reach state " + wanted + ".", "Start it again with zdm_start."};
}

// A worker needs a moment from its registration until it shows, and each try takes a slot.
class Caller {
public:
    void call(const std::string& name) {
        const TimestampTz now = GetCurrentTimestamp();
        if (called_ != 0 && !TimestampDifferenceExceeds(called_, now, 1000)) return;
        zdm::run::ping(name, called_ != 0);
        called_ = now;
    }

private:
    TimestampTz called_ = 0;
};

// One look in a transaction of its own, which also starts workers that were stopped.
bool look(const std::string& name, State wanted, const std::string& wanted_text, Caller& caller) {
    zdm::pg::call([] { PushActiveSnapshot(GetTransactionSnapshot()); });
    const Migration m = zdm::run::visible_migration(name, false);
    const bool over = m.state == State::rolled_back || m.state == State::failed;
    if (!reached(m, wanted) && over) will_not_come(m, wanted_text);
    if (!reached(m, wanted) && !m.same_database)
        throw Error{
            zdm::pg::state::kNotInPrerequisiteState,
            "ZD312: migration \"" + name + "\" is stopped in a copy of its database",
            "It never goes on by itself in a restored dump or a database made from another.",
            "zdm_resume(" + zdm::pg::quote_literal(name) + ") goes on here, zdm_rollback(" +
                zdm::pg::quote_literal(name) + ") takes it back."};
    if (!reached(m, wanted)) caller.call(name);
    zdm::pg::call([] { PopActiveSnapshot(); });
    return reached(m, wanted);
}

void commit() {
    zdm::pg::call([] { SPI_commit(); });
}

// A look costs milliseconds of a processor: who has waited for long looks less often.
void nap(double waited_ms, const std::optional<double>& timeout_ms) {
    const double most = timeout_ms ? std::clamp(*timeout_ms - waited_ms, 1.0, 1000.0) : 1000.0;
    const long time = static_cast<long>(std::min(std::clamp(waited_ms / 20, 100.0, 1000.0), most));
    zdm::pg::call([=] {
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, time,
                  zdm::pg::compat::wait_event());
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    });
}

// Milliseconds of an interval, nullopt for NULL.
std::optional<double> timeout_argument(FunctionCallInfo fcinfo) {
    if (PG_ARGISNULL(2)) return std::nullopt;
    const Interval* interval = PG_GETARG_INTERVAL_P(2);
    constexpr double kDay = 86400e3;
    return static_cast<double>(interval->time) / 1000 + interval->day * kDay +
           interval->month * 30 * kDay;
}

}  // namespace

ZDM_FUNCTION(zdm_wait) {
    const std::string name = zdm::pg::text_argument(fcinfo, 0, "name");
    const std::string wanted_text = zdm::pg::text_argument(fcinfo, 1, "state");
    const auto timeout = timeout_argument(fcinfo);
    const auto wanted = zdm::catalog::state_from(wanted_text);
    if (!wanted || *wanted == State::planned || *wanted == State::failed)
        throw Error{zdm::pg::state::kInvalidParameter,
                    "ZD601: \"" + wanted_text + "\" is no state to wait for",
                    {},
                    "Wait for expanded, ready, switched, done or rolled_back."};
    const auto* context = castNode(CallContext, fcinfo->context);
    if (context->atomic)
        throw Error{zdm::pg::sqlstate("25001"), "ZD309: zdm_wait cannot run inside a transaction",
                    "It would hold a transaction open for as long as it waits.",
                    "Commit first, or call it outside BEGIN ... COMMIT."};
    const TimestampTz begun = GetCurrentTimestamp();
    zdm::pg::call([] { SPI_connect_ext(SPI_OPT_NONATOMIC); });
    Caller caller;
    while (!look(name, *wanted, wanted_text, caller)) {
        commit();
        const double waited = static_cast<double>(GetCurrentTimestamp() - begun) / 1000;
        if (timeout && waited >= *timeout)
            throw Error{zdm::pg::state::kQueryCanceled,
                        "ZD306: migration \"" + name + "\" is not " + wanted_text + " yet",
                        zdm::settings::enabled()
                            ? "The time to wait is over; the server goes on with the migration."
                            : "The time to wait is over; nothing runs while zdm.enabled is off.",
                        "SELECT * FROM zdm.migrations shows what it waits for."};
        nap(waited, timeout);
    }
    commit();
    zdm::pg::call([] { SPI_finish(); });
    return Datum{0};
}
