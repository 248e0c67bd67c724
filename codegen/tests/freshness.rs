//! What is committed is what the table says today.

use std::fs;
use std::path::Path;

#[test]
fn generated_files_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let outputs = loki_mode_codegen::outputs();
    assert!(!outputs.is_empty());
    let stale: Vec<_> = outputs
        .iter()
        .filter(|output| fs::read_to_string(root.join(&output.path)).ok().as_deref() != Some(&output.text))
        .map(|output| output.path.as_str())
        .collect();
    assert!(stale.is_empty(), "stale, run `make generate`: {stale:?}");
}
