//! See `trucad::fuzz::node_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trucad::fuzz::node_frame(data));
