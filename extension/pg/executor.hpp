// The door for those who read an expression, plan it and evaluate it on rows. Include it last, like
// pg/postgres.hpp.
#pragma once

#include "pg/postgres.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rewriteHandler.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/partcache.h"
#include "utils/plancache.h"
}
