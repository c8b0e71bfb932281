// Several columns that get other types in one migration: what hangs on two of them, and how tables
// and columns change hands together.
#include "plan/retype_together.hpp"
#include "retyped.hpp"

namespace zdm::plan {
namespace {

CopiedIndex index(const std::string& name, const std::string& tail = {}) {
    CopiedIndex made;
    made.name = name;
    made.schema = "public";
    made.tail = tail;
    return made;
}

CopiedIndex primary_key(const std::string& name, const std::string& tail) {
    CopiedIndex made = index(name, tail);
    made.unique = true;
    made.constraint = "PRIMARY KEY";
    return made;
}

CopiedConstraint constraint(std::size_t table, const std::string& name,
                            const std::string& definition) {
    CopiedConstraint made;
    made.table = table;
    made.name = name;
    made.definition = definition;
    return made;
}

CopiedConstraint foreign_key(std::size_t table, const std::string& name,
                             const std::string& definition, bool incoming) {
    CopiedConstraint made = constraint(table, name, definition);
    made.foreign_key = true;
    made.referenced = kUsers;
    made.incoming = incoming;
    return made;
}

std::vector<std::string> names(const RetypeColumn& retype) {
    std::vector<std::string> all;
    for (const auto& one : retype.copies.indexes) all.push_back(one.name);
    for (const auto& one : retype.copies.constraints) all.push_back(one.name);
    for (const auto& one : retype.copies.statistics) all.push_back(one.name);
    for (const auto& one : retype.copies.publications) all.push_back(one.name);
    return all;
}

TEST(RetypeTogether, OfWhatHangsOnBothTheLaterKeepsIt) {
    RetypeColumn a = retyped("a");
    RetypeColumn b = retyped("b");
    a.copies.indexes = {index("both"), primary_key("both_key", ""), index("mine")};
    a.primaries = {{1, "tail", {}, {}, {}}};
    a.copies.constraints = {constraint(kUsers, "both_ok", ""), constraint(kUsers, "a_ok", ""),
                            constraint(kOrders, "b_ok", "")};
    a.checks = {{0, "old both"}, {1, "old a"}};
    a.copies.statistics = {{"both_st", "public", "", "", {}}, {"a_st", "public", "", "", {}}};
    b.copies.indexes = {index("both", "of both"), primary_key("both_key", "")};
    b.primaries = {{1, "tail", {}, {}, {}}};
    b.copies.constraints = {constraint(kUsers, "both_ok", "of both"),
                            constraint(kUsers, "b_ok", "")};
    b.checks = {{0, "old both"}, {1, "old b"}};
    b.copies.statistics = {{"both_st", "public", "of both", "", {}}, {"a_st", "other", "", "", {}}};
    a.copies.publications = {{"both_sent", "", ""}, {"a_sent", "", ""}};
    b.copies.publications = {{"both_sent", "", ""}, {"b_sent", "", ""}};
    share({a, kUsers}, {b, kUsers});
    EXPECT_EQ(names(a), (Lines{"mine", "a_ok", "b_ok", "a_st", "a_sent"}));
    EXPECT_EQ(names(b), (Lines{"both", "both_key", "both_ok", "b_ok", "both_st", "a_st",
                               "both_sent", "b_sent"}));
    EXPECT_TRUE(a.primaries.empty());
    ASSERT_EQ(a.checks.size(), 1u);
    EXPECT_EQ(a.checks[0].copy, 0u);
    EXPECT_EQ(a.checks[0].definition, "old a");
    ASSERT_EQ(b.primaries.size(), 1u);
    EXPECT_EQ(b.checks.size(), 2u);
    EXPECT_TRUE(a.given_away.empty());
}

TEST(RetypeTogether, TheKeyOfOthersMovesUpWithItsIndex) {
    RetypeColumn a = retyped("a");
    RetypeColumn b = retyped("b");
    a.copies.indexes = {index("both"), primary_key("a_key", "")};
    a.primaries = {{1, "tail", {}, {}, {}}};
    b.copies.indexes = {index("both")};
    share({a, kUsers}, {b, kUsers});
    ASSERT_EQ(a.primaries.size(), 1u);
    EXPECT_EQ(a.primaries[0].index, 0u);
}

// It goes in the switch, as the key that it rests on does.
TEST(RetypeTogether, AForeignKeyWithinTheTableIsOneThatRefersToIt) {
    for (const bool referenced_first : {true, false}) {
        RetypeColumn id = retyped("id");
        RetypeColumn boss = retyped("boss");
        id.copies.constraints = {foreign_key(kUsers, "fk", "boss, zdm_id_new", true)};
        id.keys = {{0, "old"}};
        boss.copies.constraints = {constraint(kUsers, "boss_ok", ""),
                                   foreign_key(kUsers, "fk", "zdm_boss_new, id", false)};
        RetypeColumn& earlier = referenced_first ? id : boss;
        RetypeColumn& later = referenced_first ? boss : id;
        share({earlier, kUsers}, {later, kUsers});
        EXPECT_TRUE(earlier.keys.empty());
        ASSERT_EQ(later.keys.size(), 1u);
        EXPECT_EQ(later.keys[0].definition, "old");
        const CopiedConstraint& copy = later.copies.constraints[later.keys[0].copy];
        EXPECT_EQ(copy.name, "fk");
        EXPECT_TRUE(copy.incoming);
    }
}

TEST(RetypeTogether, TheTableThatIsReferredToKeepsAForeignKey) {
    RetypeColumn id = retyped("id");
    RetypeColumn buyer = retyped("buyer");
    id.copies.constraints = {foreign_key(kOrders, "fk", "buyer, zdm_id_new", true)};
    id.keys = {{0, "old"}};
    buyer.copies.constraints = {foreign_key(kOrders, "fk", "zdm_buyer_new, zdm_id_new", false)};
    share({id, kUsers}, {buyer, kOrders});
    EXPECT_EQ(id.copies.constraints.at(0).definition, "zdm_buyer_new, zdm_id_new");
    EXPECT_TRUE(id.copies.constraints.at(0).both);
    EXPECT_EQ(id.keys.size(), 1u);
    EXPECT_EQ(id.tied, (std::vector<std::size_t>{kOrders}));
    EXPECT_TRUE(buyer.copies.constraints.empty());
    EXPECT_EQ(buyer.given_away, (Lines{"fk"}));
    EXPECT_TRUE(buyer.tied.empty());
}

TEST(RetypeTogether, AlsoWhenItComesLater) {
    RetypeColumn id = retyped("id");
    RetypeColumn buyer = retyped("buyer");
    buyer.copies.constraints = {constraint(kOrders, "buyer_ok", ""),
                                foreign_key(kOrders, "fk", "zdm_buyer_new, id", false)};
    buyer.checks = {{0, "old"}};
    id.copies.constraints = {foreign_key(kOrders, "fk", "zdm_buyer_new, zdm_id_new", true)};
    id.keys = {{0, "old"}};
    share({buyer, kOrders}, {id, kUsers});
    EXPECT_TRUE(id.copies.constraints.at(0).both);
    EXPECT_EQ(names(buyer), (Lines{"buyer_ok"}));
    EXPECT_EQ(buyer.given_away, (Lines{"fk"}));
    EXPECT_EQ(id.tied, (std::vector<std::size_t>{kOrders}));
    EXPECT_EQ(id.copies.constraints.at(0).definition, "zdm_buyer_new, zdm_id_new");
}

// None of its columns may miss it in the switch.
TEST(RetypeTogether, AForeignKeyOfTwoColumnsIsGivenAwayByTheTable) {
    RetypeColumn id = retyped("id");
    RetypeColumn buyer = retyped("buyer");
    RetypeColumn shop = retyped("shop");
    const CopiedConstraint outgoing = foreign_key(kOrders, "fk", "", false);
    shop.copies.constraints = buyer.copies.constraints = {outgoing};
    id.copies.constraints = {foreign_key(kOrders, "fk", "", true)};
    id.keys = {{0, "old"}};
    share({shop, kOrders}, {buyer, kOrders});
    share({shop, kOrders}, {id, kUsers});
    share({buyer, kOrders}, {id, kUsers});
    const std::vector<Retyped> all = {{shop, kOrders}, {buyer, kOrders}, {id, kUsers}};
    EXPECT_EQ(given_away(all, kOrders), (Lines{"fk"}));
    EXPECT_TRUE(given_away(all, kUsers).empty());
    // Of the table that is referred to another column may keep it in the end.
    RetypeColumn other = retyped("other");
    other.copies.constraints = {foreign_key(kOrders, "fk", "", true)};
    other.keys = {{0, "old"}};
    share({id, kUsers}, {other, kUsers});
    EXPECT_TRUE(id.copies.constraints.empty());
    EXPECT_TRUE(other.copies.constraints.at(0).both);
}

const Step& turning(const Plan& plan, const char* relation) {
    for (const auto& step : plan.steps)
        if (step.phase == Phase::switch_ && step.kind == StepKind::sync &&
            step.relation == relation)
            return step;
    throw std::runtime_error("no switch");
}

std::string turn_back(const Step& step) {
    for (const auto& part : step.undo)
        if (part.kind == StepKind::sync) return part.parameters.at("turn");
    throw std::runtime_error("no way back");
}

TEST(RetypeTogether, ColumnsOfATableAreFilledComparedAndTurnedTogether) {
    const Plan plan = plan_of({act(kUsers, retyped("a")), act(kUsers, retyped("b"))});
    const Lines all = lines(plan);
    ASSERT_EQ(all.size(), 11u);
    EXPECT_EQ(all[1], "expand ddl: ALTER TABLE public.users ADD COLUMN zdm_b_new bigint;");
    EXPECT_EQ(all[2],
              "expand sync: CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.users FOR "
              "EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog, pg_temp', 'zdm_a_new', 'step', 'a', "
              "'', 'zdm_b_new', 'step', 'b', '')");
    EXPECT_EQ(all[3],
              "migrate backfill: UPDATE public.users SET zdm_a_new = a, zdm_b_new = b WHERE "
              "(zdm_a_new IS NULL AND (a IS NOT NULL)) OR (zdm_b_new IS NULL AND (b IS NOT NULL))");
    EXPECT_EQ(all[5], "migrate analyze: ANALYZE public.users (zdm_a_new, zdm_b_new)");
    EXPECT_EQ(all[6].find("switch verify: SELECT ctid, a, b, zdm_a_new, zdm_b_new FROM"), 0u);
    const Step& turn = turning(plan, "public.users");
    EXPECT_EQ(turn.parameters.at("turn"),
              "ALTER TABLE public.users RENAME COLUMN a TO zdm_a_old; ALTER TABLE public.users "
              "RENAME COLUMN zdm_a_new TO a; ALTER TABLE public.users RENAME COLUMN b TO "
              "zdm_b_old; ALTER TABLE public.users RENAME COLUMN zdm_b_new TO b;");
    EXPECT_EQ(turn.parameters.at("columns"), "zdm_a_old, zdm_b_old");
    EXPECT_EQ(turn_back(turn),
              "ALTER TABLE public.users RENAME COLUMN a TO zdm_a_new; ALTER TABLE public.users "
              "RENAME COLUMN zdm_a_old TO a; ALTER TABLE public.users RENAME COLUMN b TO "
              "zdm_b_new; ALTER TABLE public.users RENAME COLUMN zdm_b_old TO b;");
    EXPECT_NE(turn.note.find("compare a, b fail once"), std::string::npos);
    EXPECT_EQ(plan.steps.back().parameters.at("then"),
              "ALTER TABLE public.users DROP COLUMN zdm_a_old; ALTER TABLE public.users DROP "
              "COLUMN zdm_b_old;");
    EXPECT_EQ(plan.steps.back().parameters.count("children"), 0u);
}

// What one of them lets go must be gone before the other one's NOT NULL is.
TEST(RetypeTogether, OfAllColumnsWhatForbidsGoesFirst) {
    RetypeColumn a = retyped("a");
    RetypeColumn b = retyped("b");
    a.copies.not_null = b.copies.not_null = true;
    b.copies.indexes = {primary_key("pkey", "USING btree (zdm_a_new, zdm_b_new)")};
    b.primaries = {{0, "USING btree (a, b)", {}, {"a", "b"}, "PRIMARY KEY (a, b)"}};
    const Plan plan = plan_of({act(kUsers, a), act(kUsers, b)});
    const Step& turn = turning(plan, "public.users");
    EXPECT_EQ(
        turn.parameters.at("turn"),
        "ALTER TABLE public.users DROP CONSTRAINT pkey; ALTER TABLE public.users RENAME "
        "COLUMN a TO zdm_a_old; ALTER TABLE public.users RENAME COLUMN zdm_a_new TO a; ALTER "
        "TABLE public.users RENAME COLUMN b TO zdm_b_old; ALTER TABLE public.users RENAME "
        "COLUMN zdm_b_new TO b; ALTER TABLE public.users ADD CONSTRAINT pkey PRIMARY KEY USING "
        "INDEX zdm_pkey_copy; ALTER TABLE public.users ALTER COLUMN zdm_a_old DROP NOT NULL; "
        "ALTER TABLE public.users ALTER COLUMN zdm_b_old DROP NOT NULL;");
    EXPECT_EQ(turn_back(turn).substr(turn_back(turn).find("ALTER TABLE public.users ALTER")),
              "ALTER TABLE public.users ALTER COLUMN a SET NOT NULL; ALTER TABLE public.users DROP "
              "CONSTRAINT zdm_zdm_a_old_not_null; ALTER TABLE public.users ALTER COLUMN b SET NOT "
              "NULL; ALTER TABLE public.users DROP CONSTRAINT zdm_zdm_b_old_not_null; ALTER TABLE "
              "public.users ADD CONSTRAINT pkey PRIMARY KEY USING INDEX zdm_pkey_old;");
    // Both are proved before anything changes hands.
    ASSERT_EQ(turn.undo.size(), 7u);
    EXPECT_EQ(turn.undo[6].kind, StepKind::sync);
}

TEST(RetypeTogether, TheReplicaIdentityChangesBeforeAColumnOfItMayBeNull) {
    RetypeColumn a = retyped("a");
    RetypeColumn b = retyped("b");
    a.copies.not_null = b.copies.not_null = true;
    b.copies.indexes = {index("both", "")};
    b.copies.indexes[0].unique = b.copies.indexes[0].replica_identity = true;
    const Plan plan = plan_of({act(kUsers, a), act(kUsers, b)});
    const std::string turn = turning(plan, "public.users").parameters.at("turn");
    EXPECT_LT(turn.find("REPLICA IDENTITY USING INDEX zdm_both_copy"), turn.find("DROP NOT NULL"));
    const std::string back = turn_back(turning(plan, "public.users"));
    EXPECT_LT(back.find("b SET NOT NULL"), back.find("REPLICA IDENTITY USING INDEX both"));
}

TEST(RetypeTogether, AForeignKeyGoesBeforeTheKeyOfAnotherColumn) {
    RetypeColumn id = retyped("id");
    RetypeColumn boss = retyped("boss");
    id.copies.indexes = {primary_key("pkey", "USING btree (zdm_id_new)")};
    id.primaries = {{0, "USING btree (id)", {}, {"id"}, "PRIMARY KEY (id)"}};
    boss.copies.constraints = {foreign_key(kUsers, "fk", "", true)};
    boss.keys = {{0, "old"}};
    const Plan plan = plan_of({act(kUsers, id), act(kUsers, boss)});
    const std::string drop =
        "ALTER TABLE public.users DROP CONSTRAINT fk; ALTER TABLE public.users DROP CONSTRAINT "
        "pkey; ";
    const Step& turn = turning(plan, "public.users");
    EXPECT_EQ(turn.parameters.at("turn").find(drop), 0u);
    EXPECT_EQ(turn_back(turn).find(drop), 0u);
}

TEST(RetypeTogether, TheTableThatIsReferredToIsFirstWhateverTheFileSays) {
    RetypeColumn id = retyped("id");
    id.copies.constraints = {foreign_key(kOrders, "fk",
                                         "FOREIGN KEY (zdm_buyer_new) REFERENCES public.users "
                                         "(zdm_id_new)",
                                         true)};
    id.keys = {{0, "FOREIGN KEY (buyer) REFERENCES public.users (id)"}};
    id.tied = {kOrders};
    RetypeColumn buyer = retyped("buyer");
    buyer.given_away = {"fk"};
    const Plan plan = plan_of({act(kOrders, buyer), act(kUsers, id)});
    const Step& users = turning(plan, "public.users");
    const Step& orders = turning(plan, "public.orders");
    EXPECT_LT(&users, &orders);
    EXPECT_EQ(users.locks.size(), 2u);
    EXPECT_EQ(users.parameters.at("turn").find(
                  "ALTER TABLE public.orders DROP CONSTRAINT fk; ALTER TABLE public.users RENAME"),
              0u);
    EXPECT_EQ(orders.parameters.at("turn").find("fk"), std::string::npos);
    EXPECT_EQ(lines(plan).back(),
              "contract unsync: DROP TRIGGER zz_zdm_sync ON public.orders; ALTER TABLE "
              "public.orders DROP COLUMN zdm_buyer_old;");
}

// CASCADE and SET NULL reach the private column alone while the other table has changed already.
TEST(RetypeTogether, AForeignKeyThatWritesLeadsTheOldColumnToo) {
    RetypeColumn id = retyped("id");
    RetypeColumn buyer = retyped("buyer");
    CopiedConstraint key = foreign_key(kOrders, "fk", "", true);
    id.keys = {{0, "old"}};
    for (const bool writes : {false, true}) {
        for (const bool referenced_first : {false, true}) {
            key.writes = writes;
            key.incoming = true;
            id.copies.constraints = {key};
            key.incoming = false;
            buyer.copies.constraints = {key};
            buyer.led = false;
            const Retyped users{id, kUsers};
            const Retyped orders{buyer, kOrders};
            share(referenced_first ? users : orders, referenced_first ? orders : users);
            EXPECT_EQ(buyer.led, writes);
            EXPECT_FALSE(id.led);
        }
    }
    const Plan plan = plan_of({act(kOrders, buyer)});
    const std::string led =
        "'buyer', 'step', 'small(zdm_buyer_new)', 'zdm_buyer_new IS NULL OR buyer IS NOT NULL', "
        "'zdm_buyer_new', 'step', 'buyer', '')";
    EXPECT_NE(lines(plan).at(1).find(led), std::string::npos) << lines(plan).at(1);
    const Step& turn = turning(plan, "public.orders");
    EXPECT_EQ(turn.command.find("'small(zdm_buyer_new)'"), std::string::npos);
    const auto leads = [&](const auto& part) {
        return part.kind == StepKind::sync && part.command.find(led) != std::string::npos;
    };
    EXPECT_TRUE(std::any_of(turn.undo.begin(), turn.undo.end(), leads));
}

TEST(RetypeTogether, ACircleOfTablesIsRefused) {
    RetypeColumn one = retyped("a");
    one.tied = {kOrders};
    RetypeColumn other = retyped("b");
    other.tied = {kUsers};
    EXPECT_EQ(refusal({act(kUsers, one), act(kOrders, other)}).find("ZD105"), 0u);
}

TEST(RetypeTogether, NoneReadsAnotherOne) {
    RetypeColumn a = retyped("a");
    a.up = "a + b";
    a.reads = {"a", "b"};
    EXPECT_NE(refusal({act(kUsers, a), act(kUsers, retyped("b"))}).find("USING of column a"),
              std::string::npos);
    // Of another table it reads nothing.
    EXPECT_NO_THROW(plan_of({act(kUsers, a), act(kOrders, retyped("b"))}));
    RetypeColumn given = retyped("a");
    given.given = Down{};
    given.given->immutable = true;
    given.given->reads = {"b"};
    EXPECT_NE(refusal({act(kUsers, given), act(kUsers, retyped("b"))}).find("-- zdm: down of"),
              std::string::npos);
}

TEST(RetypeTogether, ASequenceChangesItsTypeWithTheColumnThatOwnsIt) {
    RetypeColumn serial = retyped("id");
    serial.copies.sequences = {"public.s"};
    EXPECT_FALSE(serial.changes_sequence("public.s", "bigint"));
    serial.sequence_type = "integer";
    EXPECT_TRUE(serial.changes_sequence("public.s", "bigint"));
    EXPECT_FALSE(serial.changes_sequence("public.s", "smallint"));
    EXPECT_FALSE(serial.changes_sequence("public.other", "bigint"));
    EXPECT_FALSE(retyped("id").changes_sequence("", "bigint"));
    RetypeColumn identity = retyped("id");
    identity.copies.identity = {"public.i", "GENERATED ALWAYS AS IDENTITY"};
    EXPECT_TRUE(identity.changes_sequence("public.i", "bigint"));
}

}  // namespace
}  // namespace zdm::plan
