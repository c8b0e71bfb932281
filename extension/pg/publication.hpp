// What logical replication asks of a table whose rows are changed.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::pg {

// Throws what the server raises for an UPDATE (or DELETE) of a table that is published without a
// replica identity that will do. The caller has it locked.
void check_replica_identity(std::uint32_t relation, bool deletes);

// The publications that publish such changes of it, quoted, with commas between them.
std::string publications_of(std::uint32_t relation, bool deletes);

}  // namespace zdm::pg
