// What the server calls when it loads the library.
#include "pg/bridge.hpp"
#include "settings.hpp"

#include "pg/postgres.hpp"

extern "C" {
PG_MODULE_MAGIC;
void _PG_init(void);
}

// Loaded into every backend that fires a sync trigger: settings only, no hooks.
void _PG_init(void) { zdm::define_settings(); }

ZDM_FUNCTION(zdm_version) { return CStringGetTextDatum(ZDM_VERSION); }
