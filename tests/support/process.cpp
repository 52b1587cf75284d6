#include "support/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

extern char** environ;

namespace tollgate::testing {

pid_t spawn(const std::vector<std::string>& argv, const std::string& directory,
            const std::map<std::string, std::string>& environment, const std::string& out_file,
            const std::string& err_file) {
  // Everything that allocates happens before fork: the test process has other threads.
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string line = *entry;
    const std::string name = line.substr(0, line.find('='));
    // Proxies of the machine are not the tests' business.
    if (!environment.contains(name) && name.find("_proxy") == std::string::npos &&
        name.find("_PROXY") == std::string::npos) {
      variables.push_back(line);
    }
  }
  for (const auto& [name, value] : environment) {
    std::string line = name;
    line += "=";
    line += value;
    variables.push_back(std::move(line));
  }
  std::vector<std::string> arguments = argv;
  std::vector<char*> argument_pointers;
  std::vector<char*> variable_pointers;
  for (std::string& argument : arguments) argument_pointers.push_back(argument.data());
  for (std::string& variable : variables) variable_pointers.push_back(variable.data());
  argument_pointers.push_back(nullptr);
  variable_pointers.push_back(nullptr);
  const pid_t parent = ::getpid();

  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (child > 0) return child;

  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;  // this process ignores SIGPIPE; the daemon decides for itself
  ::sigaction(SIGPIPE, &standard, nullptr);
  const int null = ::open("/dev/null", O_RDONLY);
  const int out = ::open(out_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err =
      out_file == err_file ? out : ::open(err_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  if (::chdir(directory.c_str()) != 0) ::_exit(127);
  ::execve(argument_pointers[0], argument_pointers.data(), variable_pointers.data());
  ::_exit(127);
}

int exit_code_of(int wait_status) noexcept {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace tollgate::testing
