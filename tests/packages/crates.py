"""Of which crates a program says it is made: `name version` of each that is in it, sorted.

    crates.py PROGRAM CARGO_LOCK

Read without a line of cargo-auditable's: section .dep-v0 is JSON, compressed by zlib. Each crate,
those of build scripts and macros too, has to be in Cargo.lock, and the root has to be the program's own.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
import zlib

program, lock = sys.argv[1:]
with tempfile.NamedTemporaryFile() as section:
    dump = f"--dump-section=.dep-v0={section.name}"
    subprocess.run(["objcopy", dump, program, "/dev/null"], check=True)
    crates = json.loads(zlib.decompress(section.read()))["packages"]
with open(lock, "rb") as file:
    locked = {(crate["name"], crate["version"]) for crate in tomllib.load(file)["package"]}

named = {(crate["name"], crate["version"]) for crate in crates}
if strangers := named - locked:
    sys.exit(f"not in {lock}: {sorted(strangers)}")
if [crate["name"] for crate in crates if crate.get("root")] != ["bek-unlock"]:
    sys.exit("the crate of the program is not bek-unlock")
inside = {(crate["name"], crate["version"]) for crate in crates if crate.get("kind") != "build"}
for name, version in sorted(inside):
    print(name, version)
