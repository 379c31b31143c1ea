// What can be chosen: from the environment at the start, later by cuemu_configure.
#pragma once
#include "../kernel_abi.h"
#include "api.h"

#include <string>

struct Settings {
  size_t memory = size_t(1) << 30;  // of each device, in bytes
  int devices = 1;
  int capability = 80;
  int driver_version = 12060;
  CUresult init_result = CUDA_SUCCESS;  // what cuInit answers
  bool asynchronous = false;            // queue work, run it at synchronisations
  bool verbose = false;                 // say why a call fails
  std::string kernels;                  // the host library that stands in for a PTX image
  cuhost::LaunchOptions launch;
};

Settings& settings();
