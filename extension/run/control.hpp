// What callers may ask of a migration. Each checks, writes what is wanted, and lets a worker begin
// when the caller's transaction commits; none of them waits.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "catalog/migration.hpp"
#include "plan/plan.hpp"

namespace zdm::run {

std::int64_t create(const std::string& name, const std::string& sql);
void start(const std::string& name, const std::string& upto);
void switch_over(const std::string& name);
// `accept_differences`: rows in which old and new columns differ stop it no more.
void contract(const std::string& name, bool force, const std::optional<std::string>& reason,
              bool accept_differences);
// The clean-up SQL when `keep`, otherwise empty.
std::string rollback(const std::string& name, bool keep);
void pause(const std::string& name, const std::optional<std::string>& reason);
void resume(const std::string& name);
void set_option(const std::string& name, const std::string& option,
                const std::optional<std::string>& value);
std::int64_t backfill_table(std::uint32_t relation, const std::string& set_clause,
                            const std::optional<std::string>& where_clause,
                            const std::optional<std::string>& name,
                            const std::map<std::string, std::string>& options);
// Starts the workers of the migration again where they should run and do not; true when it did.
bool ping(const std::string& name, bool silent = false);

// Throws ZD310 in a read-only transaction, and so on a standby.
void require_writable();

// The migration, for members of its owner's role only; ZD301 otherwise.
catalog::Migration visible_migration(const std::string& name, bool lock);

}  // namespace zdm::run
