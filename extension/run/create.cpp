// Making and starting migrations.
#include "pg/arguments.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "plan/planner.hpp"
#include "run/control.hpp"
#include "run/gate.hpp"
#include "run/launch.hpp"
#include "run/limits.hpp"
#include "run/session.hpp"
#include "settings.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "common/hashfn.h"
}

namespace zdm::run {

using catalog::Migration;
using catalog::State;
using catalog::Upto;

namespace {

// The same file has the same checksum whatever its line ends are.
std::string with_unix_line_ends(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') result += text[i];
    return result;
}

std::string checksum_of(const std::string& text) {
    return pg::query("SELECT pg_catalog.md5($1)", {text}).front().text(0);
}

void check_name(const std::string& name) {
    if (name.empty() || name.size() > 200)
        throw pg::Error{pg::state::kInvalidParameter, "ZD601: bad name for a migration",
                        "A name has 1 to 200 bytes.", "Use the name of its file without .sql."};
}

struct Roles {
    std::uint32_t owner;
    std::uint32_t login;
};

bool can_log_in(Oid role) {
    const pg::Door door;
    return pg::query("SELECT r.rolcanlogin FROM pg_roles r WHERE r.oid = $1::oid",
                     {static_cast<std::int64_t>(role)})
        .front()
        .flag(0);
}

// Whose migration it is, and as whom its worker logs in: the owner, or, where that role can't log
// in, the session's user, who then sets the role. Never as a superuser who then sets a lesser role:
// code of that role could take the superuser back.
Roles roles_of_caller() {
    const Oid owner = GetUserId();
    if (pg::compat::kCanBypassRoleLogin || can_log_in(owner)) return {owner, owner};
    const Oid session = GetSessionUserId();
    const bool fit = can_log_in(session) && !pg::call([&] { return superuser_arg(session); }) &&
                     pg::call([&] { return is_member_of_role(session, owner); });
    if (fit) return {owner, session};
    const char* name = pg::call([&] { return GetUserNameFromId(owner, false); });
    throw pg::Error{
        pg::state::kInsufficientPrivilege,
        std::string{"ZD502: role "} + name + " cannot log in, so no worker can run as it",
        "Workers connect as the migration's owner, or as a session user who is no superuser "
        "and a member of that role.",
        std::string{"ALTER ROLE "} + name +
            " LOGIN, or call zdm as a login role that is a member of it after SET ROLE."};
}

catalog::NewMigration new_migration(const std::string& name, const std::string& sql) {
    const Roles roles = roles_of_caller();
    catalog::NewMigration m;
    m.name = name;
    m.sql = sql;
    m.checksum = checksum_of(with_unix_line_ends(sql));
    m.owner = roles.owner;
    m.login = roles.login;
    m.settings = meaning_settings();
    return m;
}

plan::Plan plan_now(const std::string& sql) {
    return plan::make_plan(sql, {settings::small_table_bytes()});
}

// The owner of the migration plans it again, under the settings of its creation.
plan::Plan plan_as_owner(const Migration& m) {
    const pg::AsUser owner{m.owner, SECURITY_LOCAL_USERID_CHANGE};
    const LocalUserSettings meaning{m.settings};
    return plan_now(m.sql);
}

// One zdm_create at a time may make a migration of this name: whoever comes second waits and then
// finds it. Without that it would plan against what the first one has long built, and be refused
// for it. Held until the caller's transaction ends, as the new row of the name is.
void claim_name(const std::string& name) {
    constexpr uint16 kSpace = 0x5A46;
    const uint64 hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(name.data()),
                                            static_cast<int>(name.size()), 0);
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(hash >> 32),
                         static_cast<uint32>(hash), kSpace);
    pg::call([&] { LockAcquire(&tag, ExclusiveLock, false, false); });
}

// One zdm_start at a time may claim a relation; held until the caller's transaction ends.
void claim_relations(const plan::Plan& plan) {
    constexpr uint16 kSpace = 0x5A45;
    for (const auto relation : plan.relations) {
        LOCKTAG tag;
        SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, relation, kSpace);
        const bool ours = pg::call(
            [&] { return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL; });
        if (!ours)
            throw pg::Error{pg::state::kObjectInUse,
                            "ZD305: another zdm_start for the same table is under way",
                            "Its transaction has not ended yet.", "Try again in a moment."};
    }
}

void refuse_overlap(const Migration& m, const plan::Plan& plan) {
    const auto others = catalog::live_owners(plan.relations, m.id);
    if (others.empty()) return;
    throw pg::Error{
        pg::state::kObjectInUse,
        "ZD305: migration \"" + others.front() + "\" is live on the same tables",
        "A live migration owns all relations in its plan, referenced tables too.",
        "Let it end, or roll it back: zdm_rollback(" + pg::quote_literal(others.front()) + ")."};
}

// The stored preview as a plan, to compare.
plan::Plan preview_of(std::int64_t id) {
    plan::Plan plan;
    for (const auto& stored : catalog::load_steps(id)) plan.steps.push_back(stored.step);
    return plan;
}

void begin(const Migration& m, Upto upto) {
    const plan::Plan plan = plan_as_owner(m);
    claim_relations(plan);
    refuse_overlap(m, plan);
    if (plan::summary(preview_of(m.id)) != plan::summary(plan)) {
        pg::notice(
            "the plan of migration \"" + m.name + "\" differs from the one made by zdm_create",
            "The database changed in between; zdm.steps has the plan that runs now.");
        catalog::add_event(m.id, "replanned", std::nullopt,
                           "the plan differs from the one made by zdm_create");
    }
    catalog::save_plan(m.id, plan);
    catalog::set_started(m.id, upto);
    if (upto == Upto::done) remember_caller(m.id);
    catalog::add_event(m.id, "state", std::nullopt,
                       std::string{catalog::to_text(m.state)} + " -> expanding");
    launch_at_commit(m);
}

