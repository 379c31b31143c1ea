#!/bin/bash
# Plants faults in the kernels, one at a time, and says which test finds each.
#
#   plant-faults.sh [--kind KIND]... [--file NAME]... [--every N] [--list]
#
# KIND   barrier  a __syncthreads() is left out
#        wait     a wait for asynchronous copies (cp_wait) is left out
#        edge     a bound in a condition lets one more through (< becomes <=)
#        mask     a warp function is called for half a warp (0xffffffffu becomes 0x0000ffffu)
# NAME   a file in native/kernels: gemm.cuh
# N      only every N-th fault of a kind in a file (default 1)
#
# Each fault is compiled for the emulated device, in a folder of its own, and the tests of this
# module run on it (TESTS names others), as they would in the build's first run. Run
# `mvn -o -pl cuda-kernels -am test-compile` first. Ends with 1 where a fault was found by no test:
# then a test is missing, or the line is not needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
module=$(dirname "$here")
root=$(dirname "$module")
kinds=()
files=()
every=1
list=
while [ $# -gt 0 ]; do
  case $1 in
    --kind) kinds+=("$2"); shift ;;
    --file) files+=("$2"); shift ;;
    --every) every=$2; shift ;;
    --list) list=yes ;;
    *) sed -n '2,/^set/p' "$0" | sed -e '/^set/d' -e 's/^# \{0,1\}//' >&2; exit 2 ;;
  esac
  shift
done
[ ${#kinds[@]} -gt 0 ] || kinds=(barrier wait edge mask)
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(cd "$here/kernels" && ls -- *.cu *.cuh | grep -v -e '^all' -e '^dev\.cuh' -e '^copies\.cuh' -e '^tensor_cores\.cuh')

# What a line must hold to be a place for the fault, and how it is changed there.
place() {
  case $1 in
    barrier) echo '__syncthreads[_a-z]*\(' ;;
    wait) echo 'cp_wait<' ;;
    edge) echo '(if \(|\? |bool [a-z_]+ = |&& ).* < ' ;;
    mask) echo '(0xffffffffu|all_lanes)[,)]' ;;
    *) echo "plant-faults: no kind $1" >&2; exit 2 ;;
  esac
}
change() {
  case $1 in
    barrier) echo 's/__syncthreads()/(void)0/' ;;
    wait) echo 's/cp_wait<[^>]*>()/(void)0/' ;;
    edge) echo 's/ < / <= /' ;;
    mask) echo 's/0xffffffffu/0x0000ffffu/; s/all_lanes/0x0000ffffu/' ;;
  esac
}

# run EMULATOR LOG: the tests of this module on that emulated device, until the first one fails
run() {
  (cd "$root" && mvn -o -q -pl cuda-kernels -am test -Demulator.folder="$1" \
    -Dtest="${TESTS:-dev.theriac.cuda.Cuda*Test}" -Dsurefire.failIfNoSpecifiedTests=false \
    -Dsurefire.skipAfterFailureCount=1 >"$2" 2>&1)
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
found=0
missed=0
if [ -z "$list" ] && ! run "$module/target/emu" "$work/test.log"; then
  cat "$work/test.log"
  echo "plant-faults: the tests fail without any fault" >&2
  exit 2
fi
for file in "${files[@]}"; do
  for kind in "${kinds[@]}"; do
    # Declarations of loops are left alone: `for (` bounds are exercised by every size.
    mapfile -t lines < <(grep -nE "$(place "$kind")" "$here/kernels/$file" | grep -vE '^[0-9]+: *(//|for \()' | cut -d: -f1)
    for ((i = 0; i < ${#lines[@]}; i += every)); do
      line=${lines[i]}
      text=$(sed -n "${line}s/^ *//p" "$here/kernels/$file")
      if [ -n "$list" ]; then
        echo "$kind  $file:$line  $text"
        continue
      fi
      # Only what differs from the build before is compiled again.
      rm -rf "$work/native"
      cp -rp "$here" "$work/native"
      [ -z "${previous:-}" ] || touch "$work/native/kernels/$previous"
      previous=$file
      sed -i "${line}$(change "$kind")" "$work/native/kernels/$file"
      cmp -s "$here/kernels/$file" "$work/native/kernels/$file" && continue
      mkdir -p "$work/emu"
      if ! sh "$work/native/build.sh" "$work/emu" "$work" host >"$work/build.log" 2>&1; then
        echo "(does not compile)  $kind  $file:$line  $text"
        continue
      fi
      if run "$work/emu" "$work/test.log"; then
        echo "MISSED    $kind  $file:$line  $text"
        missed=$((missed + 1))
        continue
      fi
      test=$(grep -E 'ERROR' "$work/test.log" | grep -oE 'Cuda[A-Za-z]*Test[.A-Za-z0-9_]*' | head -1 || true)
      if [ -z "$test" ]; then
        cp "$work/test.log" "$module/target/plant-faults-$kind-$line.log"
        echo "(no test ran)  $kind  $file:$line  $text"
        missed=$((missed + 1))
        continue
      fi
      echo "$test  $kind  $file:$line  $text"
      found=$((found + 1))
    done
  done
done
[ -z "$list" ] || exit 0
echo "$found found, $missed missed"
[ "$missed" -eq 0 ]
