//! `loki-fault-server`: the scripted server for tests in any language, driven by JSON lines on stdin.

use std::io;

fn main() -> io::Result<()> {
    loki_mode_test_support::control::run(io::stdin().lock(), io::stdout().lock())
}
