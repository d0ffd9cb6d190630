"""All measurements, as ratios against a standard implementation: `make bench`, or `make bench BENCH="engine cli"`.

Both sides of a ratio take turns in one run, so that whatever else the machine does falls on both. A number out of its
bound makes the command fail; on a busy machine, measure again before you believe it.
"""

import importlib
import os
import subprocess
import sys
import time

FILES = (
    "cli",
    "engine",
    "lenet",
    "gpt",
    "loop",
    "models",
    "way",
    "decode",
    "tokens",
    "parallel",
    "nanogpt",
    "mnist",
    "check",
    "labs",
    "web",
)


def bound_of(bound: object) -> tuple[str, float]:
    """A bound is a largest value, or a pair like (">=", 0.95)."""
    return bound if isinstance(bound, tuple) else ("<=", float(bound))  # type: ignore[arg-type, return-value]


def kept(value: float, bound: object) -> bool:
    sign, limit = bound_of(bound)
    return value >= limit if sign == ">=" else value <= limit


def measure(name: str) -> bool:
    """Print one file's measurements; whether all are within their bounds."""
    module = importlib.import_module(f"benchmarks.{name}")
    begun = time.perf_counter()
    values = module.measure()
    good = True
    for what, value in values.items():
        line = f"  {what:56} {value:10.3f}"
        if what in module.BOUNDS:
            sign, limit = bound_of(module.BOUNDS[what])
            within = kept(value, module.BOUNDS[what])
            good &= within
            line += f"   bound {sign} {limit:.3f}   {'ok' if within else 'OUT OF BOUND'}"
        print(line, flush=True)
    print(f"  ({time.perf_counter() - begun:.0f} s)", flush=True)
    return good


def main() -> int:
    """Measure the named files, or all, each in a process of its own: threads and caches of one are not another's."""
    if sys.argv[1:2] == ["--here"]:
        return 0 if measure(sys.argv[2]) else 1
    names = sys.argv[1:] or FILES
    unknown = set(names) - set(FILES)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(FILES)}", file=sys.stderr)
        return 2
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        if hasattr(os, "getloadavg")
        else f"{os.cpu_count()} cores"
    )
    good = True
    for name in names:
        print(name, flush=True)
        good &= subprocess.run([sys.executable, "-m", "benchmarks", "--here", name]).returncode == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
