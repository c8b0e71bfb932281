// Points at which a test can stop or kill this process. Compiled in with -DZDM_FAULTS only.
// A test holds an advisory lock: pg_advisory_lock(1514425, hashtext('NAME')) makes the process wait
// there (shown as application_name 'zdm fault NAME'), pg_advisory_lock(1514426, hashtext('NAME'))
// makes it kill itself with SIGKILL. NAME alone is every visit, NAME#2 this process's second.
#pragma once

#include <string>

namespace zdm::pg {
void fault_point(const std::string& name);
}

#ifdef ZDM_FAULTS
#define ZDM_FAULT(name) ::zdm::pg::fault_point(name)
#else
#define ZDM_FAULT(name) static_cast<void>(0)
#endif
