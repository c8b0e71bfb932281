// SQL of the migration's owner that says whether to wait. Runs as the owner, with nothing of the
// door's rights: restricted as the server restricts code of others, read only, for a second at
// most, in a subtransaction that is always rolled back.
#include <set>
#include <string>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pressure/answer.hpp"
#include "pressure/owner_sql.hpp"
#include "pressure/signals.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "parser/parser.h"
#include "utils/timeout.h"
}

namespace zdm::pressure {

namespace {

constexpr int kMostMs = 1000;

// The server's own timer for statements, which nobody else starts in a worker. In a session where
// the user has a statement_timeout, that one counts.
class Deadline {
public:
    Deadline() : ours_(!get_timeout_active(STATEMENT_TIMEOUT)), began_(GetCurrentTimestamp()) {
        if (ours_) enable_timeout_after(STATEMENT_TIMEOUT, kMostMs);
    }
    ~Deadline() {
        if (!ours_) return;
        disable_timeout(STATEMENT_TIMEOUT, true);
        // It came when the work was done: nobody is to take it for a wish of a person's.
        if (get_timeout_indicator(STATEMENT_TIMEOUT, true)) QueryCancelPending = false;
    }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    bool is_over() const {
        return ours_ && TimestampDifferenceExceeds(began_, GetCurrentTimestamp(), kMostMs);
    }

private:
    bool ours_;
    TimestampTz began_;
};

class Settings {
public:
    explicit Settings(const Subject& subject) : subject_(subject) { subject.enter(); }
    ~Settings() { subject_.leave(); }
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;

private:
    const Subject& subject_;
};

Answer::Kind kind_of(Oid type) {
    if (type == BOOLOID) return Answer::Kind::boolean;
    char category = 0;
    bool preferred = false;
    get_type_category_preferred(type, &category, &preferred);
    return category == TYPCATEGORY_STRING || type == UNKNOWNOID ? Answer::Kind::text
                                                                : Answer::Kind::other;
}

Answer ask(const std::string& sql) {
    struct Raw {
        Answer::Kind kind = Answer::Kind::nothing;
        const char* text = "";
    } raw;
    pg::call([&] {
        SPI_connect();
        const int code = SPI_execute(sql.c_str(), true, 1);
        if (code != SPI_OK_SELECT) elog(ERROR, "pressure_query must be one SELECT");
        if (SPI_processed == 0) return;
        char* text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
        if (text == nullptr) return;
        raw.kind = kind_of(SPI_gettypeid(SPI_tuptable->tupdesc, 1));
        raw.text = text;
    });
    Answer answer{raw.kind, raw.text};
    pg::call([] { SPI_finish(); });
    return answer;
}

void set_until_its_end(const char* name, const char* value) {
    pg::call([&] {
        set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                          false);
    });
}

// Advisory locks of users that this session holds, each as the call that releases it.
std::set<std::string> session_locks() {
    const pg::Door door;
    std::set<std::string> calls;
    for (const auto& row :
         pg::query("SELECT CASE mode WHEN 'ShareLock' THEN 'pg_catalog.pg_advisory_unlock_shared('"
                   "                 ELSE 'pg_catalog.pg_advisory_unlock(' END"
                   "       || CASE objsubid"
                   "          WHEN 1 THEN ((classid::bigint << 32) | objid::bigint)::text"
                   "          ELSE classid::bigint::bit(32)::int || ', ' || "
                   "objid::bigint::bit(32)::int END || ')'"
                   "  FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                   "   AND granted AND objsubid IN (1, 2)")
             .rows)
        calls.insert(row.text(0));
    return calls;
}

// Rolling back does not release them. True when there were any.
bool release_all_but(const std::set<std::string>& kept) {
    bool any = false;
    for (const auto& call : session_locks()) {
        if (kept.contains(call)) continue;
        any = true;
        // As often as it was taken.
        while (session_locks().contains(call)) pg::query(("SELECT " + call).c_str());
    }
    return any;
}

Answer ask_as_owner(const std::string& sql, const Subject& subject) {
    const Oid owner = subject.owner == 0 ? GetUserId() : subject.owner;
    pg::Subtransaction scope;
    const Settings settings{subject};
    set_until_its_end("transaction_read_only", "on");
    // As in a session of his: workers raise an error where a policy would hide rows from them.
    set_until_its_end("row_security", "on");
    const std::set<std::string> before = session_locks();
    const Deadline deadline;
    try {
        Answer answer;
        {
            const pg::AsUser user{owner,
                                  SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION};
            answer = ask(sql);
        }
        scope.rollback();
        if (release_all_but(before))
            throw Blind{
                "it takes an advisory lock for the session; pg_try_advisory_xact_lock "
                "gives it back"};
        return answer;
    } catch (const pg::Error& error) {
        if (error.sqlstate != pg::state::kQueryCanceled || !deadline.is_over()) throw;
        throw Blind{"it took longer than a second"};
    }
}

class PressureQuery : public Signal {
public:
    const char* name() const override { return "pressure_query"; }
    const char* unit() const override { return ""; }
    bool is_on(const Limits& limits) const override { return !limits.query.empty(); }
    const char* remedy() const override { return "mend pressure_query, or set it to nothing"; }
    std::int64_t fresh_ms() const override { return 1000; }
    Reading read(const Look& look) override {
        if (look.limits.query.empty()) return {};
        return judge_answer(ask_as_owner(look.limits.query, look.subject));
    }
};

}  // namespace

std::string wrong_with_query(const std::string& sql) {
    try {
        const bool one_select = pg::call([&] {
            List* parsed = raw_parser(sql.c_str(), RAW_PARSE_DEFAULT);
            if (list_length(parsed) != 1) return false;
            const Node* statement = linitial_node(RawStmt, parsed)->stmt;
            if (!IsA(statement, SelectStmt)) return false;
            const auto* select = reinterpret_cast<const SelectStmt*>(statement);
            return select->intoClause == nullptr && select->lockingClause == NIL;
        });
        return one_select ? "" : "it is not one SELECT";
    } catch (const pg::Error& error) {
        // Nothing but a parser ran.
        return error.what();
    }
}

SignalPtr make_pressure_query() { return std::make_unique<PressureQuery>(); }

}  // namespace zdm::pressure
