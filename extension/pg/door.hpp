// The narrow door: zdm's state is read and written as the owner of the extension.
#pragma once

#include <string>

#include "pg/postgres.hpp"

namespace zdm::pg {

// The extension's OID, or InvalidOid when it is not installed in this database.
Oid extension_oid();

// While in scope the current user is the extension's owner and search_path is pinned. Only constant
// SQL on schema zdm and on system views may run inside. An abort restores both as well.
class Door {
public:
    Door();
    ~Door();
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

private:
    Oid user_;
    int context_;
    int nest_level_;
};

// While in scope the current user is another, who can't change that. `flags` are those of the
// security context: SECURITY_LOCAL_USERID_CHANGE, or SECURITY_RESTRICTED_OPERATION where code of
// his may run that must leave nothing behind (deferred triggers, cursors). An abort restores the
// user as well.
class AsUser {
public:
    AsUser(Oid user, int flags);
    ~AsUser();
    AsUser(const AsUser&) = delete;
    AsUser& operator=(const AsUser&) = delete;

private:
    Oid user_;
    int context_;
};

// While in scope the settings that decide what SQL text means are pinned: a session may have
// others. Throws what the server says about a search_path that it can't take.
class PinnedMeaning {
public:
    explicit PinnedMeaning(const std::string& search_path = "pg_catalog, pg_temp");
    ~PinnedMeaning();
    PinnedMeaning(const PinnedMeaning&) = delete;
    PinnedMeaning& operator=(const PinnedMeaning&) = delete;

private:
    int nest_level_;
};

// While in scope search_path is pinned to pg_catalog, pg_temp and the user stays.
class PinnedPath {
public:
    PinnedPath();
    ~PinnedPath();
    PinnedPath(const PinnedPath&) = delete;
    PinnedPath& operator=(const PinnedPath&) = delete;

private:
    int nest_level_;
};

}  // namespace zdm::pg