// Of a relation: the quoted, qualified name, and the plain one.
pg::Result name_of(std::uint32_t relation) {
    const pg::PinnedPath pinned;
    return pg::query(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relname"
        "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid",
        {static_cast<std::int64_t>(relation)});
}

}  // namespace

std::int64_t create(const std::string& name, const std::string& sql) {
    require_writable();
    check_name(name);
    const catalog::NewMigration wanted = new_migration(name, sql);
    auto known = catalog::lock_migration(name);
    if (!known) {
        claim_name(name);
        known = catalog::lock_migration(name);
    }
    if (known) {
        const Migration& m = *known;
        if (!pg::call([&] { return has_privs_of_role(GetUserId(), m.owner); }))
            throw pg::Error{pg::state::kDuplicateObject,
                            "ZD302: the name \"" + name + "\" is taken",
                            "A migration of another role has it.", "Choose another name."};
        if (m.checksum == wanted.checksum) return m.id;
        if (m.state != State::rolled_back)
            throw pg::Error{
                pg::state::kDuplicateObject,
                "ZD302: migration \"" + name + "\" exists with other SQL",
                "It is in state " + std::string{catalog::to_text(m.state)} + ".",
                "Write what you changed as a new migration under another name" +
                    std::string{m.state == State::done ? "." : ", or roll this one back first."}};
        const plan::Plan plan = plan_now(sql);
        catalog::replace_sql(m.id, wanted);
        catalog::save_plan(m.id, plan);
        catalog::add_event(m.id, "created", std::nullopt, "created again with other SQL");
        return m.id;
    }
    const plan::Plan plan = plan_now(sql);
    const auto id = catalog::insert_migration(wanted);
    if (!id) return create(name, sql);  // somebody else was faster: now it exists
    catalog::save_plan(*id, plan);
    catalog::add_event(*id, "created", std::nullopt,
                       std::to_string(plan.steps.size()) + " steps planned");
    for (const auto& note : plan.notes) catalog::add_event(*id, "note", std::nullopt, note);
    return *id;
}

void start(const std::string& name, const std::string& upto_text) {
    const auto upto = catalog::upto_from(upto_text);
    if (!upto)
        throw pg::Error{pg::state::kInvalidParameter,
                        "ZD601: \"" + upto_text + "\" is no state to stop at",
                        {},
                        "upto is expanded, ready, switched or done."};
    const Migration m = visible_migration(name, true);
    switch (m.state) {
    case State::planned:
    case State::rolled_back: return begin(m, *upto);
    case State::failed:
        throw pg::Error{pg::state::kNotInPrerequisiteState,
                        "ZD303: cannot start migration \"" + name + "\", it failed",
                        "See zdm.migrations for its error.",
                        "Remove the cause and call zdm_resume(" + pg::quote_literal(name) +
                            "), or zdm_rollback(" + pg::quote_literal(name) + ")."};
    case State::rolling_back:
        throw pg::Error{pg::state::kNotInPrerequisiteState,
                        "ZD303: cannot start migration \"" + name + "\", it is being rolled back",
                        {},
                        "Wait until it is rolled back, then start it again."};
    case State::done: pg::notice("migration \"" + name + "\" is done"); return;
    case State::expanding:
    case State::expanded:
    case State::migrating:
    case State::ready:
    case State::switching:
    case State::switched:
    case State::contracting: break;
    }
    if (static_cast<int>(*upto) > static_cast<int>(m.upto)) catalog::set_upto(m.id, *upto);
    if (*upto == Upto::done) remember_caller(m.id);
    if (m.paused)
        pg::notice("migration \"" + name + "\" is paused",
                   "It goes on after zdm_resume(" + pg::quote_literal(name) + ").");
    else
        ping(name);
}

std::int64_t backfill_table(std::uint32_t relation, const std::string& set_clause,
                            const std::optional<std::string>& where_clause,
                            const std::optional<std::string>& name,
                            const std::map<std::string, std::string>& options) {
    require_writable();
    for (const auto& [option, value] : options) require_option(option, value);
    const plan::Plan plan = plan::make_backfill_plan(relation, set_clause, where_clause);
    const auto named = name_of(relation);
    // A comment at the end of either part must not reach further when this is read again.
    const std::string sql = "UPDATE " + named.front().text(0) + " SET " + set_clause +
                            (where_clause ? "\nWHERE (" + *where_clause + "\n);" : "\n;");
    catalog::NewMigration wanted = new_migration(name.value_or(""), sql);
    wanted.options = options;
    if (!name)
        wanted.name = "backfill_" + named.front().text(1) + "_" +
                      pg::query(
                          "SELECT pg_catalog.to_char(pg_catalog.clock_timestamp(),"
                          " 'YYYYMMDD_HH24MISS_US')")
                          .front()
                          .text(0);
    check_name(wanted.name);
    const auto id = catalog::insert_migration(wanted);
    if (!id)
        throw pg::Error{pg::state::kDuplicateObject,
                        "ZD302: migration \"" + wanted.name + "\" exists already",
                        {},
                        "Give this backfill another name."};
    const Migration m = *catalog::find_migration(*id);
    claim_relations(plan);
    refuse_overlap(m, plan);
    catalog::save_plan(*id, plan);
    catalog::set_started(*id, Upto::ready);
    catalog::add_event(*id, "state", std::nullopt, "planned -> expanding");
    launch_at_commit(m);
    return *id;
}

}  // namespace zdm::run
