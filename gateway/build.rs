//! Compiles the steering program for the `af-xdp` feature; without it there is nothing to do.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=bpf/steer.c");
    println!("cargo:rerun-if-env-changed=CLANG");
    if std::env::var_os("CARGO_FEATURE_AF_XDP").is_some() {
        compile_steering_program();
    }
}

/// `-g` is for BTF, which libbpf needs to find the maps; the C file declares all it uses, so no headers.
fn compile_steering_program() {
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let clang = std::env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let status = Command::new(&clang)
        .args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-nostdinc", "-target", "bpf"])
        .args(["-c", "bpf/steer.c", "-o"])
        .arg(out_dir.join("steer.o"))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{}: bpf/steer.c does not compile: {status}", clang.display()),
        Err(error) => panic!(
            "{}: {error}; feature af-xdp needs clang (set CLANG, or build with --no-default-features)",
            clang.display()
        ),
    }
}
