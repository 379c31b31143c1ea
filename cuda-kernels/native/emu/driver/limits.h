// What the emulated device can do: the figures of an A100, with a memory of one's own choice.
#pragma once
#include <cstddef>

constexpr int max_devices = 16;
constexpr unsigned max_threads_per_block = 1024;
constexpr unsigned max_block_z = 64;
constexpr unsigned max_grid_x = 0x7fffffff;
constexpr unsigned max_grid_yz = 65535;
constexpr int threads_per_multiprocessor = 2048;
constexpr int blocks_per_multiprocessor = 32;
constexpr int shared_per_block = 48 << 10;
constexpr int shared_per_block_optin = 227 << 10;
constexpr int shared_per_multiprocessor = 228 << 10;
constexpr int shared_reserved = 1 << 10;
