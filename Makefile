# The extension is built by PGXS, command line and unit tests by CMake; both from here.
#   make [PG_CONFIG=...] [FAULTS=1] [WERROR=1]    everything
#   make extension | make programs                one half of it
#   make install [PG_CONFIG=...]                  extension and command line, as root where it must be
#   make check [PG_CONFIG=...]                    all suites on this server version (tests/check)
#   make bench [QUICK=1]                          benchmarks, and their report in docs/benchmarks.md
EXTENSION     = extension/zdm
EXTVERSION    = 0.1.0

ifneq (,$(filter bench,$(MAKECMDGOALS)))
# Installs what is missing itself, the server's headers too: nothing below may want them before.
.PHONY: bench
bench:
	tests/bench/run $(if $(QUICK),--quick)
	tests/bench/report --write
else ifneq (,$(filter check,$(MAKECMDGOALS)))
# PGXS has a target of this name that says "not supported", so it stays out: what else was asked for
# runs first, in a make of its own.
others := $(sort $(filter-out check,$(MAKECMDGOALS)))
.PHONY: check $(others)
check: $(others)
	tests/check
$(others):
	$(MAKE) $@

else

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
EXTRA_CLEAN   = $(OBJS:.o=.d) $(DATA_built) build/programs build/flags
override with_llvm = no

.PHONY: all extension programs install-programs uninstall-programs
all: extension programs

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq (,$(wildcard $(PGXS)))
$(error $(PG_CONFIG) leads to no server headers: install postgresql-server-dev-NN, or name another with PG_CONFIG=...)
endif
include $(PGXS)
-include $(OBJS:.o=.d)

extension: zdm.so $(DATA_built)

$(DATA_built): $(sort $(wildcard extension/install/*.sql))
	cat $^ > $@

# Objects of another server version or with other switches must not be mixed with new ones.
flags := $(shell $(PG_CONFIG) --version) $(FAULTS) $(WERROR)
$(shell mkdir -p build && echo '$(flags)' | cmp -s - build/flags || echo '$(flags)' >build/flags)
$(OBJS): build/flags

# The compiler without ccache, which CMake takes apart from it.
programs:
	cmake -S . -B build/programs -G 'Unix Makefiles' -DCMAKE_CXX_COMPILER='$(filter-out ccache,$(CXX))' \
	  -DCMAKE_CXX_COMPILER_LAUNCHER='$(filter ccache,$(CXX))' \
	  -DCMAKE_COMPILE_WARNING_AS_ERROR=$(if $(WERROR),ON,OFF) $(if $(findstring s,$(firstword -$(MAKEFLAGS))),>/dev/null)
	$(MAKE) --no-print-directory -C build/programs

# Said before anything is built, not after.
ifneq (,$(filter install install-programs uninstall,$(MAKECMDGOALS)))
ifndef DESTDIR
closed := $(strip $(foreach place,$(pkglibdir) $(datadir)/extension $(bindir),$(shell test -w '$(place)' || echo '$(place)')))
ifneq (,$(closed))
$(error you may not write to $(closed): run this as root, e.g. sudo make $(MAKECMDGOALS) PG_CONFIG=$(PG_CONFIG))
endif
endif
endif

install: install-programs
install-programs: programs
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) build/programs/zdm '$(DESTDIR)$(bindir)/zdm'

uninstall: uninstall-programs
uninstall-programs:
	rm -f '$(DESTDIR)$(bindir)/zdm'

endif
