#include "cli/migration_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "cli/failure.hpp"

namespace zdm::cli {

namespace fs = std::filesystem;

std::string normalise(std::string_view text) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\r') {
            out += text[i];
        } else if (i + 1 == text.size() || text[i + 1] != '\n') {
            out += '\n';
        }
    }
    return out;
}

std::string migration_name(const fs::path& path) {
    const auto file = path.filename().string();
    auto name = path.extension() == ".sql" ? path.stem().string() : file;
    const bool control =
        std::any_of(name.begin(), name.end(), [](char c) { return c >= 0 && c < ' '; });
    if (name.empty() || name == "." || name == ".." || name.front() == '-' || control)
        throw Failure{Exit::usage, "ZD811",
                      fmt::format("\"{}\" gives no name for a migration", path.string()),
                      "A migration is called like its file, without .sql.", "Rename the file."};
    return name;
}

MigrationFile read_migration(const fs::path& path) {
    std::error_code problem;
    if (fs::is_directory(path, problem))
        throw Failure{Exit::usage,
                      "ZD812",
                      fmt::format("{} is a folder", path.string()),
                      {},
                      "Name one .sql file; zdm up takes a folder."};
    std::ifstream in{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (!in.is_open() || in.bad())
        throw Failure{Exit::usage,
                      "ZD812",
                      fmt::format("cannot read {}", path.string()),
                      {},
                      "Give the path of a .sql file that you may read."};
    if (text.find('\0') != text.npos)
        throw Failure{Exit::usage,
                      "ZD812",
                      fmt::format("{} is not SQL text: it holds a zero byte", path.string()),
                      {},
                      "Save the file as UTF-8."};
    return {path, migration_name(path), normalise(text)};
}

std::vector<fs::path> list_migrations(const fs::path& folder) {
    std::error_code problem;
    std::vector<fs::path> found;
    for (fs::directory_iterator it{folder, problem}, end; !problem && it != end;
         it.increment(problem))
        if (it->path().extension() == ".sql" && it->path().filename().string().front() != '.' &&
            !it->is_directory())
            found.push_back(it->path());
    if (problem)
        throw Failure{Exit::usage, "ZD812",
                      fmt::format("cannot read the folder {}", folder.string()), problem.message(),
                      "Give the path of a folder that you may read."};
    std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
        return a.filename().native() < b.filename().native();
    });
    return found;
}

std::string line_of(std::string_view text, int line) {
    for (; line > 1; --line) {
        const auto end = text.find('\n');
        if (end == text.npos) return {};
        text.remove_prefix(end + 1);
    }
    return std::string{text.substr(0, text.find('\n'))};
}

}  // namespace zdm::cli
