# The extension is built by PGXS, command line and unit tests by CMake; both from here.
#   make [PG_CONFIG=...] [FAULTS=1]    everything
#   make install                       extension and command line (asks for root where it must)
#   make check                         all suites on this server version (tests/check)
EXTENSION     = extension/zdm
EXTVERSION    = 0.1.0
MODULE_big    = zdm
OBJS          = $(patsubst %.cpp,%.o,$(sort $(wildcard extension/*.cpp extension/*/*.cpp)))
DATA          = $(wildcard extension/upgrade/*.sql)
DATA_built    = extension/zdm--$(EXTVERSION).sql
PG_CONFIG    ?= pg_config
PG_CPPFLAGS   = -Iextension -isystem $(shell $(PG_CONFIG) --includedir-server) -DZDM_VERSION='"$(EXTVERSION)"'
PG_CXXFLAGS   = -std=c++20 -Wall -Wextra -Wshadow -MMD -MP
# Fault points are in builds for tests only; they cost nothing elsewhere.
ifdef FAULTS
PG_CPPFLAGS  += -DZDM_FAULTS
endif
ifdef WERROR
PG_CXXFLAGS  += -Werror
endif
SHLIB_LINK    = -lstdc++
SHLIB_EXPORTS = extension/exports.txt
EXTRA_CLEAN   = $(OBJS:.o=.d) $(DATA_built)
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)
-include $(OBJS:.o=.d)

$(DATA_built): $(sort $(wildcard extension/install/*.sql))
	cat $^ > $@
