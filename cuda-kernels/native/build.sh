#!/bin/sh
# Builds what the CUDA back end needs beside Java.
#
#   build.sh EMULATOR RESOURCES [host|device|all]
#
# host:   g++ or clang++ make the emulated libcuda.so.1 and libcublas.so.12, and the kernels as
#         libkernels_host.so, in the folder EMULATOR. Only what changed is compiled again.
# device: nvcc makes RESOURCES/kernels.ptx when the sources are not those that RESOURCES/kernels.sha256
#         names; ptxas then compiles it for each architecture and refuses kernels that spill registers.
# A missing tool is no error: its part is skipped, and one line says so.
#
# Environment: CXX, NVCC (programs), BUILD_FLAGS (more flags of both compilers, such as -DNAME).
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
emulator=$1
resources=$2
part=${3:-all}
flags=${BUILD_FLAGS:-}

say() {
  echo "[native] $*"
}

# ---- host -----------------------------------------------------------------------------------------

host_compiler() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) return 1 ;;
  esac
  for candidate in ${CXX:-g++ clang++ c++}; do
    if command -v "$candidate" >/dev/null 2>&1; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# current OBJECT: newer than each file that its dependency file names?
current() {
  [ -f "$1" ] && [ -f "${1%.o}.d" ] || return 1
  for file in $(sed -e 's/\\$//' -e 's/^[^:]*://' "${1%.o}.d"); do
    [ -f "$file" ] && ! [ "$file" -nt "$1" ] || return 1
  done
}

