//! See `trucad::fuzz::uci`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trucad::fuzz::uci(data));
