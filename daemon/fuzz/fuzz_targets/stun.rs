//! See `trucad::fuzz::stun`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trucad::fuzz::stun(data));
