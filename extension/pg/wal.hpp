// Files of WAL that are not needed yet.
#pragma once

namespace zdm::pg {

// Makes the next files of WAL where there are none, as a checkpoint makes one. The server keeps as
// many ready as WAL was written between recent checkpoints, and a backfill writes more: then
// whoever fills the last file makes the next one while every commit waits for it (XLogWrite holds
// WALWriteLock; 20 ms for 16 MB were measured). To be called with no transaction open. False:
// one could not be made, on a full disk say; it is left to the server then.
bool make_wal_ahead();

}  // namespace zdm::pg
