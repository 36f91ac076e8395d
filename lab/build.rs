//! Embeds the sequences: writes a table of them by name.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=sequences");
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("sequences"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".yaml").filter(|name| *name != "base").map(str::to_owned));
    }
    names.sort();
    let mut table = String::from("&[\n");
    for name in names {
        // Relative to wherever the package lies when this is compiled, as `datasets` does.
        let place = format!("/sequences/{name}.yaml");
        writeln!(table, "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {place:?}))),")
            .expect("writing to a string");
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("sequences.rs"), table)
}
