#!/usr/bin/env bash
# Lay out libtorch 2.13.0 in one folder outside the build tree, from the wheels on PyPI; the only way
# dayvec's scripts and images get libtorch.
#
#   scripts/libtorch.sh [cpu|cuda]     fetch if needed, print the folder
#   eval "$(scripts/libtorch.sh env)"  the same for cpu, and set LIBTORCH and LD_LIBRARY_PATH for cargo
#                                      (env cuda for the CUDA build)
#
# The folder is $DAYVEC_LIBTORCH_DIR, else ~/.cache/dayvec/libtorch-2.13.0-<variant>.
# cpu  takes only the four libraries that a CPU needs from the CUDA wheel, and the two small NVIDIA
#      libraries that libtorch_cpu.so names; with no libtorch_cuda.so there, tch builds for the CPU.
# cuda takes every library and what the wheel requires from NVIDIA; the same dayvec code then uses the GPU.
set -euo pipefail

version=2.13.0
python_tag=3.11 # of the wheel, whatever Python runs pip: nothing of Python's is used from it
torch_sha256=60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7
small_wheels=(nvidia-cuda-cupti==13.5.25 nvidia-cuda-runtime==13.5.37)
small_sha256=(9dcca41c12a734192b14e7128ae116bc9ce1b9da686e2ebf48ae7a4415f76650 df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d)

command=print
variant=cpu
for word in "$@"; do
  case "$word" in
    env) command=env ;;
    cpu|cuda) variant="$word" ;;
    *) echo "usage: scripts/libtorch.sh [env] [cpu|cuda]" >&2; exit 64 ;;
  esac
done
folder="${DAYVEC_LIBTORCH_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/dayvec/libtorch-$version-$variant}"

download() { # <requirement> <sha256 or ""> <folder>: one wheel, its hash checked
  local requirement="$1"
  if [ -n "$2" ]; then
    printf '%s --hash=sha256:%s\n' "$1" "$2" >"$3/requirement.txt"
    set -- -r "$3/requirement.txt" --require-hashes -d "$3"
  else
    set -- "$1" -d "$3"
  fi
  python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version "$python_tag" --implementation cp --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform any "$@" >&2 \
    || { echo "libtorch.sh: cannot fetch $requirement from PyPI; check the network and pip's settings" >&2; exit 69; }
}

lay_out() { # <folder>
  work="$1.partial.$$"
  rm -rf "$work"
  mkdir -p "$work/wheels" "$work/lib"
  trap 'rm -rf "$work"' EXIT
  echo "fetching libtorch $version ($variant), once, into $1" >&2
  download "torch==$version" "$torch_sha256" "$work/wheels"
  for i in 0 1; do download "${small_wheels[$i]}" "${small_sha256[$i]}" "$work/wheels"; done
  python3 - "$variant" "$work" <<'PY'
import pathlib, re, shutil, sys, zipfile
variant, work = sys.argv[1], pathlib.Path(sys.argv[2])
cpu_only = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libtorch.so"}
named_by_cpu = {"libcupti.so.13", "libcudart.so.13"}
(torch_wheel,) = (work / "wheels").glob("torch-*.whl")
with zipfile.ZipFile(torch_wheel) as wheel:
    for name in wheel.namelist():
        if name.endswith("/"):
            continue
        if name.startswith("torch/include/"):
            target = work / "include" / name.removeprefix("torch/include/")
        elif re.fullmatch(r"torch/lib/[^/]+\.so[.0-9]*", name) and "python" not in name:
            base = name.rsplit("/", 1)[1]
            if variant == "cpu" and base not in cpu_only:
                continue
            target = work / "lib" / base
        else:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with wheel.open(name) as source, open(target, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 22)
    metadata = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    required = re.findall(r"^Requires-Dist: ([^;\s]+)", wheel.read(metadata).decode(), re.M)
for path in (work / "wheels").glob("nvidia_*.whl"):
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            base = name.rsplit("/", 1)[1]
            if base in named_by_cpu:
                (work / "lib" / base).write_bytes(wheel.read(name))
(work / "requires.txt").write_text("\n".join(r for r in required if re.match(r"nvidia|cuda", r)) + "\n")
PY
  if [ "$variant" = cuda ]; then
    python3 -m pip install -q --disable-pip-version-check --target "$work/nvidia-wheels" -r "$work/requires.txt" >&2
    find "$work/nvidia-wheels" -name '*.so*' -exec mv -n {} "$work/lib/" \;
    rm -rf "$work/nvidia-wheels"
  fi
  rm -rf "$work/wheels"
  echo "$version" >"$work/build-version"
  mkdir -p "$(dirname "$1")"
  mv -T "$work" "$1" 2>/dev/null || [ -f "$1/build-version" ] # lost a race: the other layout is the same
}

[ -f "$folder/build-version" ] || lay_out "$folder"
if [ "$command" = env ]; then
  printf 'export LIBTORCH=%q LIBTORCH_CXX11_ABI=1 LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$folder" "$folder/lib"
else
  echo "$folder"
fi
