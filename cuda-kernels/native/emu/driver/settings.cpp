#include "settings.h"

#include "state.h"

#include <cstdlib>
#include <cstring>

namespace {

// A whole number and nothing else.
bool parse(const char* text, unsigned long long most, unsigned long long& value) {
  char* end = nullptr;
  value = strtoull(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == 0 && value <= most;
}

bool set_schedule(cuhost::LaunchOptions& options, const char* value) {
  if (!strcmp(value, "fwd")) {
    options.schedule = cuhost::Schedule::forward;
    return true;
  }
  if (!strcmp(value, "rev")) {
    options.schedule = cuhost::Schedule::reverse;
    return true;
  }
  unsigned long long seed = 1;
  if (strncmp(value, "rand", 4) || (value[4] && value[4] != ':')) return false;
  if (value[4] && !parse(value + 5, ~0ull, seed)) return false;
  options.schedule = cuhost::Schedule::random;
  options.seed = seed;
  return true;
}

bool set_copies(cuhost::LaunchOptions& options, const char* value) {
  if (strcmp(value, "early") && strcmp(value, "late")) return false;
  options.early_copies = !strcmp(value, "early");
  return true;
}

template <class T>
bool set_number(T& setting, const char* value, unsigned long long most) {
  unsigned long long number;
  if (!parse(value, most, number)) return false;
  setting = T(number);
  return true;
}

bool set(Settings& settings, const std::string& key, const char* value) {
  if (key == "schedule") return set_schedule(settings.launch, value);
  if (key == "cpasync") return set_copies(settings.launch, value);
  if (key == "workers") return set_number(settings.launch.workers, value, 256);
  if (key == "async") return set_number(settings.asynchronous, value, 1);
  if (key == "verbose") return set_number(settings.verbose, value, 1);
  if (key == "memory") return set_number(settings.memory, value, ~size_t(0) / 2);
  if (key == "devices") return set_number(settings.devices, value, max_devices);
  if (key == "capability") return set_number(settings.capability, value, 999);
  if (key == "version") return set_number(settings.driver_version, value, 99999);
  if (key == "init") return set_number(settings.init_result, value, 999);
  if (key == "kernels") {
    settings.kernels = value;
    return true;
  }
  return false;
}

constexpr const char* variables[][2] = {
    {"CUEMU_SCHED", "schedule"},  {"CUEMU_CPASYNC", "cpasync"}, {"CUEMU_WORKERS", "workers"}, {"CUEMU_ASYNC", "async"},
    {"CUEMU_VERBOSE", "verbose"}, {"CUEMU_MEMORY", "memory"},   {"CUEMU_DEVICES", "devices"}, {"CUEMU_CC", "capability"},
    {"CUEMU_VERSION", "version"}, {"CUEMU_INIT", "init"},       {"CUEMU_KERNELS", "kernels"},
};

// A setting goes by two names.
std::string short_name(const char* key) {
  for (auto& variable : variables) {
    if (!strcmp(key, variable[0])) return variable[1];
  }
  return key;
}

Settings from_environment() {
  Settings settings;
  for (auto& variable : variables) {
    const char* value = getenv(variable[0]);
    if (!value || !*value || set(settings, variable[1], value)) continue;
    fprintf(stderr, "cuemu: %s=%s means nothing and is ignored\n", variable[0], value);
  }
  return settings;
}

}  // namespace

Settings& settings() {
  static Settings settings = from_environment();
  return settings;
}

// Changes a setting, named as in the environment or short. Work that is queued runs first, under the old ones.
API CUresult cuemu_configure(const char* key, const char* value) {
  Lock lock;
  if (!key || !value) return CUDA_ERROR_INVALID_VALUE;
  drain_everything();
  return set(settings(), short_name(key), value) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Back to what the environment says, but for the kernels.
API void cuemu_restore() {
  Lock lock;
  drain_everything();
  std::string kernels = settings().kernels;
  settings() = from_environment();
  settings().kernels = kernels;
}

API CUresult cuemu_set_kernels(const char* path) { return cuemu_configure("kernels", path ? path : ""); }
