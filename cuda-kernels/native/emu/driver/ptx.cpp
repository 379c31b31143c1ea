// Reads of a PTX text what the host library does not know: which entries there are, the sizes of their
// parameters, how many threads a block may have, and how much static shared memory it takes.
#include "state.h"

#include <cstdlib>
#include <cstring>
#include <sstream>

namespace {

// Bytes of a PTX type such as .u64 or .b8.
unsigned size_of_type(const std::string& type) {
  size_t digit = type.find_first_of("0123456789");
  return digit == std::string::npos ? 0 : unsigned(atoi(type.c_str() + digit)) / 8;
}

// Bytes of `.param .u64 name` or `.shared .align 4 .b8 name[128]`.
unsigned size_of_declaration(const std::string& line) {
  std::istringstream words(line);
  std::string word;
  unsigned element = 0;
  unsigned count = 1;
  while (words >> word) {
    if (word == ".align") {
      words >> word;
      continue;
    }
    if (word[0] == '.' && word != ".param" && word != ".shared" && word != ".ptr" && word != ".global") {
      if (unsigned size = size_of_type(word)) element = size;
    }
    size_t bracket = word.find('[');
    if (bracket != std::string::npos) count = unsigned(atoi(word.c_str() + bracket + 1));
  }
  return element * count;
}

std::string trimmed(const std::string& line) {
  size_t begin = line.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : line.substr(begin);
}

bool starts_with(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

}  // namespace

bool parse_ptx(const std::string& text, std::map<std::string, EntryInfo>& entries) {
  std::istringstream lines(text);
  std::string raw;
  EntryInfo* entry = nullptr;
  bool versioned = false;
  bool in_list = false;
  while (std::getline(lines, raw)) {
    std::string line = trimmed(raw);
    if (starts_with(line, ".version")) versioned = true;
    size_t at = line.find(".entry ");
    if (at != std::string::npos) {
      std::string name = line.substr(at + strlen(".entry "));
      name.erase(name.find_first_of("( \t") == std::string::npos ? name.size() : name.find_first_of("( \t"));
      entry = &entries[name];
      in_list = line.find(')', at) == std::string::npos;
      continue;
    }
    if (!entry) continue;
    // Calls in the body declare parameters of their own.
    if (starts_with(line, ")")) in_list = false;
    if (in_list && starts_with(line, ".param")) entry->parameter_sizes.push_back(size_of_declaration(line));
    if (starts_with(line, ".shared")) entry->static_shared += int(size_of_declaration(line));
    if (starts_with(line, ".maxntid")) {
      int x = 1;
      int y = 1;
      int z = 1;
      sscanf(line.c_str(), ".maxntid %d, %d, %d", &x, &y, &z);
      entry->max_threads = x * y * z;
    }
    if (raw[0] == '}') entry = nullptr;
  }
  return versioned;
}
