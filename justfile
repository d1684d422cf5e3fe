# `just` lists the recipes; `just ci` is what CI runs.

default:
    @just --list

# Everything CI runs
ci:
    ./test

# Build and run the demo: embedded log, simulators, nothing else needed
demo *args:
    cargo run --release -p countersign -- demo {{args}}

# All services and simulators in one process, until Ctrl-C
dev *args:
    cargo run -p countersign -- up --simulators {{args}}

# Build and test one crate, or everything
test crate="":
    {{ if crate == "" { "cargo build -p countersign && cargo test --workspace" } else { "cargo test -p " + crate } }}

# Fast feedback
check:
    cargo check --workspace --all-targets

fmt:
    cargo fmt --all
    target/tools/buf format --write proto

lint:
    cargo clippy --workspace --all-targets -- -D warnings

deny:
    target/tools/bin/cargo-deny --offline check --hide-inclusion-graph bans licenses sources

# Known vulnerabilities; needs the network
advisories:
    target/tools/bin/cargo-deny check advisories

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

proto-lint:
    target/tools/buf lint proto
    target/tools/buf format --diff --exit-code proto

# Refuses what would break stored events or callers since `against`
proto-breaking against="main":
    target/tools/buf breaking proto --against ".git#branch={{against}},subdir=proto"

# Feeds every parser of a stranger's bytes so many spoiled inputs (docs/fuzzing.md)
fuzz inputs="1000000" target="":
    BOLERO_RANDOM_ITERATIONS={{inputs}} cargo test -p fuzz --test targets {{target}}

bench *args:
    cargo bench --workspace {{args}}

load *args:
    cargo run --release -p load -- {{args}}

release:
    cargo build --release --locked -p countersign
