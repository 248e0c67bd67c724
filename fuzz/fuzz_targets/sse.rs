#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loki_mode_core::fuzzing::sse(data));
