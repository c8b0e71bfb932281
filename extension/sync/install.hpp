// Making and removing a relation's sync trigger, and reading its evidence. For the worker, in its
// transaction, as the owner of the migration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace zdm::sync {

// Sorts after the other BEFORE triggers, so that it sees what they changed.
inline constexpr const char* kTriggerName = "zz_zdm_sync";

// Runs `command`, a CREATE TRIGGER zz_zdm_sync on `relation`, makes it fire always, checks its
// rules, records what they depend on, and makes the sequences for its evidence. Throws the error
// that an application's write would otherwise meet.
void install(std::uint32_t relation, const std::string& command);

// The same with the text of such a command behind the name of the relation.
void install_behind(std::uint32_t relation, const std::string& tail);

// Runs `command`, a DROP TRIGGER, unless somebody dropped it already, and drops the evidence with
// it.
void remove(std::uint32_t relation, const std::string& command);

// The same without a command, of a relation that may be gone.
void remove(std::uint32_t relation);

// Gives the trigger of a relation that came with a restored dump, where it had the number `before`,
// evidence of its own and the dependencies that no dump has. Nothing happens when it has none.
void adopt(std::uint32_t before, std::uint32_t relation);

// Drops the evidence of a relation; nothing happens when there is none.
void forget(std::uint32_t relation);

// Whether the evidence of `relation` is there to be read: of writers that don't know the columns
// being filled and of those that write them.
bool has_evidence(std::uint32_t relation);
bool has_written_evidence(std::uint32_t relation);

// When the trigger of `relation` last had to act for an application that doesn't know the columns
// being filled, in seconds since 1970; nullopt: never, or nobody watches.
std::optional<std::int64_t> last_acted(std::uint32_t relation);

// When an application last wrote one of these columns itself; the same.
std::optional<std::int64_t> last_wrote(std::uint32_t relation);

// How many rows of `relation` were written with an old and a new column that are not the same,
// since the trigger is there; nullopt: nobody counts. Later writes may have made them equal again.
std::optional<std::int64_t> differences(std::uint32_t relation);

}  // namespace zdm::sync