# compile SOURCE OBJECT: in the background, at most $jobs at a time
compile() {
  current "$2" && return 0
  changed=yes
  rm -f "$2"
  $compiler $options -MMD -MF "${2%.o}.d" -c -x c++ -I"$here/emu/host" -I"$here/kernels" -o "$2" "$1" &
  running="$running $!"
  set -- $running
  if [ $# -ge "$jobs" ]; then
    wait "$1" || exit 1
    shift
    running=$*
  fi
}

build_host() {
  if ! compiler=$(host_compiler); then
    say "no host C++ compiler for this system: tests on the emulated device will be skipped"
    rm -f "$emulator"/lib*.so*
    return 0
  fi
  objects=$emulator/objects
  mkdir -p "$objects"
  # Results are those of the source: no contraction into fused multiply-adds on processors that have them.
  options="-std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -ffp-contract=off -fstack-clash-protection -pthread -Wall -Wextra -Werror=return-type"
  options="$options -Wno-unknown-pragmas -Wno-unused-function -Wno-unused-parameter $flags"
  if [ "$(cat "$objects/options" 2>/dev/null)" != "$compiler $options" ]; then
    rm -f "$objects"/*.o
    echo "$compiler $options" >"$objects/options"
  fi
  jobs=$(getconf _NPROCESSORS_ONLN)
  running=
  changed=
  driver= blas= runtime= kernels= selftest=
  for source in "$here"/emu/driver/*.cpp; do
    compile "$source" "$objects/driver_$(basename "$source" .cpp).o"
    driver="$driver $objects/driver_$(basename "$source" .cpp).o"
  done
  for source in "$here"/emu/blas/*.cpp; do
    compile "$source" "$objects/blas_$(basename "$source" .cpp).o"
    blas="$blas $objects/blas_$(basename "$source" .cpp).o"
  done
  for source in "$here"/emu/host/*.cpp; do
    compile "$source" "$objects/host_$(basename "$source" .cpp).o"
    runtime="$runtime $objects/host_$(basename "$source" .cpp).o"
  done
  for source in "$here"/emu/selftest/*.cu; do
    compile "$source" "$objects/selftest_$(basename "$source" .cu).o"
    selftest="$selftest $objects/selftest_$(basename "$source" .cu).o"
  done
  for source in "$here"/kernels/*.cu; do
    name=$(basename "$source" .cu)
    case "$name" in all*) continue ;; esac
    compile "$source" "$objects/kernel_$name.o"
    kernels="$kernels $objects/kernel_$name.o"
  done
  for process in $running; do
    wait "$process" || exit 1
  done
  libraries="libcuda.so.1 libcublas.so.12 libkernels_host.so libselftest_host.so"
  for library in $libraries; do
    [ -f "$emulator/$library" ] || changed=yes
  done
  if [ -z "$changed" ]; then
    say "the emulated device is up to date"
    return 0
  fi
  link="$compiler -shared -pthread"
  $link -Wl,-soname,libcuda.so.1 -o "$emulator/libcuda.so.1.tmp" $driver -ldl
  $link -Wl,-soname,libcublas.so.12 -Wl,--version-script="$here/emu/blas/v12.map" -o "$emulator/libcublas.so.12.tmp" $blas -ldl
  $link -Wl,-z,defs -o "$emulator/libkernels_host.so.tmp" $kernels $runtime
  $link -Wl,-z,defs -o "$emulator/libselftest_host.so.tmp" $selftest $runtime
  # Renamed, not written over: a JVM that still runs may have the old files mapped.
  for library in $libraries; do
    mv "$emulator/$library.tmp" "$emulator/$library"
  done
  say "built the emulated device with $compiler"
}

# ---- device ---------------------------------------------------------------------------------------

# The hashes of all kernel sources and of the PTX made from them, one file a line.
hashes() {
  (cd "$here/kernels" && sha256sum -- *.cu *.cuh) || exit 1
  (cd "$resources" && sha256sum -- kernels*.ptx) || exit 1
}

# gate PTX ARCHITECTURE...: compiles for each, refuses spills, adds registers and shared memory to the report
gate() {
  ptx=$1
  shift
  for architecture in "$@"; do
    log=$emulator/ptxas-$architecture.txt
    if ! "$assembler" -v -arch="$architecture" -warn-spills -Werror -o /dev/null "$ptx" 2>"$log"; then
      cat "$log" >&2
      say "$(basename "$ptx") does not compile for $architecture, or spills registers"
      exit 1
    fi
    awk -v architecture="$architecture" '
      /Compiling entry function/ { split($0, part, "\047"); kernel = part[2] }
      /Used [0-9]+ registers/ {
        registers = shared = 0
        for (i = 1; i <= NF; i++) {
          if ($(i + 1) ~ /^registers/) registers = $i
          if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i
        }
        printf "%-44s %-8s %9d %12d\n", kernel, architecture, registers, shared
      }' "$log" >>"$emulator/resources.txt"
  done
}

# to_ptx SOURCE ARCHITECTURE PTX
to_ptx() {
  "$nvcc" -std=c++17 -O3 -ptx -arch="$2" -Werror all-warnings $flags -o "$emulator/new.ptx" "$here/kernels/$1"
  # nvcc 13 writes version 9.0, which drivers of CUDA 12 refuse; nothing in it needs more than 8.0, but for
  # hints at which bytes of a parameter are used.
  sed -e 's/^\.version .*/.version 8.0/' -e '/^\/\//d' -e '/\.pragma "used_bytes_mask /d' "$emulator/new.ptx" >"$3"
  rm "$emulator/new.ptx"
}

build_device() {
  if [ -f "$resources/kernels.sha256" ] && [ -z "$flags" ] && hashes 2>/dev/null | cmp -s - "$resources/kernels.sha256"; then
    say "the device code is up to date"
    return 0
  fi
  nvcc=${NVCC:-nvcc}
  if ! command -v "$nvcc" >/dev/null 2>&1; then
    say "no nvcc: the device code is the checked-in PTX"
    return 0
  fi
  say "compiling the device code with $nvcc"
  assembler=$(command -v ptxas || true)
  [ -n "$assembler" ] || say "no ptxas: WHETHER KERNELS SPILL REGISTERS IS NOT CHECKED"
  mkdir -p "$emulator" "$resources"
  printf '%-44s %-8s %9s %12s\n' kernel target registers shared >"$emulator/resources.txt"
  to_ptx all.cu compute_80 "$emulator/kernels.ptx"
  [ -z "$assembler" ] || gate "$emulator/kernels.ptx" sm_80 sm_89 sm_90 sm_100
  if [ -f "$here/kernels/all_sm90a.cu" ]; then
    to_ptx all_sm90a.cu compute_90a "$emulator/kernels_sm90a.ptx"
    [ -z "$assembler" ] || gate "$emulator/kernels_sm90a.ptx" sm_90a
  fi
  # With flags of one's own this is an experiment: looked at by ptxas, and not kept.
  [ -z "$flags" ] || return 0
  mv "$emulator"/kernels*.ptx "$resources"
  hashes >"$resources/kernels.sha256"
}

case $part in
  host) build_host ;;
  device) build_device ;;
  all)
    build_host
    build_device
    ;;
  *)
    echo "build.sh: unknown part $part" >&2
    exit 2
    ;;
esac
