#include "script_failure.h"

#include <c10/util/Exception.h>

#include <sstream>
#include <string_view>
#include <vector>

namespace hire_snn {
namespace {

std::string message_of(const std::exception& error) {
  const auto* native = dynamic_cast<const c10::Error*>(&error);
  // what() of libtorch's own errors renders the C++ stack.
  return native ? native->what_without_backtrace() : error.what();
}

/// Without blanks at both ends; blank lines are left out.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    lines.push_back(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
  }
  return lines;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The innermost place in the script's code that a trace names, as ', at code/__torch__.py:5 "return x"'; ""
/// if it names none.
std::string place_of(const std::vector<std::string>& lines) {
  // A trace quotes the code around each place, with a line of ~~~~ <--- HERE below the line itself.
  std::string file;
  std::string place;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.starts_with("Traceback of TorchScript, original code")) break;  // files of the exporting machine
    if (line.starts_with("File \"")) {
      const auto end = line.find('"', 6);
      const auto number = line.find("line ", end);
      if (end == std::string::npos || number == std::string::npos) continue;
      file = line.substr(6, end - 6) + ":" + line.substr(number + 5, line.find(',', number) - number - 5);
    } else if (contains(line, "<--- HERE") && i > 0 && !file.empty()) {
      place = ", at " + file + " \"" + lines[i - 1] + "\"";
    }
  }
  return place;
}

/// The last line that names an error; the last one of all, if none does.
std::string last_line(const std::vector<std::string>& lines) {
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    const auto colon = line->find(": ");
    if (colon == std::string::npos) continue;
    const std::string_view name = std::string_view(*line).substr(0, colon);
    if ((name.ends_with("Error") || name.ends_with("Exception")) && !contains(name, " ")) return *line;
  }
  return lines.empty() ? "it gave no reason" : lines.back();
}

}  // namespace

CodedError running_failure(const std::exception& error) {
  const auto lines = lines_of(message_of(error));
  const std::string said = last_line(lines) + place_of(lines);
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) ||
                      dynamic_cast<const c10::OutOfMemoryError*>(&error) ||
                      contains(said, "can't allocate memory") || contains(said, "out of memory");
  if (memory) {
    return {"OUT_OF_MEMORY", "Not enough memory for the script: " + said + ". Use a smaller micro-batch"};
  }
  return {"SCRIPT_FAILED", "The script stopped: " + said};
}

CodedError loading_failure(const std::string& path, const std::exception& error) {
  const auto lines = lines_of(message_of(error));
  const std::string said = lines.empty() ? "it gave no reason" : lines.front();
  std::string advice;
  if (contains(said, "Unknown builtin op") || contains(said, "Unknown type name")) {
    advice =
        ". It needs operators or classes that plain libtorch does not have; export a version without them";
  }
  return {"SCRIPT_INVALID", "libtorch cannot load " + path + " as TorchScript: " + said + advice};
}

}  // namespace hire_snn
