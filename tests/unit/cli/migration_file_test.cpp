#include "cli/migration_file.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include <unistd.h>

#include "cli/failure.hpp"

namespace zdm::cli {

namespace fs = std::filesystem;

namespace {

class MigrationFiles : public testing::Test {
protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("zdm_unit." + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directory(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    fs::path write(const std::string& name, const std::string& text) const {
        std::ofstream{folder_ / name, std::ios::binary} << text;
        return folder_ / name;
    }

    fs::path folder_;
};

}  // namespace

TEST(Normalise, MakesLineEndsEqual) {
    EXPECT_EQ(normalise("a\r\nb\rc\n"), "a\nb\nc\n");
    EXPECT_EQ(normalise("\xEF\xBB\xBFx"), "x");
    EXPECT_EQ(normalise("\r"), "\n");
    EXPECT_EQ(normalise(""), "");
}

TEST(LineOf, GivesOneLine) {
    EXPECT_EQ(line_of("a\nb\nc", 2), "b");
    EXPECT_EQ(line_of("a\nb\nc", 3), "c");
    EXPECT_EQ(line_of("a\nb\nc", 4), "");
}

TEST(MigrationName, IsTheFilesWithoutSql) {
    EXPECT_EQ(migration_name("dir/001_a.b.sql"), "001_a.b");
    EXPECT_EQ(migration_name("x"), "x");
    for (const char* const path : {"", "dir/", "..", "dir/-x.sql", "a\nb.sql"})
        EXPECT_THROW(migration_name(path), Failure) << path;
}

TEST_F(MigrationFiles, AreReadNormalised) {
    const auto file = read_migration(write("1_a.sql", "SELECT 1;\r\n"));
    EXPECT_EQ(file.name, "1_a");
    EXPECT_EQ(file.sql, "SELECT 1;\n");
}

TEST_F(MigrationFiles, RefusesWhatIsNoFileOfSql) {
    EXPECT_THROW(read_migration(folder_), Failure);
    EXPECT_THROW(read_migration(folder_ / "missing.sql"), Failure);
    EXPECT_THROW(read_migration(write("0.sql", std::string("a\0b", 3))), Failure);
}

TEST_F(MigrationFiles, AreListedInNameOrderByBytes) {
    write("2.sql", "");
    write("10.sql", "");
    write("B.sql", "");
    write("a.sql", "");
    write("a.txt", "");
    write(".hidden.sql", "");
    fs::create_directory(folder_ / "dir.sql");
    std::vector<std::string> names;
    for (const auto& path : list_migrations(folder_)) names.push_back(path.filename());
    EXPECT_EQ(names, (std::vector<std::string>{"10.sql", "2.sql", "B.sql", "a.sql"}));
    EXPECT_THROW(list_migrations(folder_ / "missing"), Failure);
}

}  // namespace zdm::cli
