//! The docs that a list in the code makes.

use gateway::pipeline::drop_reason::DropReason;
use std::fmt::Write;
use std::{env, fs};

/// `docs/drops.md` says what the code says. To write it anew: `UPDATE_DOCS=1 cargo test -p gateway --test docs`.
#[test]
fn the_table_of_drop_reasons_is_the_list_in_the_code() {
    let mut text = String::from(
        "# Drop reasons\n\n\
         Every frame that goes nowhere is counted under exactly one of these. The names are part of the\n\
         interface: `sluice stats`, `sluice replay` and whatever reads their JSON use them, and they do not\n\
         change. The table is made from the list in `gateway/src/pipeline/drop_reason.rs`.\n\n\
         | reason | why |\n| --- | --- |\n",
    );
    for reason in DropReason::ALL {
        writeln!(text, "| `{}` | {} |", reason.name(), reason.text()).expect("a String takes all");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/drops.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &text).expect("docs/ can be written");
    }
    let current = fs::read_to_string(path).unwrap_or_default() == text;
    assert!(current, "docs/drops.md is out of date; the comment above says how to write it anew");
}
