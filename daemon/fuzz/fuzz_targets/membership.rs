//! See `trucad::fuzz::membership`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trucad::fuzz::membership(data));
